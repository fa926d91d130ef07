//! Time as tokens age: the machine's sleep counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Clock;

/// A gap between the two clocks that is no sleep.
const NO_SLEEP: Duration = Duration::from_millis(100);

/// A clock that counts sleep, from its own beginning on.
#[derive(Debug)]
pub(super) struct AgeClock {
    clock: Arc<dyn Clock>,
    began: Instant,
    slept_before: Option<Duration>,
}

/// A moment on an [`AgeClock`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Age {
    passed: Duration,
    slept: Duration,
}

impl AgeClock {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let (began, slept_before) = (clock.now(), clock.suspended());
        Self { clock, began, slept_before }
    }

    pub(super) fn now(&self) -> Age {
        let slept = match (self.clock.suspended(), self.slept_before) {
            (Some(slept), Some(before)) => slept.saturating_sub(before),
            _ => Duration::ZERO,
        };
        Age { passed: self.clock.now().saturating_duration_since(self.began).saturating_add(slept), slept }
    }

    /// The authenticator's clock, for the log.
    pub(super) fn instant(&self) -> Instant {
        self.clock.now()
    }
}

impl Age {
    /// This much later.
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

    /// Whether the machine has slept between the two.
    pub(super) fn has_slept_since(self, earlier: Self) -> bool {
        self.slept.saturating_sub(earlier.slept) > NO_SLEEP
    }
}
