//! Refusals that are remembered for a while, in a space of their own, so that junk can't push good keys out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::key::Fingerprint;
use crate::verification::Refusal;

/// How many refused keys are remembered at most.
const MOST_REFUSALS: u64 = 10_000;

/// Off where its time to live is zero. Failures never get here: nothing but a refusal by Kinde is remembered.
pub(super) struct Negative {
    refusals: Cache<Fingerprint, Remembered>,
    time_to_live: Duration,
    /// How often all were forgotten.
    cleared: AtomicU64,
}

#[derive(Clone, Copy)]
struct Remembered {
    refusal: Refusal,
    until: Instant,
    /// How often all had been forgotten before.
    cleared: u64,
}

impl Negative {
    pub(super) fn new(time_to_live: Duration) -> Self {
        let refusals =
            Cache::builder().max_capacity(MOST_REFUSALS).eviction_policy(EvictionPolicy::lru()).build();
        Self { refusals, time_to_live, cleared: AtomicU64::new(0) }
    }

    pub(super) fn refusal(&self, key: &Fingerprint, now: Instant) -> Option<Refusal> {
        if self.time_to_live.is_zero() {
            return None;
        }
        let Remembered { refusal, until, cleared } = self.refusals.get(key)?;
        (now < until && cleared == self.cleared.load(Ordering::Acquire)).then_some(refusal)
    }

    pub(super) fn store(&self, key: Fingerprint, refusal: Refusal, asked_at: Instant) {
        if let Some(until) = asked_at.checked_add(self.time_to_live).filter(|_| !self.time_to_live.is_zero())
        {
            let cleared = self.cleared.load(Ordering::Acquire);
            self.refusals.insert(key, Remembered { refusal, until, cleared });
        }
    }

    pub(super) fn remove(&self, key: &Fingerprint) {
        if !self.time_to_live.is_zero() {
            self.refusals.invalidate(key);
        }
    }

    /// Forgets all, in no time. Moka's own way goes by the clock, and spares what was stored at the same moment. What is forgotten
    /// keeps its place until another refusal needs it.
    pub(super) fn clear(&self) {
        self.cleared.fetch_add(1, Ordering::AcqRel);
    }
}
