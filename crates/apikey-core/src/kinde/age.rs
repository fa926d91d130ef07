//! Measures how old tokens are. Time that the machine sleeps counts, because Kinde's clock goes on.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::clock::{Clock, SystemClock};

/// If two readings of the sleep differ by no more than this, the machine did not sleep.
const NO_SLEEP: Duration = Duration::from_millis(100);

/// Measures the time since its own start, on the first clock that it is given.
#[derive(Debug, Default)]
pub(super) struct AgeClock(OnceLock<Start>);

#[derive(Debug)]
struct Start {
    clock: Arc<dyn Clock>,
    at: Instant,
    slept_before: Option<Duration>,
}

/// A moment on an [`AgeClock`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Age {
    passed: Duration,
    slept: Duration,
}

impl AgeClock {
    /// Takes the time from this clock. A clock that comes second, or after the system's clock was used, is ignored: moments
    /// of two clocks can't be compared.
    pub(super) fn use_clock(&self, clock: Arc<dyn Clock>) {
        self.0.get_or_init(|| Start::of(clock));
    }

    pub(super) fn now(&self) -> Age {
        let start = self.start();
        let slept = match (start.clock.suspended(), start.slept_before) {
            (Some(slept), Some(before)) => slept.saturating_sub(before),
            _ => Duration::ZERO,
        };
        let awake = start.clock.now().saturating_duration_since(start.at);
        Age { passed: awake.saturating_add(slept), slept }
    }

    /// The present moment on the clock itself, for the log.
    pub(super) fn instant(&self) -> Instant {
        self.start().clock.now()
    }

    fn start(&self) -> &Start {
        self.0.get_or_init(|| Start::of(Arc::new(SystemClock)))
    }
}

impl Start {
    fn of(clock: Arc<dyn Clock>) -> Self {
        let (at, slept_before) = (clock.now(), clock.suspended());
        Self { clock, at, slept_before }
    }
}

impl Age {
    /// The age at which `wait` has passed from this moment on.
    pub(super) fn after(self, wait: Duration) -> Duration {
        self.passed.saturating_add(wait)
    }

    /// Whether this moment has come.
    pub(super) fn has_reached(self, moment: Duration) -> bool {
        self.passed >= moment
    }

    pub(super) fn since(self, earlier: Self) -> Duration {
        self.passed.saturating_sub(earlier.passed)
    }

    /// Whether the machine has slept between the two moments.
    pub(super) fn has_slept_since(self, earlier: Self) -> bool {
        self.slept.saturating_sub(earlier.slept) > NO_SLEEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_second_clock_changes_no_age() {
        let (first, second) = (Arc::new(ManualClock::new()), Arc::new(ManualClock::new()));
        let age = AgeClock::default();
        age.use_clock(Arc::clone(&first) as _);
        let start = age.now();
        age.use_clock(Arc::clone(&second) as _);
        second.advance(Duration::from_secs(60));
        assert_eq!(age.now(), start);
        first.advance(Duration::from_secs(1));
        assert_eq!(age.now().since(start), Duration::from_secs(1));
    }
}
