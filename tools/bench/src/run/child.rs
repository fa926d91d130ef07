//! The servers and the upstream as child processes, which end with this one.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use super::processor_time;
use crate::wire::Connection;

/// A child process that serves. Dropping it ends it.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts this program with these arguments, on one core if one is named, and waits until it prints its address.
    pub(super) fn start(arguments: &[&str], core: Option<usize>) -> Result<Self, String> {
        let program = std::env::current_exe()
            .map_err(|error| format!("cannot find this program's own file: {error}"))?;
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &core.to_string()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        // Its input stays open as long as this process lives. That is how the child knows when to end.
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let what = arguments.join(" ");
        let child = command.spawn().map_err(|error| format!("cannot start `{what}`: {error}"))?;
        let mut server = Self { child, address: ([127, 0, 0, 1], 0).into() };
        let mut line = String::new();
        if let Some(output) = server.child.stdout.take() {
            let _ = BufReader::new(output).read_line(&mut line);
        }
        match line.trim().parse() {
            Ok(address) => server.address = address,
            Err(_) => {
                let mut said = String::new();
                let _ = server.child.kill();
                if let Some(mut errors) = server.child.stderr.take() {
                    let _ = errors.read_to_string(&mut said);
                }
                return Err(format!("`{what}` did not start: {line}{said}"));
            }
        }
        Ok(server)
    }

    /// The processor time that it has used, in seconds.
    pub(super) fn processor_time(&self) -> Option<f64> {
        processor_time::of_process(self.child.id())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The stand-in for Kinde.
pub(super) struct Upstream {
    server: Server,
    control: Connection,
}

/// What the upstream has received since the last reset.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Counters {
    pub(super) calls: u64,
    /// The number of different keys in these calls.
    pub(super) keys: u64,
}

impl Upstream {
    /// Starts it, on one core if one is named.
    pub(super) fn start(core: Option<usize>) -> Result<Self, String> {
        let server = Server::start(&["upstream"], core)?;
        let control = Connection::connect(server.address).map_err(|error| error.to_string())?;
        Ok(Self { server, control })
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Resets the counters, and sets the delay of answers.
    pub(super) fn reset(&mut self, delay_milliseconds: u64) -> Result<(), String> {
        self.ask(&format!("/reset/{delay_milliseconds}")).map(drop)
    }

    pub(super) fn counters(&mut self) -> Result<Counters, String> {
        self.ask("/counters")
    }

    fn ask(&mut self, target: &str) -> Result<Counters, String> {
        let request = format!("GET {target} HTTP/1.1\r\nhost: upstream\r\n\r\n");
        let answer = self.control.exchange(request.as_bytes());
        let answer = answer.map_err(|error| format!("the upstream does not answer: {error}"))?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| format!("the upstream's counters cannot be read: {error}"))
    }
}
