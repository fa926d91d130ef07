//! The cache of answers about accepted keys. Its size is bounded, and it finds an answer by secret and by key
//! id.
//!
//! Look-ups take no lock, and write nothing that two threads share. Changes come one at a time. They keep three
//! things in step: the map, the slots (which bound it), and the index by key id (which is part of the slots).
//!
//! A thread that changes one entry may hold the lock of the flights, which every key without a fresh answer
//! needs. So a change of many entries handles at most [`MOST_HELD`] of them under the cache's lock. Then it
//! passes the lock on to a thread that waits, frees what it took out, and goes on.

mod slots;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::cached_key::{CachedKey, Freshness};
use super::usage::Spreading;
use crate::key::{Fingerprint, FingerprintHashing};
use slots::Slots;

/// How many entries a change handles under one lock. Changes of other entries wait meanwhile.
const MOST_HELD: usize = 256;

/// The answers by the lower half of their keys' fingerprints. The other half is in the answer, so that an entry of the
/// map is small. If two keys had the same lower half, the later one would replace the earlier one. For a million keys
/// the chance that any two do is 1 in 37 million.
type Entries = papaya::HashMap<u64, Arc<CachedKey>, FingerprintHashing>;

/// What the engine needs of a cache. Nothing else in the crate knows which map is behind it.
pub(super) struct Cache {
    entries: Entries,
    slots: Mutex<Slots>,
    /// How many slots are taken.
    length: AtomicUsize,
    /// How many entries made room for others although they were fresh.
    evictions: AtomicU64,
    one_secret_per_key_id: bool,
    spreading: Spreading,
}

/// What a walk does with an entry.
enum Change {
    Keep,
    Remove,
    Replace(Arc<CachedKey>),
}

impl Cache {
    pub(super) fn new(capacity: usize, one_secret_per_key_id: bool) -> Self {
        Self {
            entries: papaya::HashMap::with_hasher(FingerprintHashing::default()),
            slots: Mutex::new(Slots::new(capacity, one_secret_per_key_id)),
            length: AtomicUsize::new(0),
            evictions: AtomicU64::new(0),
            one_secret_per_key_id,
            spreading: Spreading::over_the_processors(),
        }
    }

    /// The answer about this key, if `is_wanted` wants it.
    pub(super) fn answer(
        &self,
        key: &Fingerprint,
        is_wanted: impl FnOnce(&CachedKey) -> bool,
    ) -> Option<Arc<CachedKey>> {
        let entries = self.entries.pin();
        let answer = entries.get(&key.lower())?;
        (answer.has_upper_half_of(*key) && is_wanted(answer)).then(|| answer.hand_out(&self.spreading))
    }

    /// Keeps an answer. If a key id has one secret, an older secret of it is forgotten: it was rotated without
    /// a grace period. Returns whether that happened.
    pub(super) fn store(&self, answer: Arc<CachedKey>) -> bool {
        let entries = self.entries.pin();
        let mut slots = self.slots();
        let (key, key_id) = (answer.fingerprint(), answer.verification.key_id());
        let known = entries
            .get(&key.lower())
            .map(|known| (known.usage.slot(), known.verification.key_id() == key_id));
        let held = match known {
            Some((slot, true)) => Some(slot),
            other => {
                if let Some((slot, _)) = other {
                    // The secret had another key id before. It leaves the slot that it had under that id.
                    slots.free(slot);
                }
                self.one_secret_per_key_id.then(|| slots.find(key_id)).flatten()
            }
        };
        let slot = held.unwrap_or_else(|| {
            let (slot, gone) = slots.vacate();
            if let Some(gone) = gone {
                // An expired answer only waited for somebody to need its room.
                if gone.freshness(answer.asked_at()) == Freshness::Fresh {
                    self.evictions.fetch_add(1, Ordering::Relaxed);
                }
                entries.remove(&gone.fingerprint().lower());
            }
            slots.enter(slot, key_id);
            slot
        });
        let older = self.put(&mut slots, slot, answer).map(|older| older.fingerprint().lower());
        let is_rotation = older.is_some_and(|older| older != key.lower());
        if let Some(older) = older.filter(|_| is_rotation) {
            entries.remove(&older);
        }
        self.count(&slots);
        is_rotation
    }

    pub(super) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// The answer about this key id, whatever its secret. `None` if a key id may have several secrets, because
    /// then none of them says anything about another.
    pub(super) fn answer_for_id(&self, key_id: &str) -> Option<Arc<CachedKey>> {
        if !self.one_secret_per_key_id {
            return None;
        }
        let slots = self.slots();
        slots.at(slots.find(key_id)?).cloned()
    }

    /// The answers that are kept for the secrets of this key id. If a key id may have several secrets, it looks at every entry.
    pub(super) fn answers_for_id(&self, key_id: &str) -> Vec<Arc<CachedKey>> {
        if self.one_secret_per_key_id {
            return self.answer_for_id(key_id).into_iter().collect();
        }
        let mut answers = Vec::new();
        self.walk(|answer| {
            if answer.verification.key_id() == key_id {
                answers.push(Arc::clone(answer));
            }
            Change::Keep
        });
        answers
    }

    /// Forgets this key. Returns how many answers it forgot.
    pub(super) fn remove(&self, key: &Fingerprint) -> usize {
        let entries = self.entries.pin();
        let mut slots = self.slots();
        let known = entries.get(&key.lower()).filter(|known| known.has_upper_half_of(*key));
        let gone = known.and_then(|known| self.take_out(&mut slots, known.usage.slot()));
        self.count(&slots);
        drop(slots);
        usize::from(gone.is_some())
    }

    /// Forgets all secrets of this key id. Returns how many answers it forgot.
    pub(super) fn remove_id(&self, key_id: &str) -> usize {
        let (mut gone, mut removed) = (Vec::new(), 0);
        loop {
            let entries = self.entries.pin();
            let mut slots = self.slots();
            while gone.len() < MOST_HELD {
                let Some(slot) = slots.find(key_id) else { break };
                gone.extend(self.take_out(&mut slots, slot));
            }
            self.count(&slots);
            MutexGuard::unlock_fair(slots);
            drop(entries);
            removed += gone.len();
            if gone.len() < MOST_HELD {
                return removed;
            }
            gone.clear();
        }
    }

    /// Looks at every entry. It takes time in proportion to the size of the cache. Meanwhile other threads can read and
    /// change the cache. Returns how many answers it forgot.
    pub(super) fn remove_where(&self, matches: impl Fn(&CachedKey) -> bool) -> usize {
        self.walk(|answer| if matches(answer) { Change::Remove } else { Change::Keep })
    }

    /// Forgets everything. Returns how many answers it forgot.
    pub(super) fn clear(&self) -> usize {
        self.walk(|_| Change::Remove)
    }

    /// Corrects the answers after the machine slept for this long, because their ages don't count sleep. No answer
    /// stays fresh, and each may serve as stale for that much less time.
    pub(super) fn make_all_stale(&self, slept: Duration) {
        self.walk(|answer| Change::Replace(Arc::new(answer.slept(slept))));
    }

    /// The answer about this key may no longer serve as stale, because Kinde could not judge the key.
    pub(super) fn end_extension(&self, key: &Fingerprint) {
        let entries = self.entries.pin();
        let mut slots = self.slots();
        let known = entries.get(&key.lower()).filter(|known| known.has_upper_half_of(*key));
        let Some(answer) = known else { return };
        if let Some(shorter) = answer.without_extension() {
            let _older = self.put(&mut slots, answer.usage.slot(), Arc::new(shorter));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    /// Goes through the slots that are taken when it begins, a few at a time. Entries don't move, so it visits each of
    /// them that is still there. It may miss entries that are stored meanwhile. Returns how many it removed or
    /// replaced.
    fn walk(&self, mut change: impl FnMut(&Arc<CachedKey>) -> Change) -> usize {
        let mut gone = Vec::with_capacity(MOST_HELD);
        let (mut next, mut changed) = (0, 0);
        loop {
            // Dropping `entries` frees what the map held, and clearing `gone` frees what the slots held. Both
            // come after the lock.
            let entries = self.entries.pin();
            let mut slots = self.slots();
            let end = slots.len();
            for slot in next..end.min(next + MOST_HELD) {
                let Some(held) = slots.at(slot) else { continue };
                match change(held) {
                    Change::Keep => {}
                    Change::Remove => gone.extend(self.take_out(&mut slots, slot)),
                    Change::Replace(answer) => gone.extend(self.put(&mut slots, slot, answer)),
                }
            }
            self.count(&slots);
            // A thread that waits gets the lock next. After an ordinary unlock, this thread would often get it
            // again.
            MutexGuard::unlock_fair(slots);
            drop(entries);
            changed += gone.len();
            gone.clear();
            next += MOST_HELD;
            if next >= end {
                return changed;
            }
        }
    }

    /// Puts an entry into a slot that is in the index. Returns the entry that was there.
    fn put(&self, slots: &mut Slots, slot: usize, answer: Arc<CachedKey>) -> Option<Arc<CachedKey>> {
        let older = slots.hold(slot, Arc::clone(&answer));
        self.entries.pin().insert(answer.fingerprint().lower(), answer);
        older
    }

    /// Takes the entry out of its slot and out of the map.
    fn take_out(&self, slots: &mut Slots, slot: usize) -> Option<Arc<CachedKey>> {
        let gone = slots.free(slot)?;
        self.entries.pin().remove(&gone.fingerprint().lower());
        Some(gone)
    }

    /// Publishes how many slots are taken.
    fn count(&self, slots: &Slots) {
        self.length.store(slots.taken(), Ordering::Relaxed);
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        let slots = self.slots.lock();
        #[cfg(test)]
        slots.looks.begin();
        slots
    }
}

#[cfg(test)]
mod tests;
