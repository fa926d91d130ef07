//! The store of the small fleet.

use super::state::{BEGINNING, KEPT_FOR, Page, Removal, Set};
use super::{Bounds, Broken};
use crate::fleet::broken::Mistake;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Record {
    pub(super) id: u8,
    /// Zero removes nothing.
    pub(super) removal: u8,
    pub(super) at: u8,
}

/// Some records in their order. It is copied often, so it has a fixed size.
#[derive(Clone, Copy, Default)]
pub(super) struct Records {
    count: usize,
    records: [Record; 8],
}

impl Records {
    pub(super) fn push(&mut self, record: Record) {
        self.records[self.count] = record;
        self.count += 1;
    }

    pub(super) fn truncate(&mut self, count: usize) {
        self.count = count;
    }

    pub(super) fn drop_first(&mut self, count: usize) {
        self.records.copy_within(count..self.count, 0);
        self.count -= count;
    }
}

impl std::ops::Deref for Records {
    type Target = [Record];

    fn deref(&self) -> &[Record] {
        &self.records[..self.count]
    }
}

impl std::ops::DerefMut for Records {
    fn deref_mut(&mut self) -> &mut [Record] {
        &mut self.records[..self.count]
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Records {}

impl std::hash::Hash for Records {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        (**self).hash(hasher);
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(formatter)
    }
}

impl FromIterator<Record> for Records {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let mut all = Self::default();
        records.into_iter().for_each(|record| all.push(record));
        all
    }
}

/// An entry about the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) covers: Set,
    pub(super) head: u8,
    /// In the store's time.
    pub(super) asked_at: u8,
    pub(super) truly_asked: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Store {
    pub(super) log: Records,
    pub(super) entry: Option<Entry>,
    pub(super) run: u8,
    last_id: u8,
    /// Only for the mistake that rests on it.
    seen: Set,
    /// By how much its clock was set back.
    pub(super) set_back: u8,
    pub(super) is_stalled: bool,
    /// How many faults have changed the log.
    pub(super) changes: u8,
    /// How long ago the latest of them was, without the time in which the store was stalled.
    pub(super) changed_for: Option<u8>,
}

impl Store {
    pub(super) fn first() -> Self {
        Self {
            log: [Record { id: 0, removal: 0, at: BEGINNING }].into_iter().collect(),
            entry: None,
            run: 0,
            last_id: 0,
            seen: Set::default(),
            set_back: 0,
            is_stalled: false,
            changes: 0,
            changed_for: None,
        }
    }

    pub(super) fn time(&self, now: u8) -> u8 {
        now - self.set_back
    }

    pub(super) fn has(&self, removal: u8) -> bool {
        self.log.iter().any(|record| record.removal == removal)
    }

    /// Takes a removal, or a record that removes nothing.
    pub(super) fn append(&mut self, removal: u8, now: u8, bounds: &Bounds) {
        let is_there = if bounds.broken == Some(Broken::Store(Mistake::OriginsSeenForEver)) {
            self.seen.has(removal)
        } else {
            self.has(removal)
        };
        if !is_there {
            self.seen.add(removal);
            self.last_id += 1;
            self.log.push(Record { id: self.last_id, removal, at: now });
        }
    }

    /// What follows the record with this place and id.
    pub(super) fn pull(&self, tip: Option<(usize, u8)>, now: u8, bounds: &Bounds) -> Page {
        let at = if bounds.broken == Some(Broken::Store(Mistake::PlacesWithoutIds)) {
            tip.filter(|_| !self.log.is_empty()).map(|(place, _)| place.min(self.log.len() - 1))
        } else {
            tip.and_then(|(_, id)| self.log.iter().position(|record| record.id == id))
        };
        let rest = &self.log[at.map_or(0, |at| at + 1)..];
        Page {
            now: self.time(now),
            run: self.run,
            goes_on: at.is_some(),
            records: rest.iter().take(bounds.page).map(|record| Record { at: 0, ..*record }).collect(),
            more: rest.len() > bounds.page,
            changes: self.changes,
        }
    }

    /// Keeps the first records only: a replica takes over that lacks the others.
    pub(super) fn take_over(
        &mut self,
        kept: usize,
        sets_back: bool,
        removals: &mut [Removal],
        bounds: &Bounds,
    ) {
        let before = self.log;
        self.log.truncate(kept);
        self.run = match bounds.broken {
            Some(Broken::Store(Mistake::RunIsCopied)) => self.run,
            Some(Broken::Store(Mistake::RunOfTheProcess)) => (self.run + 1) % 2,
            _ => self.run + 1,
        };
        if sets_back {
            self.set_back += 2;
        }
        self.seen = Set::default();
        for record in self.log.iter() {
            self.seen.add(record.removal);
        }
        self.is_stalled = false;
        self.note_loss(&before[kept..], removals);
    }

    /// The log is evicted alone.
    pub(super) fn lose_log(&mut self, removals: &mut [Removal]) {
        let lost = std::mem::take(&mut self.log);
        self.note_loss(&lost, removals);
    }

    fn note_loss(&mut self, lost: &[Record], removals: &mut [Removal]) {
        self.changes += 1;
        self.changed_for = Some(0);
        for (number, removal) in (1..).zip(removals) {
            removal.is_told = false;
            removal.is_lost |= lost.iter().any(|record| record.removal == number);
        }
    }

    /// Drops records that are too old, but not the newest. Returns whether there was one.
    pub(super) fn trim(&mut self, now: u8) -> bool {
        let old = self.log.iter().take_while(|record| record.at + KEPT_FOR <= now).count();
        let dropped = old.min(self.log.len().saturating_sub(1));
        self.log.drop_first(dropped);
        dropped > 0
    }
}
