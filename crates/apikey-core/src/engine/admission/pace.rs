//! How fast turns come. It tells a caller at once if its turn would come too late.

use std::time::{Duration, Instant};

use super::recent::Recent;
use super::shares::Shares;
use crate::client::Client;

/// There is no estimate until flights have waited for a quarter of the patience.
const LEAST_OBSERVED: u32 = 4;

/// Counts the turns that come while flights wait.
pub(super) struct Pace {
    /// How long a flight waits in the queue.
    patience: Duration,
    waiting_since: Option<Instant>,
    turns: Recent,
}

impl Pace {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, waiting_since: None, turns: Recent::default() }
    }

    pub(super) fn flight_waits(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    /// The queue is empty. The next observation starts from nothing.
    pub(super) fn queue_is_empty(&mut self) {
        *self = Self::new(self.patience);
    }

    pub(super) fn turn_comes(&mut self, now: Instant) {
        if self.waiting_since.is_some() {
            self.turns.note(self.patience, now);
        }
    }

    /// Whether the turn of a flight that is queued now would come too late, if turns come as fast as lately.
    pub(super) fn is_too_slow(&mut self, client: Option<Client>, shares: &Shares, now: Instant) -> bool {
        let Some(turns) = self.expected_turns(now) else { return false };
        let (mine, others) = (shares.queued_of(client), shares.others_in_the_queue(client));
        // Clients that wait get equal parts of the turns. While others wait, how large a part is going to be is
        // a guess. A flight that is turned away on a wrong guess leaves a place unused, so the estimate is
        // doubled.
        let doubt = if others > 0 { 2.0 } else { 1.0 };
        (mine + 1) as f64 > (doubt * turns / (others + 1) as f64).max(1.0)
    }

    /// How many turns come within the patience, if they come as fast as lately. `None` if not enough was
    /// observed.
    fn expected_turns(&mut self, now: Instant) -> Option<f64> {
        let observed = now.saturating_duration_since(self.waiting_since?).min(self.patience);
        if observed < self.patience / LEAST_OBSERVED {
            return None;
        }
        let turns = self.turns.count(self.patience, now);
        Some(turns as f64 * self.patience.as_secs_f64() / observed.as_secs_f64())
    }
}
