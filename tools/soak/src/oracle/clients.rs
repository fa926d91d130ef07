//! How many verifications each client may have caused.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The requests of the latest window, by client.
#[derive(Debug, Default)]
pub(super) struct Clients {
    begun: HashMap<String, VecDeque<Instant>>,
    /// The begin of each request whose key was new and was refused by Kinde. Each of them was an attempt.
    refused: HashMap<String, VecDeque<Instant>>,
}

impl Clients {
    pub(super) fn begin(&mut self, client: &str, now: Instant, window: Duration) {
        note(&mut self.begun, client, now, window);
    }

    /// Whether this many requests since then may have been attempts, so that the client is limited. All of them
    /// count, because the oracle cannot see which ones the cache answered.
    pub(super) fn may_be_limited(&self, client: &str, since: Instant, attempts: usize) -> bool {
        let begun = self.begun.get(client).into_iter().flatten();
        begun.filter(|began| **began >= since).count() > attempts
    }

    /// Whether the limiter allowed this client more than two windows' attempts within one window. That is wrong,
    /// however the windows are aligned.
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

/// Requests do not end in the order in which they begin, so two windows are kept.
fn note(book: &mut HashMap<String, VecDeque<Instant>>, client: &str, at: Instant, window: Duration) {
    let moments = book.entry(client.to_owned()).or_default();
    moments.push_back(at);
    while moments.front().is_some_and(|first| at.saturating_duration_since(*first) > 4 * window) {
        moments.pop_front();
    }
}
