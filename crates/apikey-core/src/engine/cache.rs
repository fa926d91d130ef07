//! The cache of positive answers: bounded in entries, deadlines in the entries themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::UnitWeighter;
use quick_cache::sync::Cache as Bounded;

use crate::key::{Fingerprint, FingerprintHashing};
use crate::verification::Verification;

/// A jitter shortens a time to live by at most a tenth, so that keys cached together don't expire together.
const JITTER_STEPS: u32 = 1024;

#[derive(Clone)]
struct Entry {
    verification: Arc<Verification>,
    fresh_until: Instant,
}

/// What the engine needs of a cache: nothing else in the crate knows which one it is.
pub(super) struct Cache {
    entries: Bounded<Fingerprint, Entry, UnitWeighter, FingerprintHashing>,
    time_to_live: Duration,
}

impl Cache {
    /// A cache for so many entries; a time to live of zero caches nothing.
    pub(super) fn new(capacity: usize, time_to_live: Duration) -> Self {
        let entries = Bounded::with(
            capacity,
            capacity as u64,
            UnitWeighter,
            FingerprintHashing::default(),
            quick_cache::sync::DefaultLifecycle::default(),
        );
        Self { entries, time_to_live }
    }

    pub(super) fn fresh(&self, fingerprint: &Fingerprint, now: Instant) -> Option<Arc<Verification>> {
        let entry = self.entries.get(fingerprint)?;
        if now < entry.fresh_until {
            return Some(entry.verification);
        }
        self.entries.remove_if(fingerprint, |entry| now >= entry.fresh_until);
        None
    }

    /// Keeps an answer, counted from when it was asked for.
    pub(super) fn store(&self, fingerprint: Fingerprint, verification: Arc<Verification>, asked_at: Instant) {
        let step = (fingerprint.bits() % u64::from(JITTER_STEPS)) as u32;
        let shortened = self.time_to_live - (self.time_to_live / (10 * JITTER_STEPS)) * step;
        if let Some(fresh_until) = asked_at.checked_add(shortened).filter(|_| !self.time_to_live.is_zero()) {
            self.entries.insert(fingerprint, Entry { verification, fresh_until });
        }
    }

    pub(super) fn remove(&self, fingerprint: &Fingerprint) {
        self.entries.remove(fingerprint);
    }

    pub(super) fn clear(&self) {
        self.entries.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
