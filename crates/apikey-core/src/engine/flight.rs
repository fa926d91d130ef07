//! Verifications under way: at most one per key, whoever waits for it.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::attempts::Attempt;
use super::breaker::Permit;
use super::purge::Purges;
use super::{Answer, Engine, Outcome};
use crate::denial::ServerFault;
use crate::key::{Fingerprint, FingerprintHashing};
use crate::verification::Verification;

/// Where the outcome of a flight comes.
#[derive(Default)]
pub(super) struct Landing {
    outcome: OnceLock<Outcome>,
    landed: Notify,
}

/// How often one flight asks anew because a purge came between; then it gives up, for callers wait.
const MOST_QUESTIONS: u32 = 4;

/// The flights, by key. Its lock also orders what is stored against what is purged.
#[derive(Default)]
pub(super) struct Flights {
    table: Mutex<Table>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Default)]
pub(super) struct Table {
    by_key: HashMap<Fingerprint, Entry, FingerprintHashing>,
    pub(super) purges: Purges,
    last_id: u64,
}

struct Entry {
    id: u64,
    began: Instant,
    landing: Arc<Landing>,
    /// The number of the latest purge when the question was asked.
    heeds_after: u64,
}

impl Flights {
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock runs code that could leave the table half-changed.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many callers wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn place(&self, landing: Arc<Landing>) -> Waiter {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place { waiting: Arc::clone(&self.waiting), left: AtomicBool::new(false) };
        Waiter { landing, place: Arc::new(place) }
    }
}

impl Table {
    pub(super) fn under_way(&self) -> usize {
        self.by_key.len()
    }

    /// Whether so many flights are under way, not counting those that are stuck.
    pub(super) fn is_full(&self, most: usize, now: Instant, overdue: Duration) -> bool {
        let moves = |entry: &&Entry| now.saturating_duration_since(entry.began) <= overdue;
        self.by_key.len() >= most && self.by_key.values().filter(moves).count() >= most
    }

    /// Where to wait for the flight of this key, if one is under way. One that began longer than `overdue` ago is stuck, as
    /// where its runtime is blocked, and nobody joins it any more.
    pub(super) fn join(&self, key: &Fingerprint, now: Instant, overdue: Duration) -> Option<Arc<Landing>> {
        let entry = self.by_key.get(key)?;
        (now.saturating_duration_since(entry.began) <= overdue).then(|| Arc::clone(&entry.landing))
    }

    /// Starts a flight; one of the same key that is still under way is disowned.
    pub(super) fn start(
        &mut self,
        engine: Arc<Engine>,
        fingerprint: Fingerprint,
        permit: Permit,
        attempt: Option<Attempt>,
        now: Instant,
    ) -> (Flight, Arc<Landing>) {
        let landing = Arc::<Landing>::default();
        self.last_id += 1;
        let (id, heeds_after) = (self.last_id, self.purges.now());
        self.by_key.insert(fingerprint, Entry { id, began: now, landing: Arc::clone(&landing), heeds_after });
        let flight = Flight {
            engine,
            fingerprint,
            id,
            asked_at: now,
            questions: 1,
            landing: Arc::clone(&landing),
            permit: Some(permit),
            attempt,
        };
        (flight, landing)
    }

    /// The number of the latest purge when this flight asked; `None` where it is disowned.
    pub(super) fn heeds_after(&self, flight: &Flight) -> Option<u64> {
        let entry = self.by_key.get(&flight.fingerprint).filter(|entry| entry.id == flight.id)?;
        Some(entry.heeds_after)
    }

    pub(super) fn ask_again(&mut self, flight: &Flight) {
        let now = self.purges.now();
        if let Some(entry) = self.by_key.get_mut(&flight.fingerprint).filter(|entry| entry.id == flight.id) {
            entry.heeds_after = now;
        }
        self.forget_purges();
    }

    pub(super) fn end(&mut self, flight: &Flight) {
        if self.heeds_after(flight).is_some() {
            self.by_key.remove(&flight.fingerprint);
            self.forget_purges();
        }
    }

    fn forget_purges(&mut self) {
        if !self.purges.is_empty() {
            let oldest = self.by_key.values().map(|entry| entry.heeds_after).min();
            self.purges.forget_before(oldest);
        }
    }
}

/// The duty to verify one key. Exactly one outcome reaches everyone who waits, even if the verifier panics or its
/// task is aborted.
pub(crate) struct Flight {
    engine: Arc<Engine>,
    pub(super) fingerprint: Fingerprint,
    id: u64,
    pub(super) asked_at: Instant,
    questions: u32,
    landing: Arc<Landing>,
    /// Gone once the flight has landed.
    permit: Option<Permit>,
    attempt: Option<Attempt>,
}

impl Flight {
    /// Makes a positive answer, as old as the question.
    pub(crate) fn answer(&self, verification: Verification) -> Arc<Answer> {
        self.engine.answer(self, verification)
    }

    /// Hands in what the verifier said, and how long it took where that tells of Kinde's health. The flight comes back where
    /// a purge came between, so that the question must be asked again.
    pub(crate) fn land(mut self, outcome: Outcome, took: Option<Duration>, now: Instant) -> Option<Self> {
        if self.questions < MOST_QUESTIONS && self.engine.must_ask_again(&self, &outcome) {
            self.asked_at = now;
            self.questions += 1;
            return Some(self);
        }
        self.publish(outcome, took, now);
        None
    }

    fn publish(&mut self, outcome: Outcome, took: Option<Duration>, now: Instant) {
        if let Some(permit) = self.permit.take() {
            let attempt = self.attempt.take();
            let outcome = self.engine.settle(self, outcome, permit, attempt, took, now);
            // It is set once, for the permit is taken once.
            let _first = self.landing.outcome.set(outcome);
            self.landing.landed.notify_waiters();
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.permit.is_none() {
            return;
        }
        // A panic is a bug of the verifier's; otherwise the runtime that carried the flight is shutting down.
        let fault = if std::thread::panicking() {
            tracing::error!("the verifier panicked; the key was not judged");
            ServerFault::Internal
        } else {
            ServerFault::Unavailable
        };
        let asked_at = self.asked_at;
        self.publish(Err(fault), None, asked_at);
    }
}

/// A place in the crowd that waits for a flight; clones share it.
#[derive(Clone)]
pub(crate) struct Waiter {
    landing: Arc<Landing>,
    place: Arc<Place>,
}

struct Place {
    waiting: Arc<AtomicUsize>,
    left: AtomicBool,
}

impl Place {
    fn enter(&self) {
        if self.left.swap(false, Ordering::Relaxed) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn leave(&self) {
        if !self.left.swap(true, Ordering::Relaxed) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Waiter {
    /// Takes the place again, where it was given up: a request may wait a second time, for a surer answer.
    pub(crate) fn enter(&self) {
        self.place.enter();
    }

    /// Gives the place up: a request may live on for long after its key was verified, and keep a clone.
    pub(crate) fn leave(&self) {
        self.place.leave();
    }

    pub(crate) async fn outcome(&self) -> Outcome {
        loop {
            let mut landed = pin!(self.landing.landed.notified());
            // From here on nothing is missed, so the look comes after it.
            landed.as_mut().enable();
            if let Some(outcome) = self.landing.outcome.get() {
                return outcome.clone();
            }
            landed.await;
        }
    }
}
