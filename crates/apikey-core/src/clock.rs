//! The clock that dates answers and tokens.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A monotonic clock. The default is [`SystemClock`]. Tests inject a [`ManualClock`].
///
/// It decides how old a cached answer or a token is. Tokio's timer bounds network calls instead.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present moment. It never goes backwards.
    fn now(&self) -> Instant;

    /// How long the machine has slept in all while [`now`](Self::now) stood still. It may count from any point
    /// in the past, but always the same one. The authenticator looks at it once a second. If it has grown,
    /// cached answers are no longer fresh. The default is `None`: the clock can't tell, or its `now` counts
    /// sleep.
    fn suspended(&self) -> Option<Duration> {
        None
    }
}

/// The operating system's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn suspended(&self) -> Option<Duration> {
        sleep::suspended()
    }
}

/// The sleep that a monotonic clock does not count.
mod sleep {
    use std::time::Duration;

    /// On Linux, it is the clock that counts sleep, less the one that does not.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn suspended() -> Option<Duration> {
        use rustix::time::{ClockId, clock_gettime};
        let read = |id| Duration::try_from(clock_gettime(id)).ok();
        // The clock without sleep comes first, so that it is never ahead of the other.
        let awake = read(ClockId::Monotonic)?;
        Some(read(ClockId::Boottime)?.saturating_sub(awake))
    }

    /// Elsewhere, it is what the wall clock gains on the monotonic clock in steps of more than 5 s. Smaller
    /// steps may come from a clock that is adjusted.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn suspended() -> Option<Duration> {
        use std::sync::{Mutex, PoisonError};
        use std::time::{Instant, SystemTime};

        const LEAST: Duration = Duration::from_secs(5);
        static LATEST: Mutex<Option<(Instant, SystemTime, Duration)>> = Mutex::new(None);

        let (awake, wall) = (Instant::now(), SystemTime::now());
        let mut latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner);
        let slept = latest.map_or(Duration::ZERO, |(awake_before, wall_before, slept)| {
            let wall_passed = wall.duration_since(wall_before).unwrap_or_default();
            let gap = wall_passed.saturating_sub(awake.saturating_duration_since(awake_before));
            if gap > LEAST { slept + gap } else { slept }
        });
        *latest = Some((awake, wall, slept));
        Some(slept)
    }
}

/// A clock that moves only when a test tells it to. Tests of expiry need not sleep.
///
/// ```
/// use apikey_core::{Clock, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(301));
/// assert_eq!(clock.now() - before, Duration::from_secs(301));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    origin: Instant,
    nanoseconds: AtomicU64,
}

impl ManualClock {
    /// Makes a clock that stands still.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now(), nanoseconds: AtomicU64::new(0) }
    }

    /// Moves the clock forward, by at most about 584 years in all.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(by, Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        let passed = Duration::from_nanos(self.nanoseconds.load(Ordering::SeqCst));
        self.origin.checked_add(passed).unwrap_or(self.origin)
    }
}
