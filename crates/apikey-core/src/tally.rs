//! A count in all, and for each client.

use std::collections::HashMap;

use crate::client::Client;

/// How many of something there are, and how many each client has. Requests without an address count as one
/// client.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    all: usize,
    by_client: HashMap<Option<Client>, usize>,
}

impl Tally {
    pub(crate) fn all(&self) -> usize {
        self.all
    }

    pub(crate) fn of(&self, client: Option<Client>) -> usize {
        self.by_client.get(&client).copied().unwrap_or_default()
    }

    /// Whether no client is remembered.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.all == 0 && self.by_client.is_empty()
    }

    pub(crate) fn add(&mut self, client: Option<Client>) {
        self.all += 1;
        *self.by_client.entry(client).or_default() += 1;
    }

    pub(crate) fn take_off(&mut self, client: Option<Client>) {
        self.all = self.all.saturating_sub(1);
        if let Some(count) = self.by_client.get_mut(&client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_client.remove(&client);
            }
        }
    }
}
