//! The command that serves the API while it is probed.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long the command has for its end, before it is killed.
const LONGEST_END: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// A command that runs. It ends with this, and so do the processes that it has started.
pub(super) struct Running(Child);

impl Running {
    /// Starts a command with some variables set and some unset. What it prints goes to standard error, because standard
    /// output is for the report.
    ///
    /// # Errors
    /// If it can't be started.
    pub(super) fn start(command: &[String], set: &[(&str, String)], unset: &[&str]) -> io::Result<Self> {
        let (program, arguments) =
            command.split_first().ok_or_else(|| io::Error::other("there is no command"))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::from(io::stderr()));
        command.envs(set.iter().map(|(name, value)| (name, value)));
        for name in unset {
            command.env_remove(name);
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn().map(Self)
    }

    /// Asks the command to end, and kills it if it does not.
    pub(super) async fn end(mut self) {
        let end = Instant::now() + LONGEST_END;
        self.ask_to_end();
        while !self.has_ended() && Instant::now() < end {
            sleep(PAUSE).await;
        }
    }
}

#[cfg(unix)]
impl Running {
    /// The process group, which has the number of the command's process. Nobody else gets that number before the process was
    /// waited for, which only `drop` does.
    fn group(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.0)
    }

    pub(super) fn has_ended(&mut self) -> bool {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.group()), options), Ok(None))
    }

    fn ask_to_end(&mut self) {
        let _ = rustix::process::kill_process_group(self.group(), rustix::process::Signal::TERM);
    }

    fn kill(&mut self) {
        let _ = rustix::process::kill_process_group(self.group(), rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
impl Running {
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    fn ask_to_end(&mut self) {
        self.kill();
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.wait();
    }
}
