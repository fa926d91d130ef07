//! The machine of a run, and the cores on which its processes may run.

use std::fs;
use std::process::{Command, Stdio};

use serde::Serialize;

/// The machine on which the figures were measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) pinning: String,
}

/// The cores of this run, if the system can pin processes.
#[derive(Debug, Clone)]
pub(crate) struct Cores {
    /// As the kernel writes them.
    all: String,
    /// For servers that have a core to themselves.
    pub(crate) server: usize,
    /// For the load of such servers, and the upstream.
    pub(crate) load: usize,
}

/// Where servers and load run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// All on all cores, so a server has as many threads as its framework gives it.
    Shared,
    /// The servers on one core, and the load on another.
    Apart,
}

impl Machine {
    /// `all` is the number of cores. `cores` are the ones in use, or the reason why none is chosen.
    pub(crate) fn new(all: usize, cores: &Result<Cores, String>) -> Self {
        let kernel = fs::read_to_string("/proc/version").unwrap_or_default();
        let kernel: Vec<&str> = kernel.split_whitespace().take(3).filter(|word| *word != "version").collect();
        Self {
            processor: processor(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            cores: all,
            kernel: if kernel.is_empty() { std::env::consts::OS.to_owned() } else { kernel.join(" ") },
            rustc: output("rustc", &["--version"]).unwrap_or_else(|| "unknown".to_owned()),
            pinning: match cores {
                Ok(Cores { server, load, .. }) => {
                    format!("cached: all cores for all; others: server on core {server}, load on core {load}")
                }
                Err(why) => format!("nothing is pinned: {why}"),
            },
        }
    }
}

fn processor(cpuinfo: &str) -> String {
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.to_owned())
}

impl Cores {
    /// The cores on which this process may run.
    pub(crate) fn find() -> Result<Self, String> {
        let status = fs::read_to_string("/proc/self/status").map_err(|_| "there is no /proc".to_owned())?;
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let all = allowed.unwrap_or_default().trim().to_owned();
        let [server, load, ..] = core_list(&all)[..] else { return Err("there is one core only".to_owned()) };
        let cores = Self { all, server, load };
        cores.place(Placement::Shared)?;
        Ok(cores)
    }

    /// Moves this process, and so the load that it starts. Returns the core for the servers, if they get only one.
    pub(crate) fn place(&self, placement: Placement) -> Result<Option<usize>, String> {
        let (own_cores, server) = match placement {
            Placement::Shared => (self.all.clone(), None),
            Placement::Apart => (self.load.to_string(), Some(self.server)),
        };
        output("taskset", &["--cpu-list", "--pid", &own_cores, &std::process::id().to_string()])
            .ok_or("taskset (of util-linux) is missing, or not allowed")?;
        Ok(server)
    }
}

/// Reads `0-3,6`.
fn core_list(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_read_as_the_kernel_writes_them() {
        assert_eq!(core_list("\t0-1\n"), [0, 1]);
        assert_eq!(core_list("0-2,5,8-9"), [0, 1, 2, 5, 8, 9]);
        assert_eq!(core_list("3"), [3]);
        assert!(core_list("").is_empty());
    }

    #[test]
    fn the_processor_is_named_by_its_model() {
        assert_eq!(
            processor("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nflags\t: fpu\n"),
            "Some CPU @ 3 GHz"
        );
        assert_eq!(processor(""), std::env::consts::ARCH);
    }
}
