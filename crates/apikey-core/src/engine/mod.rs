//! Decides without I/O whether a key is known, being asked about, or to be verified now.
//!
//! Time is handed in, so that every rule here can be tested without a runtime.

mod cache;
mod flight;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use flight::{Flight, Waiter};

use crate::denial::ServerFault;
use crate::key::Fingerprint;
use crate::verification::{Refusal, Verification};

/// What became of a verification, for everyone who waited for it.
pub(crate) type Outcome = Result<Result<Arc<Verification>, Refusal>, ServerFault>;

/// What to do about a presented key.
pub(crate) enum Step {
    /// It is known.
    Hit(Arc<Verification>),
    /// Somebody is asking already.
    Wait(Waiter),
    /// The caller's duty: verify, and land the flight with the outcome.
    Verify(Flight, Waiter),
}

pub(crate) struct Engine {
    cache: cache::Cache,
    flights: flight::Flights,
}

impl Engine {
    pub(crate) fn new(capacity: usize, time_to_live: Duration) -> Arc<Self> {
        Arc::new(Self {
            cache: cache::Cache::new(capacity, time_to_live),
            flights: flight::Flights::default(),
        })
    }

    pub(crate) fn step(self: &Arc<Self>, fingerprint: Fingerprint, now: Instant) -> Step {
        if let Some(verification) = self.cache.fresh(&fingerprint, now) {
            return Step::Hit(verification);
        }
        let mut flights = self.flights.lock();
        if let Some(waiter) = flights.join(&fingerprint) {
            return Step::Wait(waiter);
        }
        // A flight may have landed between the look-up and the lock.
        if let Some(verification) = self.cache.fresh(&fingerprint, now) {
            return Step::Hit(verification);
        }
        let (flight, waiter) = flights.start(Arc::clone(self), fingerprint, now);
        Step::Verify(flight, waiter)
    }

    /// Keeps what a flight brought back, unless a purge came between.
    fn settle(&self, flight: &Flight, outcome: &Outcome) {
        let mut flights = self.flights.lock();
        if !flights.end(flight) {
            return;
        }
        match outcome {
            Ok(Ok(verification)) => {
                self.cache.store(flight.fingerprint, Arc::clone(verification), flight.asked_at);
            }
            Ok(Err(_refused)) => self.cache.remove(&flight.fingerprint),
            Err(_not_judged) => {}
        }
    }

    /// Forgets one key. An answer that was asked for before this is never kept after it.
    pub(crate) fn remove(&self, fingerprint: Fingerprint) {
        let mut flights = self.flights.lock();
        flights.disown(&fingerprint);
        self.cache.remove(&fingerprint);
    }

    /// Forgets every key, with the same promise.
    pub(crate) fn clear(&self) {
        let mut flights = self.flights.lock();
        flights.disown_all();
        self.cache.clear();
    }

    pub(crate) fn cached_keys(&self) -> usize {
        self.cache.len()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
