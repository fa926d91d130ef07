//! What the machine did during a measurement, from `/proc`. On other systems there are no such figures.

use std::fs;

/// The unit of all times in `/proc`, whatever the kernel's own unit is: `USER_HZ`.
const TICKS_PER_SECOND: f64 = 100.0;

/// Times since the machine or this process started, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    /// Of all cores together.
    busy: f64,
    total: f64,
    own: f64,
}

impl Machine {
    pub(crate) fn now() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let (busy, total) = all(&read("/proc/stat")).unwrap_or_default();
        Self { busy, total, own: own(&read("/proc/self/stat")).unwrap_or_default() }
    }

    /// The part of the machine that was used since, and the part of it that this process used.
    pub(crate) fn until_now(self) -> String {
        let now = Self::now();
        let total = (now.total - self.total).max(f64::EPSILON);
        let part = |time: f64| 100.0 * time / total;
        let (busy, own) = (part(now.busy - self.busy), part(now.own - self.own));
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split_whitespace().next().unwrap_or("unknown");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        format!("{busy:.0} % of {cores} cores used, {own:.0} % by this process; load average {load}")
    }
}

/// The processor time of a process, over all its threads.
fn own(stat: &str) -> Option<f64> {
    // The name of the program is in parentheses and may contain anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    let times = after_name.split_whitespace().skip(11).take(2);
    let ticks: Option<f64> = times.map(|time| time.parse::<f64>().ok()).sum();
    ticks.map(|ticks| ticks / TICKS_PER_SECOND)
}

/// How long all cores have worked, and the whole time.
fn all(stat: &str) -> Option<(f64, f64)> {
    // user nice system idle iowait irq softirq steal. The numbers that follow are part of these.
    let times = stat.lines().find_map(|line| line.strip_prefix("cpu "))?.split_whitespace().take(8);
    let times: Vec<f64> = times.map(str::parse).collect::<Result<_, _>>().ok()?;
    let total: f64 = times.iter().sum();
    let idle = times.get(3)? + times.get(4)?;
    Some(((total - idle) / TICKS_PER_SECOND, total / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_process_and_of_the_machine_are_found() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 30 20 20 0 1 0 100 0 0";
        assert_eq!(own(stat), Some(3.0));
        let stat = "cpu  100 0 50 800 40 0 5 5 0 0\ncpu0 1 2 3\n";
        assert_eq!(all(stat), Some((1.6, 10.0)));
        assert_eq!((own("7 (a"), all("intr 1")), (None, None));
    }
}
