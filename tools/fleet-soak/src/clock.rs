//! The one clock of a history.

use rustix::time::{ClockId, clock_gettime};

/// A moment: nanoseconds of `CLOCK_MONOTONIC`, which is the same clock in all processes of a machine.
pub type Moment = u64;

/// A length of time in nanoseconds.
pub type Span = u64;

/// One millisecond.
pub const MILLISECOND: Span = 1_000_000;
/// One second.
pub const SECOND: Span = 1_000 * MILLISECOND;

/// The present moment.
#[must_use]
pub fn now() -> Moment {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * SECOND + now.tv_nsec.unsigned_abs()
}

/// Seconds, for people.
#[must_use]
pub fn seconds(span: Span) -> f64 {
    span as f64 / SECOND as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_forward() {
        let first = now();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(now() >= first + MILLISECOND);
    }
}
