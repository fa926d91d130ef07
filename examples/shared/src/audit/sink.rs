//! Where the audit log is written.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};

/// Opens a file to append to it, or standard output if the target is `-`. It waits for nobody.
pub(super) fn open(target: &str) -> io::Result<File> {
    if target == "-" {
        return standard_output();
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
        options.mode(0o600);
        if std::fs::metadata(target).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
            // To open a FIFO only for writing waits until somebody reads it.
            options.read(true).create(false);
        }
    }
    options.open(target)
}

/// Standard output without Rust's buffer, because that one writes a line again if it failed.
fn standard_output() -> io::Result<File> {
    #[cfg(unix)]
    let handle = std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned()?;
    #[cfg(windows)]
    let handle = std::os::windows::io::AsHandle::as_handle(&io::stdout()).try_clone_to_owned()?;
    Ok(File::from(handle))
}

/// Writes whole lines.
pub(super) struct Sink<W> {
    target: W,
    /// The last line was cut off.
    is_torn: bool,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(target: W) -> Self {
        Self { target, is_torn: false }
    }

    /// Writes a line with its line feed. If it fails, the line does not count as written. A part of it may be there, but the next
    /// line begins on its own.
    pub(super) fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.target.write_all(b"\n")?;
            self.is_torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.target.write(rest) {
                Ok(written) if written > 0 => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => {
                    self.is_torn = rest.len() < line.len();
                    return outcome.and(Err(ErrorKind::WriteZero.into()));
                }
            }
        }
        Ok(())
    }
}
