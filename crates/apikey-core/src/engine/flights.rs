//! The table of flights: at most one verification is under way for one key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::outcome::{Outcome, SharedOutcome};
use super::purge::Purges;
use super::turn::Turn;
use crate::client::Client;
use crate::key::{Fingerprint, FingerprintHashing};
use crate::verifier::ServerFault;

/// How often it is looked for flights that are stuck.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// The flights, by key. Its lock also orders what is stored against what is purged.
#[derive(Default)]
pub(super) struct Flights {
    table: Mutex<Table>,
}

#[derive(Default)]
pub(super) struct Table {
    by_key: HashMap<Fingerprint, Entry, FingerprintHashing>,
    pub(super) purges: Purges,
    last_number: u64,
    /// Counts the flights that have landed, so that a look from before the lock can be told to be out of date.
    landed: u64,
    /// When it was last looked for flights that are stuck.
    looked_at: Option<Instant>,
}

/// A flight that was taken out because it is stuck, for example because its runtime is blocked.
pub(super) struct Stuck {
    pub(super) client: Option<Client>,
    pub(super) turn: Arc<Turn>,
    outcome: Arc<SharedOutcome>,
}

/// Says which flight of which key: a flight that was taken out as stuck has another number than its successor.
#[derive(Clone, Copy)]
pub(super) struct FlightId {
    pub(super) key: Fingerprint,
    number: u64,
}

/// A flight that was entered into the table.
pub(super) struct Started {
    pub(super) id: FlightId,
    pub(super) outcome: Arc<SharedOutcome>,
    pub(super) replaced: Option<Stuck>,
}

struct Entry {
    number: u64,
    client: Option<Client>,
    turn: Arc<Turn>,
    began: Instant,
    outcome: Arc<SharedOutcome>,
    /// The number of the latest purge when the question was asked.
    purges_seen: u64,
}

impl Entry {
    fn into_stuck(self) -> Stuck {
        Stuck { client: self.client, turn: self.turn, outcome: self.outcome }
    }
}

impl Flights {
    /// Nothing but the table's own work happens under this lock: no code of an adapter, no log line, no other cache's
    /// maintenance.
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock runs code that could leave the table half-changed.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    pub(super) fn under_way(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn landed(&self) -> u64 {
        self.landed
    }

    /// Where to wait for the flight of this key, if one is under way. One that began longer than `overdue` ago is stuck, for
    /// example because its runtime is blocked, and nobody joins it any more.
    pub(super) fn join(
        &self,
        key: &Fingerprint,
        now: Instant,
        overdue: Duration,
    ) -> Option<Arc<SharedOutcome>> {
        let entry = self.by_key.get(key)?;
        (now.saturating_duration_since(entry.began) <= overdue).then(|| Arc::clone(&entry.outcome))
    }

    /// Takes out the flights that are stuck: they are disowned. At most four times a second, because it looks at all.
    pub(super) fn take_stuck(&mut self, now: Instant, overdue: Duration) -> Vec<Stuck> {
        if self.looked_at.is_some_and(|at| now.saturating_duration_since(at) < BETWEEN_LOOKS) {
            return Vec::new();
        }
        self.looked_at = Some(now);
        let is_stuck =
            |_: &Fingerprint, entry: &mut Entry| now.saturating_duration_since(entry.began) > overdue;
        let stuck: Vec<Stuck> =
            self.by_key.extract_if(is_stuck).map(|(_, entry)| entry.into_stuck()).collect();
        if !stuck.is_empty() {
            self.forget_purges();
        }
        stuck
    }

    /// Enters a flight. One of this key that is still under way is stuck, and taken out.
    pub(super) fn start(
        &mut self,
        key: Fingerprint,
        client: Option<Client>,
        turn: &Arc<Turn>,
        now: Instant,
    ) -> Started {
        let outcome = Arc::<SharedOutcome>::default();
        self.last_number += 1;
        let (number, purges_seen) = (self.last_number, self.purges.now());
        let entry = Entry {
            number,
            client,
            turn: Arc::clone(turn),
            began: now,
            outcome: Arc::clone(&outcome),
            purges_seen,
        };
        let replaced = self.by_key.insert(key, entry).map(Entry::into_stuck);
        Started { id: FlightId { key, number }, outcome, replaced }
    }

    /// The number of the latest purge when this flight asked; `None` if it is disowned.
    pub(super) fn purges_seen(&self, id: FlightId) -> Option<u64> {
        let entry = self.by_key.get(&id.key).filter(|entry| entry.number == id.number)?;
        Some(entry.purges_seen)
    }

    /// The flight asks now, so from now on it heeds later purges only. `false` if it is disowned.
    pub(super) fn ask_now(&mut self, id: FlightId) -> bool {
        let now = self.purges.now();
        let entry = self.by_key.get_mut(&id.key).filter(|entry| entry.number == id.number);
        let is_owned = entry.map(|entry| entry.purges_seen = now).is_some();
        self.forget_purges();
        is_owned
    }

    /// From now on this is what a flight holds that may be stuck.
    pub(super) fn set_turn(&mut self, id: FlightId, turn: &Arc<Turn>) {
        if let Some(entry) = self.by_key.get_mut(&id.key).filter(|entry| entry.number == id.number) {
            entry.turn = Arc::clone(turn);
        }
    }

    pub(super) fn end(&mut self, id: FlightId) {
        self.landed = self.landed.wrapping_add(1);
        if self.purges_seen(id).is_some() {
            self.by_key.remove(&id.key);
            self.forget_purges();
        }
    }

    fn forget_purges(&mut self) {
        if !self.purges.is_empty() {
            let oldest = self.by_key.values().map(|entry| entry.purges_seen).min();
            self.purges.forget_before(oldest);
        }
    }
}

impl Stuck {
    /// Tells those who wait that nobody could answer.
    pub(super) fn give_up(&self) {
        self.outcome.publish(Outcome::Failed { fault: ServerFault::UNAVAILABLE, stale_may_serve: true });
    }
}
