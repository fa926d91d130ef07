//! A model of the store: one server's data, and everything that happened to it, so that a replica is a prefix of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{At, Broken, Mistake};
use crate::engine::Purge;
use crate::fleet::link::{Logged, Origin, Page, RecordId, Unlogged};
use crate::fleet::{StoreTime, Tip};

/// A record of the log. The place is a time and a count, as in a stream of Redis.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) place: (u64, u64),
    pub(super) id: RecordId,
    pub(super) origin: Origin,
    pub(super) purge: Option<Purge>,
}

/// An entry about a key, with the truth about it.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) asked_at: StoreTime,
    pub(super) head: RecordId,
    pub(super) truly_asked: At,
}

#[derive(Clone)]
enum Operation {
    Append(Stored),
    Trim(u64),
    LoseLog,
    Keep(usize, Kept),
}

pub(super) struct Store {
    pub(super) broken: Option<Broken>,
    pub(super) page_size: usize,
    /// In milliseconds, against the true time.
    pub(super) offset: i64,
    operations: Vec<(At, Operation)>,
    pub(super) log: Vec<Stored>,
    /// Only for the mistake that rests on it.
    seen: BTreeSet<Origin>,
    entries: BTreeMap<usize, Kept>,
}

impl Store {
    pub(super) fn new(offset: i64, page_size: usize, broken: Option<Broken>) -> Self {
        let (log, seen, entries) = Default::default();
        Self { broken, page_size, offset, operations: Vec::new(), log, seen, entries }
    }

    /// What a replica has that heard the last at this time.
    pub(super) fn prefix(&self, until: At, offset: i64) -> Self {
        let mut replica = Self::new(offset, self.page_size, self.broken);
        for (at, operation) in &self.operations {
            if *at <= until {
                replica.apply(*at, operation.clone());
            }
        }
        replica
    }

    fn has_mistake(&self, mistake: Mistake) -> bool {
        self.broken == Some(Broken::Store(mistake))
    }

    fn apply(&mut self, at: At, operation: Operation) {
        match operation.clone() {
            Operation::Append(record) => {
                self.seen.insert(record.origin);
                self.log.push(record);
            }
            Operation::Trim(before) => {
                let old = self.log.iter().take_while(|record| record.place.0 < before).count();
                self.log.drain(..old.min(self.log.len().saturating_sub(1)));
            }
            Operation::LoseLog => self.log.clear(),
            Operation::Keep(key, entry) => {
                self.entries.insert(key, entry);
            }
        }
        self.operations.push((at, operation));
    }

    pub(super) fn time(&self, now: At) -> StoreTime {
        let milliseconds = (now / 1_000).checked_add_signed(1_000_000 + self.offset);
        StoreTime { milliseconds: milliseconds.expect("a time after the beginning") }
    }

    /// Appends the records. Returns which were new.
    pub(super) fn append(&mut self, now: At, records: Vec<Unlogged>, keep_for: Duration) -> Vec<Origin> {
        let time = self.time(now).milliseconds;
        let mut added = Vec::new();
        for Unlogged { id, origin, purge } in records {
            let is_there = if self.has_mistake(Mistake::OriginsSeenForEver) {
                self.seen.contains(&origin)
            } else {
                self.log.iter().rev().take(64).any(|record| record.origin == origin)
            };
            if !is_there {
                let next = self.log.last().map_or((0, 0), |last| (last.place.0, last.place.1 + 1));
                let place = next.max((time, 0));
                added.push(origin);
                self.apply(now, Operation::Append(Stored { place, id, origin, purge }));
            }
        }
        let before = time.saturating_sub(keep_for.as_millis() as u64);
        if self.log.first().is_some_and(|record| record.place.0 < before) {
            self.apply(now, Operation::Trim(before));
        }
        added
    }

    pub(super) fn pull(&self, now: At, run: u64, tip: Option<&Tip>) -> Page {
        let at = tip.and_then(|tip| self.find(tip));
        let rest = self.log.get(at.map_or(0, |at| at + 1)..).unwrap_or_default();
        let records = rest.iter().take(self.page_size).map(|record| Logged {
            tip: Tip { place: format!("{}-{}", record.place.0, record.place.1), id: record.id },
            origin: record.origin,
            at: StoreTime { milliseconds: record.place.0 },
            purge: record.purge.clone(),
        });
        Page {
            now: self.time(now),
            run: run.to_string(),
            goes_on: at.is_some(),
            records: records.collect(),
            more: rest.len() > self.page_size,
        }
    }

    fn find(&self, tip: &Tip) -> Option<usize> {
        let (time, count) = tip.place.split_once('-')?;
        let place = (time.parse().ok()?, count.parse().ok()?);
        if self.has_mistake(Mistake::PlacesWithoutIds) {
            return self.log.iter().rposition(|record| record.place <= place);
        }
        self.log.iter().position(|record| record.place == place && record.id == tip.id)
    }

    pub(super) fn lose_log(&mut self, now: At) {
        self.apply(now, Operation::LoseLog);
    }

    pub(super) fn look(&self, key: usize) -> Option<Kept> {
        self.entries.get(&key).cloned()
    }

    pub(super) fn keep(&mut self, now: At, key: usize, entry: Kept) {
        if self.entries.get(&key).is_none_or(|old| old.asked_at <= entry.asked_at) {
            self.apply(now, Operation::Keep(key, entry));
        }
    }
}
