//! Processor time from `/proc`. On other systems there are no such figures.

use std::fs;

/// The unit of all times in `/proc`, whatever the kernel's own unit is: `USER_HZ`.
const TICKS_PER_SECOND: f64 = 100.0;

/// The processor time of a process in seconds, over all its threads.
pub(super) fn of_process(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    ticks(&stat, 2).map(|ticks| ticks / TICKS_PER_SECOND)
}

/// The processor time of this process in seconds, with its children that have ended.
pub(super) fn of_this_and_children() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    ticks(&stat, 4).map(|ticks| ticks / TICKS_PER_SECOND)
}

/// The sum of the first `count` of: user time, system time, and both for children that have ended.
fn ticks(stat: &str, fields: usize) -> Option<f64> {
    // The name of the program is in parentheses and may contain anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    let times = after_name.split_whitespace().skip(11).take(fields);
    times.map(|time| time.parse::<f64>().ok()).sum()
}

/// The time that one core has worked or all have, and the whole time, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct CoreTime {
    pub(super) busy: f64,
    pub(super) total: f64,
}

impl CoreTime {
    /// Of this core. `None`: of all.
    pub(super) fn now(core: Option<usize>) -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?, core)
    }

    pub(super) fn idle(&self) -> f64 {
        self.total - self.busy
    }

    fn parse(stat: &str, core: Option<usize>) -> Option<Self> {
        let name = core.map_or("cpu ".to_owned(), |core| format!("cpu{core} "));
        // user nice system idle iowait irq softirq steal. The numbers that follow are part of these.
        let times = stat.lines().find_map(|line| line.strip_prefix(&*name))?.split_whitespace().take(8);
        let times: Vec<f64> = times.map(str::parse).collect::<Result<_, _>>().ok()?;
        let total: f64 = times.iter().sum();
        let idle = times.get(3)? + times.get(4)?;
        Some(Self { busy: (total - idle) / TICKS_PER_SECOND, total: total / TICKS_PER_SECOND })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_s_times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 30 20 20 0 1 0 100 0 0";
        assert_eq!(ticks(stat, 2), Some(300.0));
        assert_eq!(ticks(stat, 4), Some(350.0));
        assert_eq!(ticks("7 (a", 2), None);
    }

    #[test]
    fn waiting_for_a_disk_is_not_work() {
        let stat = "cpu  100 0 50 800 40 0 5 5 0 0\ncpu0 1 2 3\ncpu1 50 0 0 40 10 0 0 0 0 0\n";
        let all = CoreTime::parse(stat, None).unwrap();
        assert_eq!((all.busy, all.total, all.idle()), (1.6, 10.0, 8.4));
        assert_eq!(CoreTime::parse(stat, Some(1)).unwrap().idle(), 0.5);
        assert!(CoreTime::parse(stat, Some(2)).is_none());
        assert!(CoreTime::parse("intr 1", None).is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_used_some() {
        assert!(of_process(std::process::id()).is_some());
        assert!(of_this_and_children() >= of_process(std::process::id()));
        assert!(CoreTime::now(None).unwrap().total > 0.0);
    }
}
