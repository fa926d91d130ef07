//! The outcome of a flight, and how the callers that wait for the flight get it.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use super::CROWDED;
use super::attempts::Limited;
use super::cached_key::CachedKey;
use super::crowd::WaitingSlot;
use crate::verification::Refusal;
use crate::verifier::ServerFault;

/// What all callers that wait for one flight get.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Accepted(LandedAnswer),
    /// Another instance of the fleet got the answer.
    Shared(LandedAnswer),
    Refused(Refusal),
    Failed {
        fault: ServerFault,
        /// If there is a stale answer, it may serve.
        stale_may_serve: bool,
    },
    Limited(Limited),
}

/// An answer with which a flight landed.
#[derive(Debug, Clone)]
pub(crate) struct LandedAnswer {
    pub(super) answer: Arc<CachedKey>,
    /// The number of the latest purge at that moment.
    pub(super) purges_seen: u64,
}

impl LandedAnswer {
    pub(crate) fn answer(&self) -> Arc<CachedKey> {
        Arc::clone(&self.answer)
    }
}

/// Where a flight stores its outcome, and where its waiters find it.
#[derive(Default)]
pub(super) struct SharedOutcome {
    outcome: OnceLock<Outcome>,
    /// Kinde takes so long that a stale answer may serve.
    is_slow: AtomicBool,
    changed: Notify,
}

impl SharedOutcome {
    /// Stores the outcome and wakes all waiters. Only the first outcome counts.
    pub(super) fn publish(&self, outcome: Outcome) {
        let _first = self.outcome.set(outcome);
        self.changed.notify_waiters();
    }

    /// Tells all waiters that Kinde takes long.
    pub(super) fn tell_slow(&self) {
        self.is_slow.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }
}

/// Waits for a flight. Clones share one slot in the crowd.
#[derive(Clone)]
pub(crate) struct Waiter {
    shared: Arc<SharedOutcome>,
    /// `None` if this caller started a flight that needs none.
    slot: Option<Arc<WaitingSlot>>,
    has_started_it: bool,
}

/// What a waiter hears.
pub(crate) enum News {
    Landed(Outcome),
    /// The flight has not landed yet, and Kinde takes long.
    Slow,
}

impl Waiter {
    /// For the caller that started the flight.
    pub(super) fn of_starter(shared: Arc<SharedOutcome>, slot: Option<WaitingSlot>) -> Self {
        Self { shared, slot: slot.map(Arc::new), has_started_it: true }
    }

    pub(super) fn of_joiner(shared: Arc<SharedOutcome>, slot: WaitingSlot) -> Self {
        Self { shared, slot: Some(Arc::new(slot)), has_started_it: false }
    }

    /// Takes the slot again if it was given up, because a request may wait a second time.
    pub(crate) fn enter(&self) {
        if let Some(slot) = &self.slot {
            slot.enter();
        }
    }

    /// Gives the slot up. A request may keep a clone for long after its key was verified.
    pub(crate) fn leave(&self) {
        if let Some(slot) = &self.slot {
            slot.leave();
        }
    }

    /// Waits for the outcome. If `heeds_slowness`, it ends early when Kinde takes long.
    pub(crate) async fn news(&self, heeds_slowness: bool) -> News {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            // From here on no change is missed, so it looks only now.
            changed.as_mut().enable();
            if let Some(outcome) = self.shared.outcome.get() {
                return News::Landed(match outcome {
                    // The limit is that of the client that started the flight. This client made no attempt.
                    Outcome::Limited(_) if !self.has_started_it => Outcome::Failed {
                        fault: ServerFault::Unavailable { retry_after: CROWDED },
                        stale_may_serve: false,
                    },
                    outcome => outcome.clone(),
                });
            }
            if heeds_slowness && self.shared.is_slow.load(Ordering::Acquire) {
                return News::Slow;
            }
            changed.await;
        }
    }
}
