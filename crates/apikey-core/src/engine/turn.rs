//! The turn of one flight to ask: it comes, or it does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::attempts::{CountedAttempt, Limited};

/// A turn is decided once, and its flight takes the decision once.
pub(super) struct Turn {
    state: Mutex<TurnState>,
    decided: Notify,
    /// The turn came, so it holds a place.
    has_place: AtomicBool,
    /// It gave back what it held: a place, or a place in the queue.
    has_left: AtomicBool,
}

pub(super) enum TurnState {
    Waiting,
    Come(Option<CountedAttempt>),
    Limited(Limited),
    /// It waited too long, or made room in the queue for another client.
    Crowded,
    /// The flight has taken the decision.
    Over,
}

/// What was decided about a turn.
pub(super) enum Decided {
    Come(Option<CountedAttempt>),
    Limited(Limited),
    Crowded,
}

impl Turn {
    pub(super) fn new(state: TurnState) -> Arc<Self> {
        let has_place = AtomicBool::new(matches!(state, TurnState::Come(_)));
        let has_left = AtomicBool::new(false);
        Arc::new(Self { state: Mutex::new(state), decided: Notify::new(), has_place, has_left })
    }

    /// Of a flight that has not asked for a place yet, so it holds nothing.
    pub(super) fn none() -> Arc<Self> {
        Self::new(TurnState::Over)
    }

    pub(super) fn decide(&self, state: TurnState) {
        self.has_place.store(matches!(state, TurnState::Come(_)), Ordering::Release);
        *self.lock() = state;
        self.decided.notify_one();
    }

    /// Takes the decision. `None` if there is none yet, or if it was taken before.
    pub(super) fn take(&self) -> Option<Decided> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, TurnState::Over) {
            TurnState::Come(attempt) => Some(Decided::Come(attempt)),
            TurnState::Limited(limited) => Some(Decided::Limited(limited)),
            TurnState::Crowded => Some(Decided::Crowded),
            TurnState::Waiting => {
                *state = TurnState::Waiting;
                None
            }
            TurnState::Over => None,
        }
    }

    /// Notes that the turn gives back what it holds. `false` if it did so before.
    pub(super) fn end(&self) -> bool {
        !self.has_left.swap(true, Ordering::AcqRel)
    }

    /// Whether the turn came, so that it holds a place.
    pub(super) fn has_place(&self) -> bool {
        self.has_place.load(Ordering::Acquire)
    }

    /// Waits for the decision.
    pub(super) async fn decided(&self) -> Decided {
        loop {
            // Only one task waits, so `notify_one` keeps a decision that comes before the wait.
            if let Some(decided) = self.take() {
                return decided;
            }
            self.decided.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, TurnState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
