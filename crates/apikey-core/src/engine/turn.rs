//! One flight's turn to ask: it comes, or it does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::attempts::{CountedAttempt, Limited};

/// It is decided once, and taken up once.
pub(super) struct Turn {
    state: Mutex<TurnState>,
    decided: Notify,
    /// The turn came, and with it a place.
    has_place: AtomicBool,
    /// The place, or the place in the queue, was given back.
    has_left: AtomicBool,
}

pub(super) enum TurnState {
    Waiting,
    Come(Option<CountedAttempt>),
    Limited(Limited),
    /// Somebody else needed the place in the queue more.
    Crowded,
    Over,
}

/// What became of a turn.
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

    pub(super) fn decide(&self, state: TurnState) {
        self.has_place.store(matches!(state, TurnState::Come(_)), Ordering::Release);
        *self.lock() = state;
        self.decided.notify_one();
    }

    /// The decision, once: afterwards the turn is over. `None` while it is open.
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

    /// Tells that what the turn holds is given back. `false` if that was told before.
    pub(super) fn end(&self) -> bool {
        !self.has_left.swap(true, Ordering::AcqRel)
    }

    /// Whether the turn came, and with it a place.
    pub(super) fn has_place(&self) -> bool {
        self.has_place.load(Ordering::Acquire)
    }

    /// Waits for the decision.
    pub(super) async fn decided(&self) -> Decided {
        loop {
            // One waiter at most, so a decision between the look and the wait is kept for it.
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
