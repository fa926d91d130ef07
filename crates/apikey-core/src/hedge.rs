//! Second tries beside one that is silent: when they are of use, and how many there are at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// A try that is silent for this part of the budget gets company.
const PART: u32 = 3;
/// At least so many second tries may be under way at once; or this part of the calls under way, if that is more.
const LEAST: usize = 4;
const SHARE: usize = 10;
/// After a try that was slow and succeeded, silence is slowness for so long.
const SLOWNESS: Duration = Duration::from_secs(10);

pub(crate) struct Hedges {
    silence: Duration,
    under_way: AtomicUsize,
    freed: Notify,
    slow_success: Mutex<Option<Instant>>,
}

/// Leave for one second try. It ends with this value.
pub(crate) struct HedgePermit<'h>(&'h Hedges);

impl Hedges {
    pub(crate) fn new(budget: Duration) -> Self {
        let silence = budget / PART;
        Self { silence, under_way: AtomicUsize::new(0), freed: Notify::new(), slow_success: Mutex::default() }
    }

    /// How long a try is silent before another one begins.
    pub(crate) fn silence(&self) -> Duration {
        self.silence
    }

    /// Takes in that a try succeeded.
    pub(crate) fn succeeded(&self, began: Instant, now: Instant) {
        if now.saturating_duration_since(began) > self.silence {
            *self.slow_success.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        }
    }

    /// Whether silence is a sign of a dead connection: not if tries have succeeded lately that took as long.
    pub(crate) fn are_useful(&self, now: Instant) -> bool {
        let slow = *self.slow_success.lock().unwrap_or_else(PoisonError::into_inner);
        slow.is_none_or(|at| now.saturating_duration_since(at) > SLOWNESS)
    }

    /// Leave for one more second try, once there is some. `calls` are under way in all.
    pub(crate) async fn permit(&self, calls: usize) -> HedgePermit<'_> {
        let most = LEAST.max(calls / SHARE);
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            let take = |taken: usize| (taken < most).then_some(taken + 1);
            if self.under_way.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok() {
                return HedgePermit(self);
            }
            freed.await;
        }
    }
}

impl Drop for HedgePermit<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
        self.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn second_tries_at_once_are_bounded() {
        let hedges = Hedges::new(Duration::from_secs(3));
        let mut permits = Vec::new();
        for _ in 0..LEAST {
            permits.push(hedges.permit(10).await);
        }
        assert!(tokio::time::timeout(Duration::from_secs(1), hedges.permit(49)).await.is_err());
        assert!(
            tokio::time::timeout(Duration::from_secs(1), hedges.permit(50)).await.is_ok(),
            "a tenth of 50"
        );
        permits.pop();
        assert!(tokio::time::timeout(Duration::from_secs(1), hedges.permit(10)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn slow_successes_make_silence_slowness_for_ten_seconds() {
        let hedges = Hedges::new(Duration::from_secs(3));
        let began = Instant::now();
        hedges.succeeded(began, began + Duration::from_millis(999));
        assert!(hedges.are_useful(began + Duration::from_secs(1)));
        let late = began + Duration::from_millis(1500);
        hedges.succeeded(began, late);
        assert!(!hedges.are_useful(late + Duration::from_secs(10)));
        assert!(hedges.are_useful(late + Duration::from_millis(10_001)));
    }
}
