//! Reads secrets: from a terminal without echo, or else from standard input.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};

use zeroize::Zeroizing;

use crate::console::tell;

/// The longest line that is read, in bytes. A key has at most 512.
const LONGEST_LINE: usize = 4096;

/// Standard input. It is not buffered, so that no copy of a secret stays behind.
pub(crate) struct Input {
    stdin: File,
    is_terminal: bool,
}

impl Input {
    /// # Errors
    /// If there is no standard input.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { stdin: stdin()?, is_terminal: io::stdin().is_terminal() })
    }

    /// Reads a secret on one line. At a terminal, it asks for it and shows nothing of what is typed. Spaces around the
    /// secret are dropped, as they are around a header's value.
    ///
    /// # Errors
    /// Says what is wrong: there is no line, or it is too long or not text.
    pub(crate) fn secret(&mut self, what: &str) -> Result<Zeroizing<String>, String> {
        let line = if self.is_terminal {
            rpassword::prompt_password(format!("{what} (it is not shown): "))
                .map(|line| Some(Zeroizing::new(line)))
        } else {
            self.read_line()
        };
        match line.map_err(|error| format!("the {what} can't be read: {error}"))? {
            Some(line) => Ok(Zeroizing::new(line.trim().to_owned())),
            None => Err(format!("standard input has no {what}: write it there, on a line of its own")),
        }
    }

    /// Asks a question, and returns the line that answers it; `None` if there is no more input.
    ///
    /// # Errors
    /// The same as [`secret`](Self::secret), but for the end of the input.
    pub(crate) fn answer(&mut self, question: &str) -> Result<Option<Zeroizing<String>>, String> {
        tell(question);
        self.read_line().map_err(|error| format!("the answer can't be read: {error}"))
    }

    fn read_line(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
        let mut byte = Zeroizing::new([0]);
        loop {
            match self.stdin.read(&mut *byte) {
                Ok(0) if line.is_empty() => return Ok(None),
                Ok(0) => break,
                Ok(_) if byte[0] == b'\n' => break,
                Ok(_) if line.len() == LONGEST_LINE => {
                    return Err(io::Error::other(format!("the line is longer than {LONGEST_LINE} bytes")));
                }
                Ok(_) => line.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match std::str::from_utf8(&line) {
            Ok(line) => Ok(Some(Zeroizing::new(line.to_owned()))),
            Err(_) => Err(io::Error::other("it is not UTF-8 text")),
        }
    }
}

#[cfg(unix)]
fn stdin() -> io::Result<File> {
    use std::os::fd::AsFd as _;
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn stdin() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}
