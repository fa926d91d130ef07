//! Purges. An answer that was asked for before a purge is not used after it.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::cached_key::CachedKey;
use super::outcome::LandedAnswer;
use crate::key::{Fingerprint, FingerprintHashing};
use crate::telemetry::PurgedBy;
use crate::verification::Verification;

/// How many purges are noted at most while a question is open. Past it, everything counts as purged.
const MOST_NOTED: usize = 1_000_000;
/// How many noted purges are forgotten under one lock, because every key without a fresh answer waits
/// meanwhile.
const MOST_FORGOTTEN: usize = 1024;

/// What a purge forgets. A purge by user never concerns an answer without a user, and a purge by organization never one
/// without an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purge {
    Everything,
    Key(Fingerprint),
    KeyId(Box<str>),
    User(Box<str>),
    Organization(Box<str>),
}

impl Purge {
    /// Whether this purge concerns an answer about this key. `verification` is `None` if Kinde refused the key:
    /// a refusal carries no identity, so a purge by an identity may concern any refused key.
    pub(crate) fn matches(&self, key: Fingerprint, verification: Option<&Verification>) -> bool {
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

    /// What it names. `None` if it forgets everything.
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

/// What a purge can name. It is borrowed, so a look-up copies no text.
#[derive(Hash)]
enum Named<'a> {
    Key(Fingerprint),
    KeyId(&'a str),
    User(&'a str),
    Organization(&'a str),
}

/// The purges that matter to open questions. A question is open from when a flight asks until the flight lands.
/// Purges are numbered from 1.
///
/// A name is kept as a hash of 64 bits under a random key of this process. If two names have one hash, a flight
/// asks once more than needed, and nothing worse happens. In return a million purges hold no text, and are
/// freed in a moment.
#[derive(Default)]
pub(super) struct Purges {
    last: u64,
    /// The number of the latest purge of everything.
    everything: u64,
    /// The number of the latest purge by key id, user or organization.
    by_identity: u64,
    /// The number of the latest purge of each name.
    latest: HashMap<u64, u64, FingerprintHashing>,
    /// The number and the name of each purge, oldest first, so that the oldest can be forgotten.
    order: VecDeque<(u64, u64)>,
    /// No open question is older than the purge with this number, so that one and those before it can be
    /// forgotten.
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

    /// The number of the latest purge. Only later purges concern a question that is asked now.
    pub(super) fn now(&self) -> u64 {
        self.last
    }

    /// Notes a purge. `open` says whether any question is open.
    pub(super) fn note(&mut self, purge: &Purge, open: bool) {
        self.last += 1;
        if !open {
            self.forget_all();
            return;
        }
        // This purge concerns every question that an earlier one concerns, so the earlier ones need not be
        // kept.
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
        // It forgets more than it notes, so the log shrinks even while purges keep coming.
        self.forget(2);
    }

    /// Forgets the purges that concern no open question. `oldest` is the number of the latest purge when the
    /// oldest of these was asked. `None` if no question is open.
    pub(super) fn forget_before(&mut self, oldest: Option<u64>) {
        self.heeded = oldest.unwrap_or(self.last);
        if self.order.back().is_some_and(|(number, _)| *number <= self.heeded) {
            self.forget_all();
        }
        self.forget(MOST_FORGOTTEN);
    }

    /// Whether a purge since `asked` concerns an answer about this key. `verification` is `None` if Kinde
    /// refused the key. Then every purge by key id, user or organization may concern it.
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

    /// Whether a purge since `asked` names this key itself, and not an identity that a refusal does not carry.
    pub(super) fn names(&self, asked: u64, key: Fingerprint) -> bool {
        self.everything > asked || self.since(asked, Named::Key(key))
    }

    fn since(&self, asked: u64, named: Named<'_>) -> bool {
        let number = self.latest.get(&self.hashing.hash_one(named));
        number.is_some_and(|number| *number > asked)
    }

    fn forget(&mut self, most: usize) {
        for _ in 0..most {
            let Some(&(number, name)) = self.order.front().filter(|(number, _)| *number <= self.heeded)
            else {
                return;
            };
            self.order.pop_front();
            // The name may have been purged again since.
            if self.latest.get(&name) == Some(&number) {
                self.latest.remove(&name);
            }
        }
    }

    /// Forgets all noted purges and frees their memory.
    fn forget_all(&mut self) {
        if !self.order.is_empty() {
            (self.latest, self.order) = Default::default();
        }
    }
}

/// A purge takes two steps. First it is noted, under the lock that puts stores and purges into one order. Then
/// the entries that it concerns are taken out of the caches, a few at a time, without that lock. After the
/// second step, no cache has an answer that was asked for before the first one:
///
/// - If the answer was stored before the note, the second step finds it. An entry never changes its slot.
/// - If it comes after the note, its question was open at the moment of the note. So the purge was noted for
///   it, and it is not stored. If no question was open, no such answer can come. (A disowned flight stores
///   nothing.)
///
/// An answer that was asked for after the note may be stored. If the second step still finds it, it is
/// forgotten without need.
impl Engine {
    /// Forgets what the purges name. An answer that was asked for before this call is neither kept nor served after it.
    /// Returns how many answers were cached. They are noted under one lock, so more than a few hundred are too many.
    pub(crate) fn purge_all(&self, purges: &[Purge]) -> usize {
        self.note(purges);
        let removed = purges.iter().map(|purge| {
            let removed = self.forget(purge);
            self.tell(purge, removed);
            removed
        });
        let removed = removed.sum();
        // A refusal names no id and no owner, so it may be of any key.
        if purges.iter().any(|purge| !matches!(purge, Purge::Key(_))) {
            self.negative.clear();
        }
        removed
    }

    /// A caller waited for a flight, and runs again only now. This is the answer that the flight landed with, or a later one. `None`
    /// if a purge may have concerned it meanwhile.
    pub(crate) fn landed(&self, landed: &LandedAnswer) -> Option<Arc<CachedKey>> {
        let LandedAnswer { answer, purges_seen } = landed;
        if self.flights.lock().purges.now() == *purges_seen {
            return Some(Arc::clone(answer));
        }
        // A purge takes what it concerns out of the cache. What is there now is this answer, or a later one.
        self.cache.answer(&answer.fingerprint(), |held| held.asked_at() >= answer.asked_at())
    }

    #[cfg(test)]
    pub(crate) fn purge(&self, purge: Purge) -> usize {
        self.purge_all(&[purge])
    }

    fn forget(&self, purge: &Purge) -> usize {
        match purge {
            Purge::Everything => self.cache.clear(),
            Purge::Key(key) => {
                let removed = self.cache.remove(key);
                self.negative.remove(key);
                removed
            }
            Purge::KeyId(id) => self.cache.remove_id(id),
            Purge::User(_) | Purge::Organization(_) => self
                .cache
                .remove_where(|answer| purge.matches(answer.fingerprint(), Some(&answer.verification))),
        }
    }

    /// Corrects the engine after the machine slept for this long, because the clock that dates answers does not count
    /// sleep. Cached answers are no longer fresh, and flights that have asked ask again.
    pub(crate) fn slept(&self, slept: Duration) {
        self.note(&[Purge::Everything]);
        self.cache.make_all_stale(slept);
        self.negative.clear();
    }

    fn tell(&self, purge: &Purge, removed: usize) {
        let (by, name): (_, Option<&str>) = match purge {
            Purge::Everything => (PurgedBy::Everything, None),
            Purge::Key(_) => (PurgedBy::Key, None),
            Purge::KeyId(id) => (PurgedBy::KeyId, Some(id)),
            Purge::User(id) => (PurgedBy::User, Some(id)),
            Purge::Organization(code) => (PurgedBy::Organization, Some(code)),
        };
        self.telemetry.purged(by, name, removed);
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
