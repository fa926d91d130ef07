//! The keys that drew overload. Each waits until the moment that Kinde named.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::key::Fingerprint;

/// How many keys are remembered at most.
const MOST_KEYS: u64 = 10_000;
/// How long a key waits if Kinde names no moment. It doubles each time, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_UNNAMED_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Overloads {
    waits: Cache<Fingerprint, Wait>,
    /// Whether any key has drawn overload yet. Until then, look-ups are skipped.
    is_used: AtomicBool,
}

#[derive(Clone, Copy)]
struct Wait {
    until: Instant,
    unnamed: Duration,
}

impl Overloads {
    pub(super) fn new() -> Self {
        let waits = Cache::builder().max_capacity(MOST_KEYS).eviction_policy(EvictionPolicy::lru()).build();
        Self { waits, is_used: AtomicBool::new(false) }
    }

    /// How long this key must still wait.
    pub(super) fn wait(&self, key: &Fingerprint, now: Instant) -> Option<Duration> {
        if !self.is_used.load(Ordering::Relaxed) {
            return None;
        }
        let wait = self.waits.get(key)?.until.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// Notes that this key drew overload. Returns how long it must wait.
    pub(super) fn note(&self, key: Fingerprint, named: Option<Duration>, now: Instant) -> Duration {
        self.is_used.store(true, Ordering::Relaxed);
        let unnamed = match self.waits.get(&key) {
            Some(earlier) => (earlier.unnamed * 2).min(LONGEST_UNNAMED_WAIT),
            None => FIRST_WAIT,
        };
        // A wait of zero counts as none.
        let wait = named.filter(|named| !named.is_zero()).unwrap_or(unnamed);
        if let Some(until) = now.checked_add(wait) {
            self.waits.insert(key, Wait { until, unnamed });
        }
        wait
    }

    /// The key was judged, so its waits begin anew.
    pub(super) fn forget(&self, key: &Fingerprint) {
        if self.is_used.load(Ordering::Relaxed) && self.waits.contains_key(key) {
            self.waits.invalidate(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Fingerprinter;

    #[test]
    fn a_key_waits_for_the_moment_that_kinde_names() {
        let (overloads, now) = (Overloads::new(), Instant::now());
        let prints = Fingerprinter::random().unwrap();
        let (one, other) = (prints.fingerprint(b"one"), prints.fingerprint(b"other"));
        assert_eq!(overloads.note(one, Some(Duration::from_secs(60)), now), Duration::from_secs(60));
        assert_eq!(overloads.wait(&one, now + Duration::from_secs(59)), Some(Duration::from_secs(1)));
        assert_eq!(overloads.wait(&one, now + Duration::from_secs(60)), None);
        assert_eq!(overloads.wait(&other, now), None);
    }

    #[test]
    fn unnamed_waits_double_to_a_second_and_start_anew_once_judged() {
        let (overloads, now) = (Overloads::new(), Instant::now());
        let key = Fingerprinter::random().unwrap().fingerprint(b"one");
        let waits: Vec<u128> = (0..6).map(|_| overloads.note(key, None, now).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        overloads.forget(&key);
        assert_eq!(overloads.note(key, Some(Duration::ZERO), now).as_millis(), 100);
    }
}
