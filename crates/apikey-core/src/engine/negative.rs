//! The refusals that are remembered for a while. They have a space of their own, so that junk can't push
//! answers of good keys out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::key::Fingerprint;
use crate::verification::Refusal;

/// How many refused keys are remembered at most.
const MOST_REFUSALS: u64 = 10_000;

/// The refusals that are remembered. If the time to live is zero, none is. Only refusals by Kinde get here, and
/// no failures.
pub(super) struct Negative {
    refusals: Cache<Fingerprint, Remembered>,
    time_to_live: Duration,
    /// How often all were forgotten.
    cleared: AtomicU64,
    /// How often one was forgotten.
    removed: AtomicU64,
}

#[derive(Clone, Copy)]
struct Remembered {
    refusal: Refusal,
    until: Instant,
    /// How often all had been forgotten when Kinde's refusal came. If all were forgotten again since, this
    /// refusal is forgotten, too.
    cleared: u64,
}

/// How much had been forgotten at one moment.
#[derive(Clone, Copy)]
pub(super) struct Forgotten {
    cleared: u64,
    removed: u64,
}

impl Negative {
    pub(super) fn new(time_to_live: Duration) -> Self {
        let refusals =
            Cache::builder().max_capacity(MOST_REFUSALS).eviction_policy(EvictionPolicy::lru()).build();
        Self { refusals, time_to_live, cleared: AtomicU64::new(0), removed: AtomicU64::new(0) }
    }

    pub(super) fn refusal(&self, key: &Fingerprint, now: Instant) -> Option<Refusal> {
        if self.time_to_live.is_zero() {
            return None;
        }
        let Remembered { refusal, until, cleared } = self.refusals.get(key)?;
        (now < until && cleared == self.cleared.load(Ordering::Acquire)).then_some(refusal)
    }

    /// How much has been forgotten so far. Hand it to [`store`](Self::store) later.
    pub(super) fn forgotten(&self) -> Forgotten {
        Forgotten {
            cleared: self.cleared.load(Ordering::Acquire),
            removed: self.removed.load(Ordering::Acquire),
        }
    }

    /// Remembers a refusal, unless something was forgotten since `forgotten`: a purge may have looked for this
    /// refusal before it was here.
    pub(super) fn store(&self, key: Fingerprint, refusal: Refusal, asked_at: Instant, forgotten: Forgotten) {
        if self.time_to_live.is_zero() {
            return;
        }
        let Some(until) = asked_at.checked_add(self.time_to_live) else { return };
        self.refusals.insert(key, Remembered { refusal, until, cleared: forgotten.cleared });
        // Both this and `remove` write the counter. So of the two, the later one sees the earlier one. A plain
        // load might miss it.
        if self.removed.fetch_add(0, Ordering::AcqRel) != forgotten.removed {
            self.refusals.invalidate(&key);
        }
    }

    pub(super) fn remove(&self, key: &Fingerprint) {
        if !self.time_to_live.is_zero() {
            self.removed.fetch_add(1, Ordering::AcqRel);
            self.refusals.invalidate(key);
        }
    }

    /// Forgets all at once. Moka's own way goes by the clock and spares what was stored at the same moment. A
    /// forgotten refusal stays in memory until another one needs the space.
    pub(super) fn clear(&self) {
        self.cleared.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Fingerprinter;

    #[test]
    fn a_refusal_from_before_a_purge_is_not_stored_after_it() {
        let (negative, now) = (Negative::new(Duration::from_secs(30)), Instant::now());
        let key = Fingerprinter::random().unwrap().fingerprint(b"k1");
        let purges: [&dyn Fn(); 2] = [&|| negative.remove(&key), &|| negative.clear()];
        for purge in purges {
            let before = negative.forgotten();
            purge();
            negative.store(key, Refusal::Revoked, now, before);
            assert_eq!(negative.refusal(&key, now), None);
            negative.store(key, Refusal::Revoked, now, negative.forgotten());
            assert_eq!(negative.refusal(&key, now), Some(Refusal::Revoked));
        }
    }
}
