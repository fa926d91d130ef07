//! The cache of positive answers: bounded in entries, and the index that finds the secret of a key id.
//!
//! Look-ups take no lock and write nothing that two threads share. Changes come one at a time, and keep three things in
//! step: the map, the places (which bound it), and the index.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

use super::answer::Answer;
use super::usage::{Spreading, hand_out};
use crate::key::{Fingerprint, FingerprintHashing};

/// How many places are looked at for one that may go, before the next one goes all the same: changes wait for this.
const MOST_LOOKED_AT: usize = 64;

/// What the engine needs of a cache: nothing else in the crate knows which one it is.
pub(super) struct Cache {
    entries: papaya::HashMap<Fingerprint, Arc<Answer>, FingerprintHashing>,
    places: Mutex<Places>,
    /// How many places are taken.
    length: AtomicUsize,
    capacity: usize,
    spreading: Spreading,
}

/// A place for each entry of the map, and for nothing else. What goes where there is none left is decided by the clock
/// algorithm: a hand goes round, spares the entries that were used since it came by last, and takes the first other one.
struct Places {
    taken: Vec<Option<Place>>,
    vacant: Vec<usize>,
    hand: usize,
    /// Finds the place of a key id; there is at most one, for a key id has one secret.
    by_key_id: HashTable<usize>,
    hashing: RandomState,
}

struct Place {
    key: Fingerprint,
    answer: Arc<Answer>,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        let places = Places {
            taken: Vec::new(),
            vacant: Vec::new(),
            hand: 0,
            by_key_id: HashTable::new(),
            hashing: RandomState::new(),
        };
        Self {
            entries: papaya::HashMap::with_hasher(FingerprintHashing::default()),
            places: Mutex::new(places),
            length: AtomicUsize::new(0),
            capacity,
            spreading: Spreading::over_the_processors(),
        }
    }

    /// The answer of this key, if it is wanted.
    pub(super) fn answer(
        &self,
        key: &Fingerprint,
        is_wanted: impl FnOnce(&Answer) -> bool,
    ) -> Option<Arc<Answer>> {
        let entries = self.entries.pin();
        let answer = entries.get(key).filter(|answer| is_wanted(answer))?;
        Some(hand_out(answer, &self.spreading))
    }

    /// Keeps an answer. A secret that this key id had before is forgotten: keys are rotated without a grace.
    pub(super) fn store(&self, key: Fingerprint, answer: Arc<Answer>) {
        let mut places = self.places();
        let key_id = answer.verification.key_id();
        // A secret that came under another key id before leaves the place that it had there.
        if self.entries.pin().get(&key).is_some_and(|known| known.verification.key_id() != key_id) {
            self.take_out(&mut places, &key);
        }
        let place = match places.find(key_id) {
            Some(place) => place,
            None => {
                let place = self.vacate(&mut places);
                places.enter(place, key_id);
                place
            }
        };
        let new = Place { key, answer: Arc::clone(&answer) };
        if let Some(older) = places.taken.get_mut(place).and_then(|slot| slot.replace(new))
            && older.key != key
        {
            self.entries.pin().remove(&older.key);
        }
        self.entries.pin().insert(key, answer);
        self.count(&places);
    }

    /// The answer that is kept for this key id, whatever its secret.
    pub(super) fn answer_for_id(&self, key_id: &str) -> Option<Arc<Answer>> {
        let places = self.places();
        places.at(places.find(key_id)?).map(|place| Arc::clone(&place.answer))
    }

    pub(super) fn remove(&self, key: &Fingerprint) {
        let mut places = self.places();
        self.take_out(&mut places, key);
        self.count(&places);
    }

    pub(super) fn remove_id(&self, key_id: &str) {
        let mut places = self.places();
        let key = places.find(key_id).and_then(|place| places.at(place)).map(|place| place.key);
        if let Some(key) = key {
            self.take_out(&mut places, &key);
            self.count(&places);
        }
    }

    /// Looks at every entry, so it takes time in proportion to the size of the cache.
    pub(super) fn remove_where(&self, matches: impl Fn(&Answer) -> bool) {
        let mut places = self.places();
        let goes = places.taken.iter().flatten().filter(|place| matches(&place.answer));
        let keys: Vec<Fingerprint> = goes.map(|place| place.key).collect();
        for key in &keys {
            self.take_out(&mut places, key);
        }
        self.count(&places);
    }

    pub(super) fn clear(&self) {
        let mut places = self.places();
        self.entries.pin().clear();
        places.taken.clear();
        places.vacant.clear();
        places.by_key_id.clear();
        places.hand = 0;
        self.count(&places);
    }

    pub(super) fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    /// The sizes of the three things that are kept in step.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> [usize; 3] {
        let places = self.places();
        [self.entries.len(), places.taken.iter().flatten().count(), places.by_key_id.len()]
    }

    fn take_out(&self, places: &mut Places, key: &Fingerprint) {
        let entries = self.entries.pin();
        let Some(answer) = entries.remove(key) else { return };
        if let Some(place) = places.leave(answer.verification.key_id()) {
            places.vacant.push(place);
        }
    }

    /// A place for one more entry, whose former holder is gone.
    fn vacate(&self, places: &mut Places) -> usize {
        if let Some(place) = places.vacant.pop() {
            return place;
        }
        if places.taken.len() < self.capacity {
            places.taken.push(None);
            return places.taken.len() - 1;
        }
        let place = places.next_to_go();
        if let Some(gone) = places.at(place) {
            let (key, answer) = (gone.key, Arc::clone(&gone.answer));
            places.leave(answer.verification.key_id());
            self.entries.pin().remove(&key);
        }
        place
    }

    fn count(&self, places: &Places) {
        self.length.store(places.by_key_id.len(), Ordering::Relaxed);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn at(&self, place: usize) -> Option<&Place> {
        self.taken.get(place)?.as_ref()
    }

    fn find(&self, key_id: &str) -> Option<usize> {
        let hash = self.hashing.hash_one(key_id);
        self.by_key_id.find(hash, |place| holds(&self.taken, *place, key_id)).copied()
    }

    fn enter(&mut self, place: usize, key_id: &str) {
        let Self { taken, by_key_id, hashing, .. } = self;
        let hash_of = |place: &usize| {
            let held = taken.get(*place).and_then(Option::as_ref);
            hashing.hash_one(held.map_or(key_id, |held| held.answer.verification.key_id()))
        };
        by_key_id.insert_unique(hashing.hash_one(key_id), place, hash_of);
    }

    /// Takes the holder out of the index and its place, which is vacant then.
    fn leave(&mut self, key_id: &str) -> Option<usize> {
        let hash = self.hashing.hash_one(key_id);
        let entry = self.by_key_id.find_entry(hash, |place| holds(&self.taken, *place, key_id)).ok()?;
        let (place, _) = entry.remove();
        *self.taken.get_mut(place)? = None;
        Some(place)
    }

    /// The place whose holder goes for a newcomer, where all are taken.
    fn next_to_go(&mut self) -> usize {
        let mut looked_at = 0;
        loop {
            let place = self.hand;
            self.hand = if place + 1 < self.taken.len() { place + 1 } else { 0 };
            looked_at += 1;
            let spared = self.at(place).is_some_and(|place| place.answer.usage.was_used());
            if !spared || looked_at > MOST_LOOKED_AT {
                return place;
            }
        }
    }
}

fn holds(taken: &[Option<Place>], place: usize, key_id: &str) -> bool {
    let held = taken.get(place).and_then(Option::as_ref);
    held.is_some_and(|held| held.answer.verification.key_id() == key_id)
}
