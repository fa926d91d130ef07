//! An independent count of the keys that were refused to each client.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How many keys of each client were refused in its window, counted independently.
pub(super) struct Ledger {
    length: Duration,
    windows: HashMap<usize, (Instant, u32)>,
}

impl Ledger {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, windows: HashMap::new() }
    }

    /// When this client's window began, and how many of its keys were refused in it.
    pub(super) fn window(&mut self, client: usize, now: Instant) -> &mut (Instant, u32) {
        let window = self.windows.entry(client).or_insert((now, 0));
        if now.duration_since(window.0) >= self.length {
            *window = (now, 0);
        }
        window
    }
}
