//! The latest outcomes of callers' keys, and whether they raise a suspicion.

use std::collections::VecDeque;

use crate::client::Client;

/// How many outcomes are remembered.
const WINDOW: usize = 20;
/// With fewer outcomes than this, they say nothing.
const LEAST: usize = 5;
/// How many connections in a row must fail to raise a suspicion.
const UNCONNECTED: u32 = 3;

#[derive(Default)]
pub(super) struct Samples {
    latest: VecDeque<Sample>,
    unconnected: u32,
}

struct Sample {
    is_bad: bool,
    client: Option<Client>,
}

impl Samples {
    /// A key of this client was judged.
    pub(super) fn note_judged(&mut self, client: Option<Client>) {
        self.unconnected = 0;
        self.note(Sample { is_bad: false, client });
    }

    /// A key of this client drew overload or an outage, or was not judged.
    pub(super) fn note_bad(&mut self, client: Option<Client>, never_connected: bool) {
        self.unconnected = if never_connected { self.unconnected + 1 } else { 0 };
        self.note(Sample { is_bad: true, client });
    }

    fn note(&mut self, sample: Sample) {
        self.latest.push_back(sample);
        if self.latest.len() > WINDOW {
            self.latest.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn are_suspicious(&self) -> bool {
        self.unconnected >= UNCONNECTED || are_mostly_bad(self.latest.iter())
    }

    /// Whether at least half of the clients fail. Each client counts once, by its latest outcome. Callers
    /// without an address count as one client.
    pub(super) fn most_clients_fail(&self) -> bool {
        let mut counted: Vec<&Sample> = Vec::with_capacity(WINDOW);
        for sample in self.latest.iter().rev() {
            if counted.iter().all(|other| other.client != sample.client) {
                counted.push(sample);
            }
        }
        are_mostly_bad(counted.into_iter())
    }
}

/// Whether at least half of them are bad.
fn are_mostly_bad<'s>(samples: impl ExactSizeIterator<Item = &'s Sample>) -> bool {
    let all = samples.len();
    let bad = samples.filter(|sample| sample.is_bad).count();
    all >= LEAST && 2 * bad >= all
}
