//! The load: wrk, in a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

const CONNECTIONS: u32 = 32;
const SCRIPT: &str = include_str!("load.lua");

/// Which keys the requests present.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keys {
    /// So many good keys, in random order.
    Good(u64),
    /// So many good keys, number n as often as 1/n.
    Zipf(u64),
    /// Keys that nobody has, each once; the number tells one run's from another's.
    Junk(u64),
}

/// What wrk has seen.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Seen {
    pub(super) requests: u64,
    microseconds: f64,
    /// Requests without an answer.
    pub(super) broken: u64,
    /// Answers of status 400 and above.
    pub(super) refused: u64,
    /// Latencies in microseconds.
    pub(super) median: f64,
    /// Of a hundred requests, the slowest but one.
    pub(super) high: f64,
}

impl Seen {
    pub(super) fn seconds(&self) -> f64 {
        self.microseconds / 1e6
    }

    pub(super) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds()
    }
}

/// wrk, ready to be started.
pub(super) struct Wrk {
    script: PathBuf,
}

impl Wrk {
    /// Writes the script that wrk runs. That wrk is there is for `cargo xtask bench` to see to.
    pub(super) fn new(directory: &std::path::Path) -> Result<Self, String> {
        let script = directory.join("load.lua");
        std::fs::write(&script, SCRIPT)
            .map_err(|error| format!("cannot write {}: {error}", script.display()))?;
        Ok(Self { script })
    }

    /// Has the server answer requests with these keys for some seconds.
    pub(super) fn run(&self, server: SocketAddr, keys: Keys, seconds: u64) -> Result<Seen, String> {
        let mut command = Command::new("wrk");
        command.args(["-t", "1", "-c", &CONNECTIONS.to_string(), "-d", &seconds.to_string()]);
        command.arg("-s").arg(&self.script).arg(format!("http://{server}/users")).arg("--");
        match keys {
            Keys::Good(count) => command.args(["keys", &count.to_string()]),
            Keys::Zipf(count) => command.args(["zipf", &count.to_string(), "7"]),
            Keys::Junk(run) => command.args(["junk", &run.to_string()]),
        };
        let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output();
        let output = output.map_err(|error| format!("cannot run wrk: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        figures(&text).ok_or_else(|| {
            format!("wrk gave no figures. It wrote: {text}{}", String::from_utf8_lossy(&output.stderr))
        })
    }
}

/// The figures that the script's `done` has written among wrk's own words.
fn figures(output: &str) -> Option<Seen> {
    output.lines().filter_map(|line| serde_json::from_str(line).ok()).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_found_among_wrks_own_words() {
        let output = "Running 1s test\n  1 threads\n\n\
            {\"requests\":50,\"microseconds\":2000000,\"broken\":1,\"refused\":2,\"median\":300,\"high\":900}\n";
        let seen = figures(output).unwrap();
        assert_eq!((seen.requests, seen.broken, seen.refused), (50, 1, 2));
        assert_eq!((seen.rate(), seen.median, seen.high), (25.0, 300.0, 900.0));
        assert!(figures("unable to connect").is_none());
    }
}
