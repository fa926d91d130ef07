//! What one client has: places, flights at rest, and flights in the queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::engine::attempts::Window;
use crate::engine::turn::Turn;

/// A flight in the queue.
pub(super) struct Waiting {
    /// A flight that was queued earlier has a lower number.
    pub(super) number: u64,
    pub(super) turn: Arc<Turn>,
    pub(super) has_answer: bool,
    pub(super) window: Option<Window>,
    pub(super) until: Instant,
}

#[derive(Default)]
pub(super) struct Share {
    pub(super) taken: usize,
    pub(super) resting: usize,
    /// The number of its latest turn. The client whose latest turn is longest ago comes first.
    pub(super) last_turn: u64,
    with_answer: VecDeque<Waiting>,
    without: VecDeque<Waiting>,
}

impl Share {
    pub(super) fn queued(&self) -> usize {
        self.with_answer.len() + self.without.len()
    }

    /// How many flights wait, at rest or in the queue.
    pub(super) fn waiting(&self) -> usize {
        self.queued() + self.resting
    }

    pub(super) fn is_idle(&self) -> bool {
        self.taken == 0 && self.waiting() == 0
    }

    /// The rank of its first flight in the queue: whether its key has no cached answer, and its number.
    pub(super) fn first(&self) -> Option<(bool, u64)> {
        let with = self.with_answer.front().map(|waiting| (false, waiting.number));
        with.or_else(|| self.without.front().map(|waiting| (true, waiting.number)))
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.queue_of(&waiting).push_back(waiting);
    }

    pub(super) fn pop_first(&mut self) -> Option<Waiting> {
        self.with_answer.pop_front().or_else(|| self.without.pop_front())
    }

    pub(super) fn pop_last(&mut self) -> Option<Waiting> {
        self.without.pop_back().or_else(|| self.with_answer.pop_back())
    }

    /// Puts a flight back that [`pop_first`](Self::pop_first) took.
    pub(super) fn put_back(&mut self, waiting: Waiting) {
        self.queue_of(&waiting).push_front(waiting);
    }

    /// Takes this flight out of the queue. `false` if it is not there.
    pub(super) fn withdraw(&mut self, turn: &Arc<Turn>) -> bool {
        [&mut self.with_answer, &mut self.without].into_iter().any(|queue| {
            let position = queue.iter().position(|waiting| Arc::ptr_eq(&waiting.turn, turn));
            position.and_then(|position| queue.remove(position)).is_some()
        })
    }

    fn queue_of(&mut self, waiting: &Waiting) -> &mut VecDeque<Waiting> {
        if waiting.has_answer { &mut self.with_answer } else { &mut self.without }
    }
}
