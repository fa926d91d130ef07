//! The probe: the one caller's key that may go while the breaker is open.

use crate::client::Client;

pub(super) struct Probe {
    slot: ProbeSlot,
    /// The client whose key was the last probe, if that probe failed. Another client gets the next probe.
    /// `Some(None)`: a caller without an address.
    barred: Option<Option<Client>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ProbeSlot {
    Shut,
    /// Only a key with a stale answer may go. Its caller need not wait for Kinde.
    ForStale,
    ForAnybody,
    Taken,
}

impl Probe {
    pub(super) fn shut() -> Self {
        Self { slot: ProbeSlot::Shut, barred: None }
    }

    /// Takes the slot for a key of this client, if it may have the slot.
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

    /// Opens the slot, at first only for a key with a stale answer.
    pub(super) fn offer(&mut self) {
        // No other client took the slot, so the barred client may have it.
        if matches!(self.slot, ProbeSlot::ForStale | ProbeSlot::ForAnybody) {
            self.barred = None;
        }
        self.slot = ProbeSlot::ForStale;
    }

    /// A health check failed, so any key may go if the slot is open. `tells_nothing` if the verifier can't tell
    /// its health. Then only keys can tell, so the slot is opened.
    pub(super) fn health_check_failed(&mut self, tells_nothing: bool) {
        if self.slot == ProbeSlot::ForStale || (tells_nothing && self.slot == ProbeSlot::Shut) {
            self.slot = ProbeSlot::ForAnybody;
        }
    }

    /// The key told nothing, so another key may go.
    pub(super) fn came_to_nothing(&mut self) {
        self.slot = ProbeSlot::ForAnybody;
    }

    /// The key failed, too. The slot is shut until it is opened again.
    pub(super) fn failed(&mut self, client: Option<Client>) {
        *self = Self { slot: ProbeSlot::Shut, barred: Some(client) };
    }
}
