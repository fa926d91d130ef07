//! The cache of positive answers: bounded in entries, and the index that finds the secret of a key id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache as Bounded;
use quick_cache::{Lifecycle, UnitWeighter};

use super::answer::Answer;
use crate::key::{Fingerprint, FingerprintHashing};

type Index = HashMap<Fingerprint, Fingerprint, FingerprintHashing>;

/// What the engine needs of a cache: nothing else in the crate knows which one it is.
pub(super) struct Cache {
    entries: Bounded<Fingerprint, Entry, UnitWeighter, FingerprintHashing, Evicted>,
    /// From the fingerprint of a key id to that of its secret, for each entry, and for nothing else.
    index: Mutex<Index>,
}

#[derive(Clone)]
struct Entry {
    answer: Arc<Answer>,
    key_id: Fingerprint,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        let hashing = FingerprintHashing::default();
        let entries = Bounded::with(capacity, capacity as u64, UnitWeighter, hashing, Evicted);
        Self { entries, index: Mutex::default() }
    }

    pub(super) fn answer(&self, key: &Fingerprint) -> Option<Arc<Answer>> {
        self.entries.get(key).map(|entry| entry.answer)
    }

    /// Keeps an answer. A secret that this key id had before is forgotten: keys are rotated without a grace.
    pub(super) fn store(&self, key: Fingerprint, key_id: Fingerprint, answer: Arc<Answer>) {
        let mut index = self.index();
        if let Some(older) = index.insert(key_id, key).filter(|older| *older != key) {
            self.entries.remove(&older);
        }
        let mut evicted = Vec::new();
        self.entries.insert_with_lifecycle(key, Entry { answer, key_id }, &mut evicted);
        for (key, key_id) in evicted {
            // An entry that was replaced is reported, too.
            if !self.entries.contains_key(&key) {
                forget(&mut index, key_id, key);
            }
        }
    }

    /// The answer that is kept for this key id, whatever its secret.
    pub(super) fn answer_for_id(&self, key_id: &Fingerprint) -> Option<Arc<Answer>> {
        let key = self.index().get(key_id).copied()?;
        self.entries.peek(&key).map(|entry| entry.answer)
    }

    pub(super) fn remove(&self, key: &Fingerprint) {
        let mut index = self.index();
        if let Some((_, entry)) = self.entries.remove(key) {
            forget(&mut index, entry.key_id, *key);
        }
    }

    pub(super) fn remove_id(&self, key_id: &Fingerprint) {
        if let Some(key) = self.index().remove(key_id) {
            self.entries.remove(&key);
        }
    }

    /// Looks at every entry, so it takes time in proportion to the size of the cache.
    pub(super) fn remove_where(&self, matches: impl Fn(&Answer) -> bool) {
        let mut index = self.index();
        let removed = Mutex::new(Vec::new());
        self.entries.retain(|key, entry| {
            let goes = matches(&entry.answer);
            if goes {
                removed.lock().unwrap_or_else(PoisonError::into_inner).push((*key, entry.key_id));
            }
            !goes
        });
        for (key, key_id) in removed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            forget(&mut index, key_id, key);
        }
    }

    pub(super) fn clear(&self) {
        let mut index = self.index();
        index.clear();
        self.entries.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(super) fn indexed(&self) -> usize {
        self.index().len()
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget(index: &mut Index, key_id: Fingerprint, key: Fingerprint) {
    if index.get(&key_id) == Some(&key) {
        index.remove(&key_id);
    }
}

/// Tells an insertion which entries went for it.
#[derive(Clone)]
struct Evicted;

impl Lifecycle<Fingerprint, Entry> for Evicted {
    type RequestState = Vec<(Fingerprint, Fingerprint)>;

    fn on_evict(&self, evicted: &mut Self::RequestState, key: Fingerprint, entry: Entry) {
        evicted.push((key, entry.key_id));
    }
}
