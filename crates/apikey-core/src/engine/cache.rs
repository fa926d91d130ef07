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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::key::Fingerprinter;
    use crate::verification::Verification;
    use proptest::prelude::*;

    const SECRETS: usize = 8;
    const KEY_IDS: usize = 6;

    /// An answer that its number tells from all others, copies included.
    fn answer(key_id: &str, number: u64) -> Arc<Answer> {
        let verification = Verification::active(key_id).with_verification_count(number);
        Arc::new(Answer::new(verification, Instant::now(), 0, Duration::from_secs(300), Duration::ZERO))
    }

    fn number(answer: &Answer) -> u64 {
        answer.verification.verification_count().unwrap()
    }

    impl Cache {
        /// The number of the answer that is kept for this secret, without using it.
        fn look(&self, key: &Fingerprint) -> Option<u64> {
            let mut seen = None;
            let unwanted = self.answer(key, |answer| {
                seen = Some(number(answer));
                false
            });
            assert!(unwanted.is_none());
            seen
        }
    }

    #[derive(Debug, Clone)]
    enum Deed {
        Store {
            secret: usize,
            key_id: usize,
        },
        Use(usize),
        Remove(usize),
        RemoveId(usize),
        /// Forgets the answers with an even or an odd number.
        RemoveHalf(u64),
        Clear,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            8 => (0..SECRETS, 0..KEY_IDS).prop_map(|(secret, key_id)| Deed::Store { secret, key_id }),
            8 => (0..SECRETS).prop_map(Deed::Use),
            2 => (0..SECRETS).prop_map(Deed::Remove),
            2 => (0..KEY_IDS).prop_map(Deed::RemoveId),
            1 => (0..2_u64).prop_map(Deed::RemoveHalf),
            1 => Just(Deed::Clear),
        ]
    }

    #[derive(Debug)]
    struct Known {
        secret: usize,
        key_id: usize,
        number: u64,
        /// Whether it was used since something had to go; what was used before that, the hand may have passed or not.
        used: Option<bool>,
    }

    proptest! {
        /// The cache holds what a plain list holds, and lets go of something only for want of a place: of nothing in use
        /// while there is something that is not.
        #[test]
        fn only_a_newcomer_to_a_full_cache_drives_out_one_and_none_in_use(
            capacity in 1..6_usize,
            deeds in prop::collection::vec(deed(), 0..80),
        ) {
            let fingerprinter = Fingerprinter::random().unwrap();
            let keys: Vec<_> = (0..SECRETS).map(|secret| fingerprinter.fingerprint(&[secret as u8])).collect();
            let key_ids: Vec<_> = (0..KEY_IDS).map(|key_id| format!("id{key_id}")).collect();
            let cache = Cache::new(capacity);
            let mut list: Vec<Known> = Vec::new();
            for (serial, deed) in deeds.into_iter().enumerate() {
                match deed {
                    Deed::Store { secret, key_id } => {
                        let serial = serial as u64;
                        cache.store(keys[secret], answer(&key_ids[key_id], serial));
                        list.retain(|known| known.secret != secret && known.key_id != key_id);
                        if list.len() == capacity {
                            let gone = list.iter().position(|known| cache.look(&keys[known.secret]).is_none());
                            let gone = list.swap_remove(gone.expect("nobody made room"));
                            let spares = list.iter().any(|known| known.used == Some(false));
                            prop_assert!(!(spares && gone.used == Some(true)), "{gone:?} was in use: {list:?}");
                            for known in list.iter_mut().filter(|known| known.used == Some(true)) {
                                known.used = None;
                            }
                        }
                        list.push(Known { secret, key_id, number: serial, used: Some(false) });
                    }
                    Deed::Use(secret) => {
                        let known = list.iter_mut().find(|known| known.secret == secret);
                        let expected = known.map(|known| {
                            known.used = Some(true);
                            known.number
                        });
                        let used = cache.answer(&keys[secret], |_| true);
                        prop_assert_eq!(used.map(|answer| number(&answer)), expected);
                    }
                    Deed::Remove(secret) => {
                        cache.remove(&keys[secret]);
                        list.retain(|known| known.secret != secret);
                    }
                    Deed::RemoveId(key_id) => {
                        cache.remove_id(&key_ids[key_id]);
                        list.retain(|known| known.key_id != key_id);
                    }
                    Deed::RemoveHalf(half) => {
                        cache.remove_where(|answer| number(answer) % 2 == half);
                        list.retain(|known| known.number % 2 != half);
                    }
                    Deed::Clear => {
                        cache.clear();
                        list.clear();
                    }
                }
                for (secret, key) in keys.iter().enumerate() {
                    let known = list.iter().find(|known| known.secret == secret);
                    prop_assert_eq!(cache.look(key), known.map(|known| known.number));
                }
                for (id, key_id) in key_ids.iter().enumerate() {
                    let known = list.iter().find(|known| known.key_id == id);
                    let found = cache.answer_for_id(key_id).map(|answer| number(&answer));
                    prop_assert_eq!(found, known.map(|known| known.number));
                }
                prop_assert_eq!((cache.len(), cache.sizes()), (list.len(), [list.len(); 3]));
            }
        }
    }

    #[test]
    fn a_newcomer_waits_for_no_more_looks_than_are_allowed() {
        let (cache, fingerprinter) = (Cache::new(1000), Fingerprinter::random().unwrap());
        let enter = |name: &str| {
            let key = fingerprinter.fingerprint(name.as_bytes());
            cache.store(key, answer(name, 0));
            key
        };
        let keys: Vec<_> = (0..1000).map(|number| enter(&format!("id{number}"))).collect();
        assert!(keys.iter().all(|key| cache.answer(key, |_| true).is_some()));
        enter("newcomer");
        let gone: Vec<_> = (0..1000).filter(|number| cache.look(&keys[*number]).is_none()).collect();
        assert_eq!(gone, [MOST_LOOKED_AT], "so many are spared, and the next one goes");
    }

    #[test]
    fn who_comes_alone_gets_the_answer_itself_and_a_crowd_gets_copies() {
        let (mut cache, fingerprinter) = (Cache::new(10), Fingerprinter::random().unwrap());
        cache.spreading = Spreading::over(2);
        let (key, kept) = (fingerprinter.fingerprint(b"k1"), answer("id1", 1));
        let kept_at = Arc::as_ptr(&kept);
        cache.store(key, kept);
        let is_itself = |answer: &Arc<Answer>| Arc::as_ptr(answer) == kept_at;
        for _ in 0..1000 {
            assert!(is_itself(&cache.answer(&key, |_| true).unwrap()));
        }
        let crowd: Vec<_> = (0..1000).map(|_| cache.answer(&key, |_| true).unwrap()).collect();
        assert!(is_itself(&crowd[0]) && !is_itself(&crowd[999]));
        assert!(crowd.iter().all(|answer| number(answer) == 1));
    }
}
