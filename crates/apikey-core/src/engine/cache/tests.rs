use std::cell::Cell;
use std::time::{Duration, Instant};

use super::slots::MOST_LOOKED_AT;
use super::*;
use crate::engine::Freshness;
use crate::engine::cached_key::Lifetime;
use crate::verification::Verification;
use proptest::prelude::*;

const SECRETS: usize = 8;
const KEY_IDS: usize = 6;

const TTL: Duration = Duration::from_secs(300);
const STALE: Duration = Duration::from_secs(600);
const SLEEP: Duration = Duration::from_secs(200);

/// Counts how many slots are looked at under one lock.
#[derive(Default)]
pub(super) struct Looks {
    now: Cell<usize>,
    most: Cell<usize>,
}

impl Looks {
    pub(super) fn begin(&self) {
        self.now.set(0);
    }

    pub(super) fn look(&self) {
        self.now.set(self.now.get() + 1);
        self.most.set(self.most.get().max(self.now.get()));
    }
}

/// An answer with a number of its own, which its copies share. Its time to live has no jitter.
fn answer(key: Fingerprint, key_id: &str, number: u64) -> Arc<CachedKey> {
    let verification = Verification::active(key_id).with_verification_count(number);
    let now = Instant::now();
    let lifetime = Lifetime { beginning: now, time_to_live: TTL, stale_if_error: STALE, spread: None };
    Arc::new(CachedKey::new(key, verification, now, None, &lifetime))
}

/// The fingerprint of this secret.
fn key(secret: usize) -> Fingerprint {
    let secret = secret as u64 + 1;
    // The upper half decides the jitter, and here it means none.
    Fingerprint::of_halves(secret.wrapping_mul(0x9e37_79b9_7f4a_7c15), secret << 32)
}

fn number(answer: &CachedKey) -> u64 {
    answer.verification.verification_count().unwrap()
}

impl Cache {
    /// Looks at the answer about this secret, without using it.
    fn look<T>(&self, key: &Fingerprint, look: impl FnOnce(&CachedKey) -> T) -> Option<T> {
        let mut seen = None;
        let unwanted = self.answer(key, |answer| {
            seen = Some(look(answer));
            false
        });
        assert!(unwanted.is_none());
        seen
    }

    /// The sizes of the three things that are kept in step.
    pub(in crate::engine) fn sizes(&self) -> [usize; 3] {
        let [taken, indexed] = self.slots().sizes();
        [self.entries.len(), taken, indexed]
    }

    /// Does something while no entry can be changed.
    pub(in crate::engine) fn while_changes_wait<T>(&self, deed: impl FnOnce() -> T) -> T {
        let _slots = self.slots();
        deed()
    }

    /// How many slots were looked at under one lock, at most.
    fn most_held(&self) -> usize {
        self.slots().looks.most.get()
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
    /// Forgets the answers whose number is even, or odd.
    RemoveHalf(u64),
    Clear,
    Sleep,
    EndExtension(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (0..SECRETS, 0..KEY_IDS).prop_map(|(secret, key_id)| Deed::Store { secret, key_id }),
        8 => (0..SECRETS).prop_map(Deed::Use),
        2 => (0..SECRETS).prop_map(Deed::Remove),
        2 => (0..KEY_IDS).prop_map(Deed::RemoveId),
        1 => (0..2_u64).prop_map(Deed::RemoveHalf),
        1 => Just(Deed::Clear),
        1 => Just(Deed::Sleep),
        2 => (0..SECRETS).prop_map(Deed::EndExtension),
    ]
}

#[derive(Debug)]
struct Known {
    secret: usize,
    key_id: usize,
    number: u64,
    /// Whether it was used since the latest eviction. If it was used before that, the hand may have passed it
    /// or not.
    used: Option<bool>,
    fresh_for: Duration,
    serves_for: Duration,
}

proptest! {
    /// The cache holds what a plain list holds. It evicts an entry only if it is full, and none in use while
    /// another one is not.
    #[test]
    fn a_full_cache_evicts_one_entry_for_a_new_one_and_none_in_use(
        capacity in 1..6_usize,
        one_secret_per_key_id: bool,
        deeds in prop::collection::vec(deed(), 0..80),
    ) {
        let keys: Vec<_> = (0..SECRETS).map(key).collect();
        let key_ids: Vec<_> = (0..KEY_IDS).map(|key_id| format!("id{key_id}")).collect();
        let cache = Cache::new(capacity, one_secret_per_key_id);
        let mut list: Vec<Known> = Vec::new();
        for (serial, deed) in deeds.into_iter().enumerate() {
            match deed {
                Deed::Store { secret, key_id } => {
                    let serial = serial as u64;
                    cache.store(answer(keys[secret], &key_ids[key_id], serial));
                    list.retain(|known| {
                        known.secret != secret && !(one_secret_per_key_id && known.key_id == key_id)
                    });
                    if list.len() == capacity {
                        let gone = list.iter().position(|known| cache.look(&keys[known.secret], |_| ()).is_none());
                        let gone = list.swap_remove(gone.expect("nobody made room"));
                        let spares = list.iter().any(|known| known.used == Some(false));
                        prop_assert!(!(spares && gone.used == Some(true)), "{gone:?} was in use: {list:?}");
                        for known in list.iter_mut().filter(|known| known.used == Some(true)) {
                            known.used = None;
                        }
                    }
                    list.push(Known {
                        secret,
                        key_id,
                        number: serial,
                        used: Some(false),
                        fresh_for: TTL,
                        serves_for: TTL + STALE,
                    });
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
                Deed::Sleep => {
                    cache.make_all_stale(SLEEP);
                    for known in &mut list {
                        // It serves until it is as old as before, and is older by the sleep.
                        if known.serves_for == known.fresh_for {
                            known.serves_for = Duration::ZERO;
                        }
                        known.fresh_for = Duration::ZERO;
                    }
                }
                Deed::EndExtension(secret) => {
                    cache.end_extension(&keys[secret]);
                    for known in list.iter_mut().filter(|known| known.secret == secret) {
                        known.serves_for = known.fresh_for;
                    }
                }
            }
            for (secret, key) in keys.iter().enumerate() {
                let known = list.iter().find(|known| known.secret == secret);
                let expected = known.map(|known| (known.number, [known.fresh_for, known.serves_for]));
                prop_assert_eq!(cache.look(key, |answer| (number(answer), answer.times())), expected);
            }
            for (id, key_id) in key_ids.iter().enumerate() {
                let known = list.iter().find(|known| one_secret_per_key_id && known.key_id == id);
                let found = cache.answer_for_id(key_id).map(|answer| number(&answer));
                prop_assert_eq!(found, known.map(|known| known.number));
            }
            prop_assert_eq!((cache.len(), cache.sizes()), (list.len(), [list.len(); 3]));
        }
    }
}

#[test]
fn a_newcomer_waits_for_no_more_looks_than_are_allowed() {
    let cache = Cache::new(1000, true);
    let enter = |secret: usize| {
        cache.store(answer(key(secret), &format!("id{secret}"), 0));
        key(secret)
    };
    let keys: Vec<_> = (0..1000).map(enter).collect();
    assert!(keys.iter().all(|key| cache.answer(key, |_| true).is_some()));
    enter(1000);
    let gone: Vec<_> = (0..1000).filter(|number| cache.look(&keys[*number], |_| ()).is_none()).collect();
    assert_eq!(gone, [MOST_LOOKED_AT], "so many are spared, and the next one goes");
}

#[test]
fn a_request_alone_gets_the_answer_itself_and_many_get_copies() {
    let mut cache = Cache::new(10, true);
    cache.spreading = Spreading::over(2);
    let (key, kept) = (key(1), answer(key(1), "id1", 1));
    let kept_at = Arc::as_ptr(&kept);
    cache.store(kept);
    let is_itself = |answer: &Arc<CachedKey>| Arc::as_ptr(answer) == kept_at;
    for _ in 0..1000 {
        assert!(is_itself(&cache.answer(&key, |_| true).unwrap()));
    }
    let crowd: Vec<_> = (0..1000).map(|_| cache.answer(&key, |_| true).unwrap()).collect();
    assert!(is_itself(&crowd[0]) && !is_itself(&crowd[999]));
    assert!(crowd.iter().all(|answer| number(answer) == 1));
}

#[test]
fn a_key_with_half_a_fingerprint_in_common_is_not_let_in() {
    let cache = Cache::new(10, true);
    let (one, other) = (Fingerprint::of_halves(7, 1), Fingerprint::of_halves(7, 2));
    cache.store(answer(one, "id1", 1));
    assert!(cache.answer(&other, |_| true).is_none());
    cache.end_extension(&other);
    assert_eq!((cache.remove(&other), cache.look(&one, number)), (0, Some(1)));
    // The cache has one place for both.
    cache.store(answer(other, "id2", 2));
    assert_eq!((cache.look(&one, number), cache.look(&other, number)), (None, Some(2)));
    assert!(cache.answer_for_id("id1").is_none());
    assert_eq!((cache.len(), cache.sizes()), (1, [1; 3]));
    assert_eq!((cache.remove(&one), cache.remove(&other), cache.sizes()), (0, 1, [0; 3]));
}

/// A cache with this many entries, of this many key ids.
fn filled(entries: usize, key_ids: usize) -> (Cache, Vec<Fingerprint>) {
    let cache = Cache::new(entries, false);
    let keys: Vec<_> = (0..entries).map(key).collect();
    for (secret, key) in keys.iter().enumerate() {
        cache.store(answer(*key, &format!("id{}", secret % key_ids), secret as u64));
    }
    (cache, keys)
}

#[test]
fn no_change_of_all_holds_the_lock_for_too_many_entries() {
    const ENTRIES: usize = 10 * MOST_HELD + 1;
    let changes: [fn(&Cache) -> usize; 4] = [
        |cache| cache.remove_where(|answer| number(answer).is_multiple_of(2)),
        Cache::clear,
        |cache| {
            cache.make_all_stale(SLEEP);
            0
        },
        |cache| cache.remove_id("id0"),
    ];
    for (which, change) in changes.into_iter().enumerate() {
        let (cache, keys) = filled(ENTRIES, 1);
        let removed = change(&cache);
        assert!(cache.most_held() <= MOST_HELD, "{which}: {}", cache.most_held());
        let left = [ENTRIES / 2, 0, ENTRIES, 0][which];
        assert_eq!((cache.len(), cache.sizes()), (left, [left; 3]), "{which}");
        assert_eq!(removed, ENTRIES - left, "{which}");
        let is_fresh = |answer: &CachedKey| answer.freshness(answer.asked_at()) == Freshness::Fresh;
        let fresh = keys.iter().filter_map(|key| cache.look(key, is_fresh)).filter(|fresh| *fresh).count();
        assert_eq!(fresh, if which == 2 { 0 } else { left }, "{which}");
    }
}

/// A table that grows is entered anew as a whole, under the lock.
#[test]
fn no_table_of_the_index_is_large_however_many_key_ids() {
    let (cache, _) = filled(50_000, 50_000);
    assert_eq!(cache.sizes(), [50_000; 3]);
    assert!(cache.slots().largest_table() <= 1024, "{}", cache.slots().largest_table());
}

#[test]
fn many_secrets_of_one_key_id_are_found_and_forgotten_by_it() {
    let (cache, keys) = filled(1000, 4);
    assert_eq!(cache.sizes(), [1000; 3]);
    cache.remove(&keys[4]);
    cache.store(answer(keys[5], "id0", 5));
    cache.remove_id("id0");
    for (secret, key) in keys.iter().enumerate() {
        assert_eq!(cache.look(key, |_| ()).is_some(), secret % 4 != 0 && secret != 5, "{secret}");
    }
    cache.remove_id("nobody's");
    assert_eq!((cache.len(), cache.sizes()), (749, [749; 3]));
}

#[test]
fn a_key_that_lost_its_extension_serves_while_it_is_fresh() {
    let (cache, keys) = filled(2, 2);
    let before = Arc::downgrade(&cache.answer(&keys[0], |_| true).unwrap());
    cache.end_extension(&keys[0]);
    assert_eq!(cache.look(&keys[0], CachedKey::times), Some([TTL, TTL]));
    assert_eq!(cache.look(&keys[1], CachedKey::times), Some([TTL, TTL + STALE]));
    assert_eq!(cache.sizes(), [2; 3]);
    drop(before);
    cache.remove_id("id0");
    assert_eq!((cache.look(&keys[0], |_| ()), cache.sizes()), (None, [1; 3]));
}

/// A walk passes the lock on to each thread that waits for it, so changes go on beside the walk.
#[test]
fn entries_come_and_go_while_others_are_removed() {
    let (cache, keys) = filled(4 * MOST_HELD, 7);
    std::thread::scope(|scope| {
        for part in keys.chunks(MOST_HELD) {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..20 {
                    for (secret, key) in part.iter().enumerate() {
                        match (secret + round) % 3 {
                            0 => {
                                cache.remove(key);
                            }
                            1 => cache.end_extension(key),
                            _ => {
                                cache.store(answer(*key, &format!("id{}", secret % 5), round as u64));
                            }
                        }
                    }
                }
            });
        }
        for round in 0..20 {
            match round % 4 {
                0 => {
                    cache.remove_where(|answer| number(answer).is_multiple_of(2));
                }
                1 => cache.make_all_stale(SLEEP),
                2 => {
                    cache.remove_id("id1");
                }
                _ => {
                    cache.clear();
                }
            }
        }
    });
    assert_eq!(cache.sizes(), [cache.len(); 3]);
    for key in &keys {
        if let Some(shared) = cache.look(key, |answer| answer.usage.slot()) {
            assert_eq!(cache.slots().at(shared).map(|answer| answer.fingerprint()), Some(*key));
        }
    }
    cache.clear();
    assert_eq!((cache.len(), cache.sizes()), (0, [0; 3]));
}
