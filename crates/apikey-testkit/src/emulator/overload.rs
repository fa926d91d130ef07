//! A Kinde that has too much to do, or says so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::{
    Emulator, Endpoint,
    counters::{CounterBoard, InService},
    faults::Fault,
    lock::locked,
};

/// How many verify calls are in service at once, and what becomes of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConcurrencyLimit {
    /// The most calls in service at once. With 0 all calls are refused.
    pub most: u64,
    /// How long each call is in service. A fault's own time comes on top.
    pub latency: Duration,
    /// Seconds for the header `Retry-After` of the 429 that further calls get.
    pub retry_after: Option<u64>,
    /// Seconds for its header `RateLimit-Reset`.
    pub rate_limit_reset: Option<u64>,
}

/// Finds a verify call a place, and how long it takes. `None` means that there is no limit, and the error is what a call
/// draws that is one too many.
pub(crate) fn admit(
    limit: &Mutex<Option<ConcurrencyLimit>>,
    counters: &Arc<CounterBoard>,
) -> Result<Option<(InService, Duration)>, Fault> {
    let Some(limit) = *locked(limit) else {
        return Ok(None);
    };
    match counters.enter_service(limit.most) {
        Some(place) => Ok(Some((place, limit.latency))),
        None => Err(Fault::TooManyRequests {
            rate_limit_reset: limit.rate_limit_reset,
            retry_after: limit.retry_after,
        }),
    }
}

/// Overload.
impl Emulator {
    /// Limits how many verify calls are in service at once: further ones draw Kinde's 429 at once. `None` ends this.
    ///
    /// A 429 of the limit comes before the faults of keys and endpoints, and uses up nothing of a script. A call that
    /// a fault of its connection or backend hits takes no place. [`Counters::overload_answers`] counts the 429s, and
    /// [`Counters::most_in_service`] the most places that were taken at once.
    ///
    /// [`Counters::overload_answers`]: super::Counters::overload_answers
    /// [`Counters::most_in_service`]: super::Counters::most_in_service
    pub fn limit_concurrency(&self, limit: Option<ConcurrencyLimit>) {
        *locked(&self.state.concurrency_limit) = limit;
    }

    /// Asks everybody for so many seconds of silence: every verify call draws a 429 with `Retry-After`, until the verify
    /// endpoint's fault is set anew. [`verify_call_moments`](Emulator::verify_call_moments) tells who did not listen.
    pub fn ask_for_silence(&self, seconds: u64) {
        let fault = Fault::TooManyRequests { rate_limit_reset: None, retry_after: Some(seconds) };
        self.set_fault(Endpoint::Verify, Some(fault));
    }

    /// When verify calls were received since the counters were last reset, oldest first: the last 100,000 of them.
    pub fn verify_call_moments(&self) -> Vec<Instant> {
        self.state.counters.verify_call_moments()
    }
}
