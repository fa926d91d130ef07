//! The outcome of a flight, and how everyone who waits for it hears it.

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

/// What everybody hears who waits for one verification.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Accepted(Arc<CachedKey>),
    Refused(Refusal),
    Failed {
        fault: ServerFault,
        /// An answer past its time to live may serve, if there is one.
        stale_may_serve: bool,
    },
    Limited(Limited),
}

/// The outcome of one flight, once there is one. The flight and all its waiters share it.
#[derive(Default)]
pub(super) struct SharedOutcome {
    outcome: OnceLock<Outcome>,
    /// Kinde takes so long that a stale answer may serve.
    is_slow: AtomicBool,
    changed: Notify,
}

impl SharedOutcome {
    /// Hands the outcome to everyone. Only the first one counts.
    pub(super) fn publish(&self, outcome: Outcome) {
        let _first = self.outcome.set(outcome);
        self.changed.notify_waiters();
    }

    /// Tells everyone that Kinde takes long.
    pub(super) fn tell_slow(&self) {
        self.is_slow.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }
}

/// Waits for a flight; clones share its slot in the crowd.
#[derive(Clone)]
pub(crate) struct Waiter {
    shared: Arc<SharedOutcome>,
    /// Only of those who wait for somebody else's flight.
    slot: Option<Arc<WaitingSlot>>,
}

/// What somebody who waits hears.
pub(crate) enum News {
    Landed(Outcome),
    /// Not yet landed, and Kinde takes long.
    Slow,
}

impl Waiter {
    pub(super) fn new(shared: Arc<SharedOutcome>, slot: Option<WaitingSlot>) -> Self {
        Self { shared, slot: slot.map(Arc::new) }
    }

    /// Takes the slot again, if it was given up: a request may wait a second time, for a surer answer.
    pub(crate) fn enter(&self) {
        if let Some(slot) = &self.slot {
            slot.enter();
        }
    }

    /// Gives the slot up: a request may live on for long after its key was verified, and keep a clone.
    pub(crate) fn leave(&self) {
        if let Some(slot) = &self.slot {
            slot.leave();
        }
    }

    /// The outcome; or that it takes long, if `heeds_slowness`.
    pub(crate) async fn news(&self, heeds_slowness: bool) -> News {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            // From here on no change is missed, so the look comes after it.
            changed.as_mut().enable();
            if let Some(outcome) = self.shared.outcome.get() {
                return News::Landed(match outcome {
                    // It is the limit of the client whose flight it was. This one made no attempt.
                    Outcome::Limited(_) if self.slot.is_some() => Outcome::Failed {
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
