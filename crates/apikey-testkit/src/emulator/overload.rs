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

/// How many verify calls are in service at once, and what happens to further ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConcurrencyLimit {
    /// The most calls in service at once. With 0 the emulator refuses all calls.
    pub most: u64,
    /// How long each call is in service. The delay of a fault comes on top.
    pub latency: Duration,
    /// Seconds for the header `Retry-After` of the 429 that further calls get.
    pub retry_after: Option<u64>,
    /// Seconds for the header `RateLimit-Reset` of that 429.
    pub rate_limit_reset: Option<u64>,
}

/// Takes a slot for a verify call, with the time it is in service. `None`: there is no limit. The error is the answer
/// to a call that is one too many.
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
    /// Limits how many verify calls are in service at once. Further calls get Kinde's 429 at once. `None` ends this.
    ///
    /// A 429 of the limit takes precedence over the faults of keys and endpoints, and uses up no step of a script. A
    /// call that a fault of its connection or backend hits takes no slot. [`Counters::overload_answers`] counts the
    /// 429s, and [`Counters::most_in_service`] is the most slots that were taken at once.
    ///
    /// [`Counters::overload_answers`]: super::Counters::overload_answers
    /// [`Counters::most_in_service`]: super::Counters::most_in_service
    pub fn limit_concurrency(&self, limit: Option<ConcurrencyLimit>) {
        *locked(&self.state.concurrency_limit) = limit;
    }

    /// Asks all callers to wait for this many seconds: every verify call gets a 429 with `Retry-After` until a test
    /// sets another fault of the verify endpoint. [`verify_call_moments`](Emulator::verify_call_moments) shows which
    /// calls came too early.
    pub fn ask_for_silence(&self, seconds: u64) {
        let fault = Fault::TooManyRequests { rate_limit_reset: None, retry_after: Some(seconds) };
        self.set_fault(Endpoint::Verify, Some(fault));
    }

    /// When verify calls arrived since the counters were last reset, oldest first: the last 100,000 of them.
    pub fn verify_call_moments(&self) -> Vec<Instant> {
        self.state.counters.verify_call_moments()
    }
}
