//! What has been purged lately, so that no answer that was asked for before a purge is used after it.

use std::collections::VecDeque;

use super::answer::Answer;
use crate::key::Fingerprint;
use crate::verification::Verification;

/// Past so many purges while one question is open, everything counts as purged.
const MOST: usize = 1024;

/// What a purge forgets. An absent owner never matches, for no text here is empty and absent at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purge {
    Everything,
    Key(Fingerprint),
    KeyId(Box<str>),
    User(Box<str>),
    Organization(Box<str>),
}

impl Purge {
    /// Whether it forgets this key; `None` for `verification` where Kinde refused the key and so told no identity: it
    /// may then be any.
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

    /// Whether it forgets this key by the key itself, and not by an identity that only an accepted key has.
    pub(super) fn names(&self, key: Fingerprint) -> bool {
        match self {
            Self::Everything => true,
            Self::Key(purged) => *purged == key,
            Self::KeyId(_) | Self::User(_) | Self::Organization(_) => false,
        }
    }

    pub(super) fn matches_owner(&self, answer: &Answer) -> bool {
        match self {
            Self::User(id) => answer.verification.user_id() == Some(&**id),
            Self::Organization(code) => answer.verification.organization_code() == Some(&**code),
            Self::Everything | Self::Key(_) | Self::KeyId(_) => false,
        }
    }
}

/// The purges that questions still open have to heed, oldest first, each with its number.
#[derive(Default)]
pub(super) struct Purges {
    log: VecDeque<(u64, Purge)>,
    last: u64,
}

impl Purges {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.log.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// The number of the latest purge: a question that is asked now heeds only later ones.
    pub(super) fn now(&self) -> u64 {
        self.last
    }

    /// Notes a purge; `open` says whether any question is under way at all.
    pub(super) fn note(&mut self, purge: Purge, open: bool) {
        self.last += 1;
        if !open {
            self.log.clear();
            return;
        }
        if self.log.len() >= MOST {
            self.log.clear();
            self.log.push_back((self.last, Purge::Everything));
        } else {
            self.log.push_back((self.last, purge));
        }
    }

    /// Forgets what no open question has to heed; `oldest` is the number that the oldest of them began with.
    pub(super) fn forget_before(&mut self, oldest: Option<u64>) {
        let oldest = oldest.unwrap_or(self.last);
        while self.log.front().is_some_and(|(number, _)| *number <= oldest) {
            self.log.pop_front();
        }
    }

    /// Whether there was such a purge since then.
    pub(super) fn since(&self, number: u64, is_such: impl Fn(&Purge) -> bool) -> bool {
        self.log.iter().rev().take_while(|(later, _)| *later > number).any(|(_, purge)| is_such(purge))
    }
}
