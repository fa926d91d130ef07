//! How often each client may have had a key verified.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The requests of the latest window, by client.
#[derive(Debug, Default)]
pub(super) struct Clients {
    begun: HashMap<String, VecDeque<Instant>>,
    /// When requests began whose key nobody had seen before, and Kinde refused: each was an attempt.
    refused: HashMap<String, VecDeque<Instant>>,
}

impl Clients {
    pub(super) fn begin(&mut self, client: &str, now: Instant, window: Duration) {
        note(&mut self.begun, client, now, window);
    }

    /// Whether so many requests may have been attempts since then that the client is limited. All count, for nobody
    /// outside sees which of them the cache answered.
    pub(super) fn may_be_limited(&self, client: &str, since: Instant, attempts: usize) -> bool {
        let begun = self.begun.get(client).into_iter().flatten();
        begun.filter(|began| **began >= since).count() > attempts
    }

    /// Whether the limiter let this client have more than two windows' attempts in the time of one: no alignment of
    /// windows allows that.
    pub(super) fn exceeds(
        &mut self,
        client: &str,
        began: Instant,
        now: Instant,
        window: Duration,
        attempts: usize,
    ) -> bool {
        note(&mut self.refused, client, began, window);
        let refused = self.refused.get(client).into_iter().flatten();
        refused.filter(|began| now.saturating_duration_since(**began) < window).count() > 2 * attempts
    }
}

/// Requests begin and end in different orders, so the window is kept twice.
fn note(book: &mut HashMap<String, VecDeque<Instant>>, client: &str, at: Instant, window: Duration) {
    let moments = book.entry(client.to_owned()).or_default();
    moments.push_back(at);
    while moments.front().is_some_and(|first| at.saturating_duration_since(*first) > 4 * window) {
        moments.pop_front();
    }
}
