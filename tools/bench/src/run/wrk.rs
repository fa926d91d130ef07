//! The load: wrk in its own process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::processor_time::CoreTime;

const CONNECTIONS: u32 = 32;
/// How long one of several loads runs before the next takes its turn.
const SLICE: Duration = Duration::from_millis(250);
const SCRIPT: &str = include_str!("load.lua");

/// Which keys the requests present.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keys {
    /// This many good keys, in random order.
    Good(u64),
    /// This many good keys, number n with frequency 1/n.
    Zipf(u64),
    /// Unknown keys, each once. The number distinguishes the keys of one run from those of another.
    Junk(u64),
}

/// The figures of wrk.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Seen {
    pub(super) requests: u64,
    microseconds: f64,
    /// Requests without an answer.
    pub(super) broken: u64,
    /// Answers of status 400 and above.
    pub(super) refused: u64,
    /// Microseconds.
    pub(super) median: f64,
    /// Microseconds. One request in a hundred takes longer.
    pub(super) high: f64,
    /// Seconds that the server's cores had nothing to do, whichever process could have used them.
    #[serde(skip)]
    idle: Option<f64>,
}

impl Seen {
    pub(super) fn seconds(&self) -> f64 {
        self.microseconds / 1e6
    }

    pub(super) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds()
    }

    /// How much of one core the server could have used, and did not.
    pub(super) fn idle_part(&self) -> Option<f64> {
        Some(self.idle? / self.seconds())
    }
}

/// How long one server's load was active, and how long the server's cores were idle meanwhile.
struct Activity {
    core: Option<usize>,
    time: Duration,
    idle: Option<f64>,
}

impl Activity {
    fn new(core: Option<usize>) -> Self {
        Self { core, time: Duration::ZERO, idle: Some(0.0) }
    }

    fn during<T>(&mut self, active: impl FnOnce() -> T) -> T {
        let (began, before) = (Instant::now(), CoreTime::now(self.core));
        let result = active();
        self.time += began.elapsed();
        let idle = before.zip(CoreTime::now(self.core)).map(|(before, after)| after.idle() - before.idle());
        self.idle = self.idle.zip(idle).map(|(earlier, idle)| earlier + idle);
        result
    }
}

/// wrk, ready to be started.
pub(super) struct Wrk {
    script: PathBuf,
}

impl Wrk {
    /// Writes the script for wrk. `cargo xtask bench` makes sure that wrk is installed.
    pub(super) fn new(directory: &std::path::Path) -> Result<Self, String> {
        let script = directory.join("load.lua");
        std::fs::write(&script, SCRIPT)
            .map_err(|error| format!("cannot write {}: {error}", script.display()))?;
        Ok(Self { script })
    }

    /// Puts the server under load with these keys for some seconds. `core` is the server's, if it has one to itself.
    pub(super) fn run(
        &self,
        server: SocketAddr,
        keys: Keys,
        seconds: u64,
        core: Option<usize>,
    ) -> Result<Seen, String> {
        let mut activity = Activity::new(core);
        let seen = activity.during(|| self.start(server, keys, seconds, core)?.end())?;
        Ok(Seen { idle: activity.idle, ..seen })
    }

    /// Puts each of the servers under load for this many seconds, a quarter of a second at a time. A longer
    /// disturbance hits all of them.
    pub(super) fn run_in_slices(
        &self,
        loads: &[(SocketAddr, Keys)],
        seconds: u64,
        core: Option<usize>,
    ) -> Result<Vec<Seen>, String> {
        let together = seconds * loads.len() as u64;
        let mut running = Vec::new();
        for (server, keys) in loads {
            let mut activity = Activity::new(core);
            let load = activity.during(|| {
                let load = self.start(*server, *keys, together, core)?;
                load.signal("-STOP")?;
                Ok::<_, String>(load)
            })?;
            running.push((load, activity));
        }
        let ends = Instant::now() + Duration::from_secs(together);
        // Whole turns only, so that all servers get the same.
        let turn = SLICE * running.len() as u32;
        while Instant::now() + turn < ends {
            for (load, activity) in &mut running {
                activity.during(|| {
                    load.signal("-CONT")?;
                    thread::sleep(SLICE);
                    load.signal("-STOP")
                })?;
            }
        }
        thread::sleep(ends.saturating_duration_since(Instant::now()));
        // It notices within a tenth of a second that its time is over, and runs until then.
        let end = |(load, mut activity): (Load, Activity)| {
            let seen = activity.during(|| {
                load.signal("-CONT")?;
                load.end()
            })?;
            Ok(Seen { microseconds: activity.time.as_secs_f64() * 1e6, idle: activity.idle, ..seen })
        };
        running.into_iter().map(end).collect()
    }

    fn start(
        &self,
        server: SocketAddr,
        keys: Keys,
        seconds: u64,
        core: Option<usize>,
    ) -> Result<Load, String> {
        // One thread can't use up a server that has all cores.
        let threads = if core.is_some() { 1 } else { thread::available_parallelism().map_or(1, usize::from) };
        let threads = threads.min(CONNECTIONS as usize).to_string();
        let mut command = Command::new("wrk");
        command.args(["-t", &threads, "-c", &CONNECTIONS.to_string(), "-d", &seconds.to_string()]);
        // Longer than a load ever pauses.
        command.args(["--timeout", "30"]);
        command.arg("-s").arg(&self.script).arg(format!("http://{server}/users")).arg("--");
        match keys {
            Keys::Good(count) => command.args(["keys", &count.to_string()]),
            Keys::Zipf(count) => command.args(["zipf", &count.to_string(), "7"]),
            Keys::Junk(run) => command.args(["junk", &run.to_string()]),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = command.spawn().map_err(|error| format!("cannot run wrk: {error}"))?;
        Ok(Load(Some(started)))
    }
}

/// A running wrk. Dropping it ends it.
struct Load(Option<Child>);

impl Load {
    fn signal(&self, signal: &str) -> Result<(), String> {
        let Some(child) = &self.0 else { return Ok(()) };
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("wrk has ended too early: kill {signal} failed with {status}")),
            Err(error) => Err(format!("cannot run kill: {error}")),
        }
    }

    /// Waits for its figures.
    fn end(mut self) -> Result<Seen, String> {
        let Some(child) = self.0.take() else { return Err("wrk was not started".to_owned()) };
        let output = child.wait_with_output().map_err(|error| format!("cannot wait for wrk: {error}"))?;
        let Output { stdout, stderr, .. } = output;
        let (text, errors) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        figures(&text).ok_or_else(|| format!("wrk gave no figures. It wrote: {text}{errors}"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // An error means that it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Finds the figures that the script's `done` wrote in wrk's own output.
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
