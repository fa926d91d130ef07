//! The state of the small fleet. Moments are ticks since the beginning.

use super::store::{Entry, Records, Store};
use super::{Bounds, Start};

/// How long a confirmation holds.
pub(super) const LEASE: u8 = 2;
/// A record with this number removes nothing.
pub(super) const NOTHING: u8 = 0;
/// How long after the last confirmation an answer may serve.
pub(super) const CUT_OFF: u8 = 3;
/// How long an instance needs at most to tell a lost removal again.
pub(super) const TELLS_WITHIN: u8 = 1;
/// How long the store keeps a record.
pub(super) const KEPT_FOR: u8 = 3;
/// An instance that has not read the log for longer than this may have missed records.
pub(super) const BEHIND_AFTER: u8 = 2;

/// A set of removals. They are numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Set(u8);

impl Set {
    pub(super) fn has(self, removal: u8) -> bool {
        self.0 & (1 << removal) != 0
    }

    pub(super) fn add(&mut self, removal: u8) {
        self.0 |= 1 << removal;
    }

    pub(super) fn remove(&mut self, removal: u8) {
        self.0 &= !(1 << removal);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) now: u8,
    pub(super) store: Store,
    pub(super) instances: [Instance; 2],
    pub(super) removals: [Removal; 2],
    /// How often Kinde was asked.
    pub(super) asked: u8,
    /// How many of each fault there were.
    pub(super) faults: Faults,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Faults {
    pub(super) take_overs: u8,
    pub(super) log_losses: u8,
    pub(super) trims: u8,
    pub(super) crashes: u8,
    pub(super) stalls: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Removal {
    pub(super) is_called: bool,
    /// When the store took it, or a moment that is long enough ago.
    pub(super) executed: Option<u8>,
    /// The store had it in the log, and has lost it.
    pub(super) is_lost: bool,
    /// The store has taken it since then, or claims to.
    pub(super) is_told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Instance {
    pub(super) is_up: bool,
    /// What it has read of the log.
    pub(super) memory: Records,
    /// What was in the log, and what the log that is being read has not shown yet. `None` if it has been read.
    pub(super) unshown: Option<Set>,
    /// What it has done.
    pub(super) applied: Set,
    pub(super) outbox: Set,
    /// What of the outbox was acknowledged.
    pub(super) acknowledged: Set,
    /// Appends that are on their way.
    pub(super) appends: Set,
    pub(super) pull: Option<Pull>,
    /// When the latest was sent.
    pub(super) pulled: u8,
    /// When the log was read to its end.
    pub(super) read: u8,
    pub(super) confirmed: Option<u8>,
    /// The state of the log that confirmed: how many faults had changed it.
    pub(super) confirmed_by: u8,
    /// The state of the log when it was last read to its end, and nothing was left open by that.
    pub(super) read_changes: u8,
    pub(super) run: Option<u8>,
    /// Since when no pull confirms.
    pub(super) doubted: Option<u8>,
    pub(super) clock: Option<Sample>,
    /// Entries from before this moment of the store are misses.
    pub(super) floor: u8,
    pub(super) answer: Option<Answer>,
    pub(super) flight: Option<Flight>,
}

/// What a pull said of the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sample {
    pub(super) store: u8,
    pub(super) sent: u8,
    pub(super) received: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pull {
    pub(super) sent: u8,
    /// What was in the outbox and acknowledged when it was sent.
    pub(super) acknowledged: Set,
    pub(super) page: Option<Page>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Page {
    pub(super) now: u8,
    pub(super) run: u8,
    pub(super) goes_on: bool,
    pub(super) records: Records,
    pub(super) more: bool,
    /// How many faults had changed the log.
    pub(super) changes: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Answer {
    /// Which removals were called before it was asked for.
    pub(super) covers: Set,
    /// When it was asked for in truth, and as the instance believes. A moment that is long ago may stand for it.
    pub(super) truly_asked: u8,
    pub(super) asked: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    pub(super) covers: Set,
    pub(super) asked: u8,
    pub(super) head: Option<u8>,
    pub(super) must_ask_again: bool,
}

impl Instance {
    pub(super) fn is_linked(&self, now: u8) -> bool {
        self.is_up && self.confirmed.is_some_and(|confirmed| now - confirmed < LEASE)
    }

    /// Does a removal.
    pub(super) fn forget(&mut self, removal: u8, bounds: &Bounds) {
        if bounds.concerns(removal) {
            self.forget_everything(bounds.heeds_flights());
        }
    }

    /// Forgets the answer. An open flight asks again.
    pub(super) fn forget_everything(&mut self, heeds_flights: bool) {
        self.answer = None;
        if let Some(flight) = self.flight.as_mut().filter(|_| heeds_flights) {
            flight.must_ask_again = true;
        }
    }
}

impl State {
    pub(super) fn first(bounds: &Bounds) -> Self {
        let mut store = Store::first();
        let is_about_ages = bounds.is_about_ages();
        let answer = Answer { covers: Set::default(), truly_asked: BEGINNING, asked: BEGINNING };
        let instance = Instance {
            is_up: true,
            memory: store.log,
            pulled: BEGINNING,
            read: BEGINNING,
            confirmed: Some(BEGINNING),
            run: Some(store.run),
            clock: Some(Sample { store: BEGINNING, sent: BEGINNING, received: BEGINNING }),
            answer: (!is_about_ages).then_some(answer),
            ..Instance::default()
        };
        if is_about_ages {
            let covers = Set::default();
            store.entry = Some(Entry { covers, head: 0, asked_at: BEGINNING, truly_asked: BEGINNING });
        }
        let (instances, removals) = ([instance; 2], Default::default());
        let mut state =
            Self { now: BEGINNING, store, instances, removals, asked: 0, faults: Faults::default() };
        if bounds.start != Start::UpToDate {
            state.removals[0] = Removal { is_called: true, executed: Some(BEGINNING), ..Removal::default() };
            state.store.append(1, BEGINNING, bounds);
            let informed = &mut state.instances[0];
            informed.memory = state.store.log;
            informed.applied.add(1);
            informed.answer = None;
        }
        if bounds.start == Start::Lost {
            state.store.take_over(1, false, &mut state.removals, bounds);
        }
        state
    }

    /// The removals that were called.
    pub(super) fn called(&self) -> Set {
        let mut called = Set::default();
        for (number, removal) in (1..).zip(&self.removals) {
            if removal.is_called {
                called.add(number);
            }
        }
        called
    }

    /// An instance that is up knows a removal that the log has lost, and is about to notice or to tell it.
    pub(super) fn owes_a_removal(&self) -> bool {
        (1..).zip(&self.removals).any(|(number, removal)| {
            let owes = |instance: &Instance| {
                let is_open = instance.appends.has(number) || instance.read_changes < self.store.changes;
                instance.is_up && instance.applied.has(number) && is_open
            };
            removal.is_lost && self.instances.iter().any(owes)
        })
    }
}

pub(super) const BEGINNING: u8 = 10;
