//! Second tries beside a silent one: when they are useful, and how many may run at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::client::Client;
use crate::tally::Tally;

/// If a try is silent for one part in this many of the budget, another one begins beside it.
const PART: u32 = 3;
/// How many second tries may run at once. If a tenth of the calls under way is more, then a tenth.
const LEAST: usize = 4;
const SHARE: usize = 10;
/// After a slow success, silence counts as slowness for this long.
const SLOWNESS: Duration = Duration::from_secs(10);

pub(crate) struct Hedges {
    silence: Duration,
    under_way: Mutex<Tally>,
    freed: Notify,
    slow_success: Mutex<Option<Instant>>,
}

/// The permit for one second try. It is given back when this is dropped.
pub(crate) struct HedgePermit<'h> {
    hedges: &'h Hedges,
    client: Option<Client>,
}

impl Hedges {
    pub(crate) fn new(budget: Duration) -> Self {
        let silence = budget / PART;
        Self { silence, under_way: Mutex::default(), freed: Notify::new(), slow_success: Mutex::default() }
    }

    /// How long a try must be silent before another one begins.
    pub(crate) fn silence(&self) -> Duration {
        self.silence
    }

    /// Notes that a try succeeded.
    pub(crate) fn succeeded(&self, began: Instant, now: Instant) {
        if now.saturating_duration_since(began) > self.silence {
            *self.slow_success.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        }
    }

    /// Whether silence is a sign of a dead connection. It is not if a try that took as long succeeded lately.
    pub(crate) fn are_useful(&self, now: Instant) -> bool {
        let slow = *self.slow_success.lock().unwrap_or_else(PoisonError::into_inner);
        slow.is_none_or(|at| now.saturating_duration_since(at) > SLOWNESS)
    }

    /// Waits for the permit for one more second try of this client. `calls` is how many calls are under way.
    /// One client never has the last quarter of the permits.
    pub(crate) async fn permit(&self, client: Option<Client>, calls: usize) -> HedgePermit<'_> {
        let most = LEAST.max(calls / SHARE);
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if self.take(client, most) {
                return HedgePermit { hedges: self, client };
            }
            freed.await;
        }
    }

    fn take(&self, client: Option<Client>, most: usize) -> bool {
        let mut under_way = self.lock();
        let is_free = under_way.all() < most && under_way.of(client) < most - most / LEAST;
        if is_free {
            under_way.add(client);
        }
        is_free
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HedgePermit<'_> {
    fn drop(&mut self) {
        self.hedges.lock().take_off(self.client);
        self.hedges.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn second_tries_at_once_are_bounded() {
        let hedges = Hedges::new(Duration::from_secs(3));
        let other = Some(crate::client::Client::of_address(std::net::Ipv4Addr::LOCALHOST.into(), 56));
        let soon = |client, calls| tokio::time::timeout(Duration::from_secs(1), hedges.permit(client, calls));
        let mut permits = Vec::new();
        for _ in 0..LEAST - 1 {
            permits.push(soon(None, 10).await.ok().unwrap());
        }
        assert!(soon(None, 49).await.is_err(), "the last one is for somebody else");
        permits.push(soon(other, 10).await.ok().unwrap());
        assert!(soon(other, 49).await.is_err());
        assert!(soon(other, 50).await.is_ok(), "a tenth of 50");
        permits.pop();
        assert!(soon(other, 10).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn slow_successes_make_silence_slowness_for_ten_seconds() {
        let hedges = Hedges::new(Duration::from_secs(3));
        let began = Instant::now();
        assert_eq!(hedges.silence(), Duration::from_secs(1), "a third of the budget");
        hedges.succeeded(began, began + hedges.silence());
        assert!(hedges.are_useful(began + hedges.silence()));
        let late = began + Duration::from_millis(1500);
        hedges.succeeded(began, late);
        assert!(!hedges.are_useful(late + Duration::from_secs(10)));
        assert!(hedges.are_useful(late + Duration::from_millis(10_001)));
    }
}
