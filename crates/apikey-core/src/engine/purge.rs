//! What has been purged lately, so that no answer that was asked for before a purge is used after it.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use super::Engine;
use crate::key::{Fingerprint, FingerprintHashing};
use crate::verification::Verification;

/// How many purges are noted at most while one question is open; past it, everything counts as purged.
const MOST_NOTED: usize = 1_000_000;
/// How many noted purges are forgotten in one go, because every cold key waits meanwhile.
const MOST_FORGOTTEN: usize = 1024;
/// How many purges are noted under one lock.
const MOST_NOTED_AT_ONCE: usize = 256;

/// What a purge forgets. An absent owner never matches, because no text here is empty and absent at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purge {
    Everything,
    Key(Fingerprint),
    KeyId(Box<str>),
    User(Box<str>),
    Organization(Box<str>),
}

impl Purge {
    /// Whether it forgets this key. If Kinde refused the key and so told no identity, `verification` is `None`: then a purge
    /// by an identity may mean any key.
    pub(super) fn matches(&self, key: Fingerprint, verification: Option<&Verification>) -> bool {
        let is = |identity: fn(&Verification) -> Option<&str>, wanted: &str| {
            verification.is_none_or(|verification| identity(verification) == Some(wanted))
        };
        match self {
            Self::Everything => true,
            Self::Key(purged) => *purged == key,
            Self::KeyId(id) => is(|verification| Some(verification.key_id()), id),
            Self::User(id) => is(Verification::user_id, id),
            Self::Organization(code) => is(Verification::organization_code, code),
        }
    }

    /// What it names; `None` if it forgets everything.
    fn named(&self) -> Option<Named<'_>> {
        match self {
            Self::Everything => None,
            Self::Key(key) => Some(Named::Key(*key)),
            Self::KeyId(id) => Some(Named::KeyId(id)),
            Self::User(id) => Some(Named::User(id)),
            Self::Organization(code) => Some(Named::Organization(code)),
        }
    }
}

/// What a purge can name, borrowed, so that a look-up copies no text.
#[derive(Hash)]
enum Named<'a> {
    Key(Fingerprint),
    KeyId(&'a str),
    User(&'a str),
    Organization(&'a str),
}

/// The purges that open questions have to heed. Purges are numbered from 1.
///
/// What a purge names is kept as a hash of 64 bits under a random key of this process. If two hashes agree, a question is asked
/// once more than needed, and nothing worse. In return a million purges take no text, and go in a moment.
#[derive(Default)]
pub(super) struct Purges {
    last: u64,
    /// The number of the latest purge that concerns every key.
    everything: u64,
    /// The number of the latest purge by key id, user or organization.
    by_identity: u64,
    /// The number of the latest purge of each name.
    latest: HashMap<u64, u64, FingerprintHashing>,
    /// Number and name of each purge, oldest first, so that the oldest can be forgotten.
    order: VecDeque<(u64, u64)>,
    /// No open question has to heed this purge, or one before it.
    heeded: u64,
    hashing: RandomState,
}

impl Purges {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The number of the latest purge: a question that is asked now heeds only later ones.
    pub(super) fn now(&self) -> u64 {
        self.last
    }

    /// Notes a purge; `open` says whether any question is under way at all.
    pub(super) fn note(&mut self, purge: &Purge, open: bool) {
        self.last += 1;
        if !open {
            self.forget_all();
            return;
        }
        // Every question that would heed an earlier purge heeds this one, so the earlier ones need not be kept.
        let Some(named) = purge.named().filter(|_| self.order.len() < MOST_NOTED) else {
            self.everything = self.last;
            self.forget_all();
            return;
        };
        if !matches!(named, Named::Key(_)) {
            self.by_identity = self.last;
        }
        let name = self.hashing.hash_one(named);
        self.latest.insert(name, self.last);
        self.order.push_back((self.last, name));
        // More than one, so that the log shrinks while purges keep coming.
        self.forget(2);
    }

    /// Forgets what no open question has to heed; `oldest` is the number that the oldest of them began with.
    pub(super) fn forget_before(&mut self, oldest: Option<u64>) {
        self.heeded = oldest.unwrap_or(self.last);
        if self.order.back().is_some_and(|(number, _)| *number <= self.heeded) {
            self.forget_all();
        }
        self.forget(MOST_FORGOTTEN);
    }

    /// Whether a purge since then concerns this key. `verification` is what Kinde said of it, or `None` if it was refused: then
    /// every purge by key id, user or organization may concern it.
    pub(super) fn concerns(&self, asked: u64, key: Fingerprint, verification: Option<&Verification>) -> bool {
        if self.last <= asked {
            return false;
        }
        let since = |named| self.since(asked, named);
        self.names(asked, key)
            || verification.map_or(self.by_identity > asked, |verification| {
                since(Named::KeyId(verification.key_id()))
                    || verification.user_id().is_some_and(|id| since(Named::User(id)))
                    || verification.organization_code().is_some_and(|code| since(Named::Organization(code)))
            })
    }

    /// Whether a purge since then names this key itself, and not an identity that only an accepted key has.
    pub(super) fn names(&self, asked: u64, key: Fingerprint) -> bool {
        self.everything > asked || self.since(asked, Named::Key(key))
    }

    fn since(&self, asked: u64, named: Named<'_>) -> bool {
        let number = self.latest.get(&self.hashing.hash_one(named));
        number.is_some_and(|number| *number > asked)
    }

    fn forget(&mut self, most: usize) {
        for _ in 0..most {
            let Some((number, name)) = self.order.pop_front_if(|(number, _)| *number <= self.heeded) else {
                return;
            };
            // It may have been purged again since.
            if self.latest.get(&name) == Some(&number) {
                self.latest.remove(&name);
            }
        }
    }

    /// Gives the memory back, too.
    fn forget_all(&mut self) {
        if !self.order.is_empty() {
            (self.latest, self.order) = Default::default();
        }
    }
}

/// Forgetting takes two steps. First the purge is noted, under the lock that also orders what is stored. Then the entries that it
/// means are taken out of the caches, a few at a time, without that lock. No answer that was asked for before the note is in a
/// cache after the second step:
///
/// - It was stored before the note: then the second step finds it. An entry never changes its slot.
/// - It is stored after the note: then its question was open at the moment of the note, so the purge was noted for it, and it is
///   not stored. If no question was open, there is none whose answer could come. (A flight that was disowned stores nothing.)
///
/// What was asked for after the note may be stored, also behind the second step. If the second step finds it, it is forgotten
/// without need.
impl Engine {
    /// Forgets. An answer that was asked for before this is neither kept nor served after it. Says how many answers were cached.
    pub(crate) fn purge(&self, purge: Purge) -> usize {
        self.note(std::slice::from_ref(&purge));
        let removed = match &purge {
            Purge::Everything => self.cache.clear(),
            Purge::Key(key) => {
                let removed = self.cache.remove(key);
                self.negative.remove(key);
                return removed;
            }
            Purge::KeyId(id) => self.cache.remove_id(id),
            Purge::User(_) | Purge::Organization(_) => {
                self.cache.remove_where(|key, answer| purge.matches(*key, Some(&answer.verification)))
            }
        };
        // A refusal names no id and no owner, so it may be of any key.
        self.negative.clear();
        removed
    }

    /// Forgets the keys with these ids, a few at a time. Says how many answers were cached.
    pub(crate) fn purge_key_ids(&self, ids: impl Iterator<Item = Box<str>>) -> usize {
        let mut removed = 0;
        let mut ids = ids.map(Purge::KeyId).peekable();
        let mut some = Vec::with_capacity(MOST_NOTED_AT_ONCE);
        while ids.peek().is_some() {
            // The caller's code runs here, and so not under a lock.
            some.extend(ids.by_ref().take(MOST_NOTED_AT_ONCE));
            self.note(&some);
            for purge in some.drain(..) {
                if let Purge::KeyId(id) = purge {
                    removed += self.cache.remove_id(&id);
                }
            }
            self.negative.clear();
        }
        removed
    }

    /// The machine slept for so long, and the clock that answers are dated by did not count it. What was asked for before this is
    /// no longer fresh, and questions that are open are asked again.
    pub(crate) fn slept(&self, slept: Duration) {
        self.note(&[Purge::Everything]);
        self.cache.make_all_stale(slept);
        self.negative.clear();
    }

    fn note(&self, purges: &[Purge]) {
        let mut flights = self.flights.lock();
        let open = flights.under_way() > 0;
        for purge in purges {
            flights.purges.note(purge, open);
        }
    }
}

#[cfg(test)]
mod tests;
