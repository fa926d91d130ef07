//! Where the engine's time comes from.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A monotonic clock. The default is [`SystemClock`]; tests inject a [`ManualClock`].
///
/// It decides how old a cached answer or a token is. Deadlines of network calls run on Tokio's timer instead.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present moment. It never goes backwards.
    fn now(&self) -> Instant;
}

/// The operating system's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that moves only when it is told to, for tests of expiry that neither sleep nor hope.
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
    /// A clock that stands still.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now(), nanoseconds: AtomicU64::new(0) }
    }

    /// Moves the clock forward; at most about 584 years in all.
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
