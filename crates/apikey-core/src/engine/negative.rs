//! Refusals that are remembered for a while, in a space of their own, so that junk can't push good keys out.

use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::key::Fingerprint;
use crate::verification::Refusal;

/// How many refused keys are remembered at most.
const MOST_REFUSALS: u64 = 10_000;

/// Off where its time to live is zero. Failures never get here: nothing but a refusal by Kinde is remembered.
pub(super) struct Negative {
    refusals: Cache<Fingerprint, (Refusal, Instant)>,
    time_to_live: Duration,
}

impl Negative {
    pub(super) fn new(time_to_live: Duration) -> Self {
        let refusals =
            Cache::builder().max_capacity(MOST_REFUSALS).eviction_policy(EvictionPolicy::lru()).build();
        Self { refusals, time_to_live }
    }

    pub(super) fn refusal(&self, key: &Fingerprint, now: Instant) -> Option<Refusal> {
        if self.time_to_live.is_zero() {
            return None;
        }
        let (refusal, until) = self.refusals.get(key)?;
        (now < until).then_some(refusal)
    }

    pub(super) fn store(&self, key: Fingerprint, refusal: Refusal, asked_at: Instant) {
        if let Some(until) = asked_at.checked_add(self.time_to_live).filter(|_| !self.time_to_live.is_zero())
        {
            self.refusals.insert(key, (refusal, until));
        }
    }

    pub(super) fn remove(&self, key: &Fingerprint) {
        if !self.time_to_live.is_zero() {
            self.refusals.invalidate(key);
        }
    }

    pub(super) fn clear(&self) {
        self.refusals.invalidate_all();
    }
}
