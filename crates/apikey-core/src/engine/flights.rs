//! The table of flights. It keeps each key to one flight at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::admission::Applicant;
use super::outcome::{Outcome, SharedOutcome};
use super::purge::Purges;
use super::turn::Turn;
use crate::client::Client;
use crate::key::{Fingerprint, FingerprintHashing};
use crate::verifier::ServerFault;

/// How far apart two looks for stuck flights are at least.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// The flights by key. The lock of this table also puts stores into the cache and purges into one order.
#[derive(Default)]
pub(super) struct Flights {
    table: Mutex<Table>,
}

#[derive(Default)]
pub(super) struct Table {
    by_key: HashMap<Fingerprint, Entry, FingerprintHashing>,
    pub(super) purges: Purges,
    last_number: u64,
    /// How many flights have landed. It tells whether a look from before the lock is out of date.
    landed: u64,
    /// When the latest look for stuck flights was.
    looked_at: Option<Instant>,
}

/// A flight that took too long and was taken out of the table. For example, its runtime is blocked.
pub(super) struct Stuck {
    pub(super) client: Option<Client>,
    pub(super) turn: Arc<Turn>,
    outcome: Arc<SharedOutcome>,
}

/// The key of a flight, and its number. A stuck flight and the flight that replaced it have different numbers.
#[derive(Clone, Copy)]
pub(super) struct FlightId {
    pub(super) key: Fingerprint,
    number: u64,
}

/// A flight that was entered into the table just now.
pub(super) struct Started {
    pub(super) id: FlightId,
    pub(super) outcome: Arc<SharedOutcome>,
    /// The flight of the same key that it replaces.
    pub(super) replaced: Option<Stuck>,
}

struct Entry {
    number: u64,
    client: Option<Client>,
    turn: Arc<Turn>,
    began: Instant,
    outcome: Arc<SharedOutcome>,
    /// The number of the latest purge when the flight asked.
    purges_seen: u64,
    /// A caller that waits takes no answer of the fleet's that is older.
    max_age: Option<Duration>,
}

impl Entry {
    fn into_stuck(self) -> Stuck {
        Stuck { client: self.client, turn: self.turn, outcome: self.outcome }
    }
}

impl Flights {
    /// Code under this lock may take the locks of the cache of answers, of the breaker, of the admission and of a client's
    /// window, in this order. No code under those locks takes this one. Code under this lock runs no code of an adapter,
    /// writes no log line, and does no other cache's maintenance.
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        // No code under the lock can panic half-way through a change, so a poisoned table is complete.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    pub(super) fn under_way(&self) -> usize {
        self.by_key.len()
    }

    /// How many flights have landed.
    pub(super) fn landed(&self) -> u64 {
        self.landed
    }

    /// Where to wait for the flight of this key. `None` if there is no flight, or if it began longer than
    /// `overdue` ago: then it is stuck, and nobody may join it.
    pub(super) fn join(
        &mut self,
        key: &Fingerprint,
        max_age: Option<Duration>,
        now: Instant,
        overdue: Duration,
    ) -> Option<Arc<SharedOutcome>> {
        let entry = self.by_key.get_mut(key)?;
        if now.saturating_duration_since(entry.began) > overdue {
            return None;
        }
        entry.max_age = entry.max_age.into_iter().chain(max_age).min();
        Some(Arc::clone(&entry.outcome))
    }

    /// Takes the stuck flights out of the table: from now on they are disowned. It looks at all flights, so it
    /// does so at most four times a second.
    pub(super) fn take_stuck(&mut self, now: Instant, overdue: Duration) -> Vec<Stuck> {
        if self.looked_at.is_some_and(|at| now.saturating_duration_since(at) < BETWEEN_LOOKS) {
            return Vec::new();
        }
        self.looked_at = Some(now);
        let is_stuck =
            |(_, entry): &(&Fingerprint, &Entry)| now.saturating_duration_since(entry.began) > overdue;
        let keys: Vec<Fingerprint> = self.by_key.iter().filter(is_stuck).map(|(key, _)| *key).collect();
        let stuck: Vec<Stuck> =
            keys.iter().filter_map(|key| self.by_key.remove(key)).map(Entry::into_stuck).collect();
        if !stuck.is_empty() {
            self.forget_purges();
        }
        stuck
    }

    /// Enters a flight. If there is another flight of this key, that one is stuck and is taken out.
    pub(super) fn start(
        &mut self,
        key: Fingerprint,
        applicant: &Applicant,
        turn: &Arc<Turn>,
        now: Instant,
    ) -> Started {
        let outcome = Arc::<SharedOutcome>::default();
        self.last_number += 1;
        let (number, purges_seen) = (self.last_number, self.purges.now());
        let entry = Entry {
            number,
            client: applicant.client,
            turn: Arc::clone(turn),
            began: now,
            outcome: Arc::clone(&outcome),
            purges_seen,
            max_age: applicant.max_age,
        };
        let replaced = self.by_key.insert(key, entry).map(Entry::into_stuck);
        Started { id: FlightId { key, number }, outcome, replaced }
    }

    /// The number of the latest purge when this flight asked. `None` if the flight is disowned.
    pub(super) fn purges_seen(&self, id: FlightId) -> Option<u64> {
        let entry = self.by_key.get(&id.key).filter(|entry| entry.number == id.number)?;
        Some(entry.purges_seen)
    }

    /// Whether every caller that waits for this flight takes an answer of this age.
    pub(super) fn takes_age(&self, id: FlightId, age: Duration) -> bool {
        let entry = self.by_key.get(&id.key).filter(|entry| entry.number == id.number);
        entry.is_some_and(|entry| entry.max_age.is_none_or(|max_age| age <= max_age))
    }

    /// The flight asks now, so only later purges concern its answer. `false` if the flight is disowned.
    pub(super) fn ask_now(&mut self, id: FlightId) -> bool {
        let now = self.purges.now();
        let entry = self.by_key.get_mut(&id.key).filter(|entry| entry.number == id.number);
        let is_owned = entry.map(|entry| entry.purges_seen = now).is_some();
        self.forget_purges();
        is_owned
    }

    /// Notes what the flight holds now, so that it can be taken back if the flight gets stuck.
    pub(super) fn set_turn(&mut self, id: FlightId, turn: &Arc<Turn>) {
        if let Some(entry) = self.by_key.get_mut(&id.key).filter(|entry| entry.number == id.number) {
            entry.turn = Arc::clone(turn);
        }
    }

    /// Takes the flight out of the table, because it lands.
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
    /// Tells the waiters that nobody could answer.
    pub(super) fn give_up(&self) {
        self.outcome.publish(Outcome::Failed { fault: ServerFault::UNAVAILABLE, stale_may_serve: true });
    }
}
