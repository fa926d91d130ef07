//! The slots of the cache: which are taken, which one is freed for a new entry, and which hold the secrets of a
//! key id.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::engine::cached_key::CachedKey;

/// How many entries an eviction inspects before it evicts the next one regardless of use. It bounds the time
/// that the lock is held.
pub(super) const MOST_LOOKED_AT: usize = 64;

/// About how many key ids share one table of the index, if the cache is full. When a table grows, all its key ids are
/// entered anew, while changes wait. With this many, nearly no table has more than 1,024 places, of 5 bytes each.
const TABLE: usize = 768;
const MOST_TABLES: usize = 65_536;

/// One slot for each entry of the map. If all slots are taken, the clock algorithm decides which entry is
/// evicted: a hand goes round, spares the entries that were used since it last came by, and evicts the first
/// other one.
pub(super) struct Slots {
    capacity: usize,
    entries: Vec<Option<Arc<CachedKey>>>,
    vacant: Vec<usize>,
    hand: usize,
    /// Finds one slot of a key id. The other slots of this id are its siblings. There are many small tables,
    /// because one large table would take 0.4 s to grow past a million key ids.
    by_key_id: Box<[HashTable<u32>]>,
    /// The siblings of each slot. `None` if a key id has one secret, because then no slot has a sibling.
    siblings: Option<Vec<Siblings>>,
    hashing: RandomState,
    #[cfg(test)]
    pub(super) looks: super::tests::Looks,
}

/// The slots that hold secrets of one key id form a ring.
#[derive(Clone, Copy)]
struct Siblings {
    previous: usize,
    next: usize,
}

impl Slots {
    pub(super) fn new(capacity: usize, one_secret_per_key_id: bool) -> Self {
        // The number of a slot is kept in 32 bits.
        let capacity = capacity.min(u32::MAX as usize);
        let tables = (capacity / TABLE).clamp(1, MOST_TABLES);
        Self {
            capacity,
            entries: Vec::new(),
            vacant: Vec::new(),
            hand: 0,
            by_key_id: (0..tables).map(|_| HashTable::new()).collect(),
            siblings: (!one_secret_per_key_id).then(Vec::new),
            hashing: RandomState::new(),
            #[cfg(test)]
            looks: Default::default(),
        }
    }

    /// How many slots there are, vacant ones included.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn taken(&self) -> usize {
        self.entries.len() - self.vacant.len()
    }

    pub(super) fn at(&self, slot: usize) -> Option<&Arc<CachedKey>> {
        #[cfg(test)]
        self.looks.look();
        self.entries.get(slot)?.as_ref()
    }

    /// A slot that holds a secret of this key id.
    pub(super) fn find(&self, key_id: &str) -> Option<usize> {
        let hash = self.hashing.hash_one(key_id);
        let table = self.by_key_id.get(table_of(hash, self.by_key_id.len()))?;
        table.find(hash, |slot| holds(&self.entries, *slot, key_id)).map(|slot| *slot as usize)
    }

    /// A free slot for one more entry. If all were taken, also the entry that was evicted.
    pub(super) fn vacate(&mut self) -> (usize, Option<Arc<CachedKey>>) {
        if let Some(slot) = self.vacant.pop() {
            return (slot, None);
        }
        if self.entries.len() < self.capacity {
            let slot = self.entries.len();
            self.entries.push(None);
            if let Some(siblings) = &mut self.siblings {
                siblings.push(Siblings { previous: slot, next: slot });
            }
            return (slot, None);
        }
        let slot = self.next_to_evict();
        (slot, self.leave(slot))
    }

    /// Adds an empty slot to the index under this key id.
    pub(super) fn enter(&mut self, slot: usize, key_id: &str) {
        let sibling = if self.siblings.is_some() { self.find(key_id) } else { None };
        if let Some(sibling) = sibling {
            let next = self.siblings_of(sibling).next;
            self.join(sibling, slot);
            self.join(slot, next);
            return;
        }
        self.join(slot, slot);
        let Self { entries, by_key_id, hashing, .. } = self;
        let hash_of = |slot: &u32| {
            let held = entries.get(*slot as usize).and_then(Option::as_ref);
            hashing.hash_one(held.map_or(key_id, |held| held.verification.key_id()))
        };
        let hash = hashing.hash_one(key_id);
        if let Some(table) = by_key_id.get_mut(table_of(hash, by_key_id.len())) {
            table.insert_unique(hash, number_of(slot), hash_of);
        }
    }

    /// Puts an entry into a slot that is in the index under the key id of this answer. Returns the entry that
    /// was there.
    pub(super) fn hold(&mut self, slot: usize, answer: Arc<CachedKey>) -> Option<Arc<CachedKey>> {
        answer.usage.set_slot(slot);
        self.entries.get_mut(slot)?.replace(answer)
    }

    /// Takes the entry out of its slot and out of the index. Then the slot is vacant.
    pub(super) fn free(&mut self, slot: usize) -> Option<Arc<CachedKey>> {
        let gone = self.leave(slot)?;
        self.vacant.push(slot);
        Some(gone)
    }

    /// Takes the entry out of its slot and out of the index.
    fn leave(&mut self, slot: usize) -> Option<Arc<CachedKey>> {
        let Siblings { previous, next } = self.siblings_of(slot);
        let Self { entries, by_key_id, hashing, .. } = self;
        let key_id = entries.get(slot)?.as_ref()?.verification.key_id();
        let hash = hashing.hash_one(key_id);
        // Of siblings, only one is in the table.
        let table = by_key_id.get_mut(table_of(hash, by_key_id.len()));
        if let Some(Ok(mut entry)) = table.map(|table| table.find_entry(hash, |held| *held as usize == slot))
        {
            if next == slot {
                entry.remove();
            } else {
                *entry.get_mut() = number_of(next);
            }
        }
        self.join(previous, next);
        self.entries.get_mut(slot)?.take()
    }

    fn siblings_of(&self, slot: usize) -> Siblings {
        let siblings = self.siblings.as_ref().and_then(|siblings| siblings.get(slot));
        siblings.copied().unwrap_or(Siblings { previous: slot, next: slot })
    }

    /// Makes two slots neighbours in a ring.
    fn join(&mut self, one: usize, other: usize) {
        if let Some(siblings) = &mut self.siblings {
            if let Some(one) = siblings.get_mut(one) {
                one.next = other;
            }
            if let Some(other) = siblings.get_mut(other) {
                other.previous = one;
            }
        }
    }

    /// The slot whose entry is evicted, if all are taken.
    fn next_to_evict(&mut self) -> usize {
        let mut looked_at = 0;
        loop {
            let slot = self.hand;
            self.hand = if slot + 1 < self.entries.len() { slot + 1 } else { 0 };
            looked_at += 1;
            let spared = self.at(slot).is_some_and(|answer| answer.usage.was_used());
            if !spared || looked_at > MOST_LOOKED_AT {
                return slot;
            }
        }
    }

    /// How many entries have a slot, and how many are found by their key ids.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> [usize; 2] {
        let ring = |first: usize| {
            let next = |slot: &usize| Some(self.siblings_of(*slot).next).filter(|next| *next != first);
            std::iter::successors(Some(first), next).count()
        };
        let indexed = self.by_key_id.iter().flatten().map(|slot| ring(*slot as usize)).sum();
        [self.entries.iter().flatten().count(), indexed]
    }

    /// How many key ids the largest table of the index has.
    #[cfg(test)]
    pub(super) fn largest_table(&self) -> usize {
        self.by_key_id.iter().map(HashTable::len).max().unwrap_or_default()
    }
}

/// The table of a hash. A table itself uses the lowest and the highest bits of the hash, so this uses bits between.
fn table_of(hash: u64, tables: usize) -> usize {
    let bits = (hash >> 16) & u64::from(u32::MAX);
    ((bits * tables as u64) >> 32) as usize
}

/// A slot as the index keeps it. There are never more slots.
fn number_of(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}

fn holds(entries: &[Option<Arc<CachedKey>>], slot: u32, key_id: &str) -> bool {
    let held = entries.get(slot as usize).and_then(Option::as_ref);
    held.is_some_and(|held| held.verification.key_id() == key_id)
}
