//! The one caller's key that may go while the breaker is open.

use crate::client::Client;

pub(super) struct Probe {
    slot: ProbeSlot,
    /// The client whose key went last and changed nothing: the next slot is for another one.
    barred: Option<Option<Client>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ProbeSlot {
    Shut,
    /// At first a key with a stale answer may go, because its caller need not wait.
    ForStale,
    ForAnybody,
    Taken,
}

impl Probe {
    pub(super) fn shut() -> Self {
        Self { slot: ProbeSlot::Shut, barred: None }
    }

    /// Takes the slot for a key of this client's, if it may have it.
    pub(super) fn take(&mut self, has_stale_answer: bool, client: Option<Client>) -> bool {
        let is_free = match self.slot {
            ProbeSlot::ForAnybody => true,
            ProbeSlot::ForStale => has_stale_answer,
            ProbeSlot::Shut | ProbeSlot::Taken => false,
        };
        let takes = is_free && self.barred != Some(client);
        if takes {
            *self = Self { slot: ProbeSlot::Taken, barred: None };
        }
        takes
    }

    /// A key may go, in the first place one with a stale answer.
    pub(super) fn offer(&mut self) {
        // If nobody else took the slot, the barred client may have it, too.
        if matches!(self.slot, ProbeSlot::ForStale | ProbeSlot::ForAnybody) {
            self.barred = None;
        }
        self.slot = ProbeSlot::ForStale;
    }

    /// A health check failed. `tells_nothing` if its verifier can't tell: then keys are the only way to learn more.
    pub(super) fn health_check_failed(&mut self, tells_nothing: bool) {
        if self.slot == ProbeSlot::ForStale || (tells_nothing && self.slot == ProbeSlot::Shut) {
            self.slot = ProbeSlot::ForAnybody;
        }
    }

    /// The key told nothing. Another caller's key may go instead.
    pub(super) fn came_to_nothing(&mut self) {
        self.slot = ProbeSlot::ForAnybody;
    }

    /// The key of this client failed, too.
    pub(super) fn failed(&mut self, client: Option<Client>) {
        *self = Self { slot: ProbeSlot::Shut, barred: Some(client) };
    }
}
