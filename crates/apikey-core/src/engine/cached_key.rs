//! An answer about an accepted key, and until when it may serve.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::usage::Usage;
use crate::verification::Verification;

/// The jitter shortens the time to live by at most a tenth, in this many steps. So keys that are cached
/// together don't expire together.
const JITTER_STEPS: u32 = 1024;
/// An answer in use is renewed in the background when only one part in this many of its time to live is left.
const REFRESH_PART: u32 = 20;
/// How long after a renewal began the next one may begin, if the first one failed.
const REFRESH_RETRY: Duration = Duration::from_secs(5);

/// An answer about an accepted key. All times count from when the question was asked, in nanoseconds.
#[derive(Debug)]
pub(crate) struct CachedKey {
    pub(crate) verification: Verification,
    asked_at: Instant,
    fresh_for: u64,
    /// Never less than `fresh_for`.
    serves_for: u64,
    /// From when on the next renewal in the background may begin.
    refresh_from: AtomicU64,
    pub(super) usage: Usage<CachedKey>,
}

/// How an answer may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// It is within its time to live.
    Fresh,
    /// It is past its time to live, and may serve only while Kinde can't answer.
    Stale,
    /// It may not serve.
    Expired,
}

impl CachedKey {
    /// `bits` are uniform over keys, and decide the jitter. If the key itself expires, the answer serves no
    /// longer than the key, neither fresh nor stale.
    pub(super) fn new(
        verification: Verification,
        asked_at: Instant,
        bits: u64,
        time_to_live: Duration,
        stale_if_error: Duration,
        expires_at: Option<Instant>,
    ) -> Self {
        let step = (bits % u64::from(JITTER_STEPS)) as u32;
        let lives_for = expires_at.map_or(Duration::MAX, |end| end.saturating_duration_since(asked_at));
        let fresh_for = (time_to_live - (time_to_live / (10 * JITTER_STEPS)) * step).min(lives_for);
        let off = stale_if_error.is_zero() || fresh_for.is_zero();
        let serves_for = if off { fresh_for } else { (time_to_live + stale_if_error).min(lives_for) };
        let refresh_from = AtomicU64::new(nanoseconds(fresh_for - fresh_for / REFRESH_PART));
        let (fresh_for, serves_for) = (nanoseconds(fresh_for), nanoseconds(serves_for));
        Self { verification, asked_at, fresh_for, serves_for, refresh_from, usage: Usage::default() }
    }

    /// An answer that is in no cache, so it serves one caller only.
    pub(crate) fn outside_of_any_cache(verification: Verification, asked_at: Instant) -> Self {
        Self::new(verification, asked_at, 0, Duration::ZERO, Duration::ZERO, None)
    }

    /// A separate copy of the answer. If a caller then claims the renewal of one, it has not claimed that of the
    /// other.
    pub(super) fn copy(&self) -> Self {
        self.copy_that_serves(self.fresh_for, self.serves_for)
    }

    /// The same answer, but it never serves as stale. `None` if it never did.
    pub(super) fn without_extension(&self) -> Option<Self> {
        (self.serves_for > self.fresh_for).then(|| self.copy_that_serves(self.fresh_for, self.fresh_for))
    }

    /// The same answer after the machine slept for this long, which the clock did not count. The answer is that much
    /// older, and no longer fresh. It may serve as stale up to the same age as before, if it might serve as stale at
    /// all.
    pub(super) fn slept(&self, slept: Duration) -> Self {
        let extended = self.serves_for > self.fresh_for;
        let serves_for = if extended { self.serves_for } else { 0 };
        match self.asked_at.checked_sub(slept) {
            Some(asked_at) => Self { asked_at, ..self.copy_that_serves(0, serves_for) },
            // The clock can't name a moment that early, so the answer serves for that much less time instead.
            None => self.copy_that_serves(0, serves_for.saturating_sub(nanoseconds(slept))),
        }
    }

    fn copy_that_serves(&self, fresh_for: u64, serves_for: u64) -> Self {
        Self {
            verification: self.verification.clone(),
            asked_at: self.asked_at,
            fresh_for,
            serves_for,
            refresh_from: AtomicU64::new(self.refresh_from.load(Ordering::Relaxed)),
            usage: self.usage.of_successor(),
        }
    }

    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.asked_at)
    }

    /// Whether the answer is not older than this. `None` bounds nothing.
    pub(crate) fn is_within(&self, max_age: Option<Duration>, now: Instant) -> bool {
        max_age.is_none_or(|max_age| self.age(now) <= max_age)
    }

    pub(super) fn asked_at(&self) -> Instant {
        self.asked_at
    }

    pub(crate) fn freshness(&self, now: Instant) -> Freshness {
        match self.nanoseconds_old(now) {
            age if self.is_fresh_at(age) => Freshness::Fresh,
            age if age < self.serves_for => Freshness::Stale,
            _ => Freshness::Expired,
        }
    }

    /// The [`age`](Self::age) as the rules here count it. A request computes it once, because the arithmetic of
    /// times costs as much as all these rules.
    pub(super) fn nanoseconds_old(&self, now: Instant) -> u64 {
        nanoseconds(self.age(now))
    }

    pub(super) fn is_fresh_at(&self, nanoseconds_old: u64) -> bool {
        nanoseconds_old < self.fresh_for
    }

    /// Whether this caller must renew the answer in the background. Only one caller gets a yes.
    pub(super) fn claims_refresh(&self, age: u64) -> bool {
        let from = self.refresh_from.load(Ordering::Relaxed);
        age >= from
            && self
                .refresh_from
                .compare_exchange(
                    from,
                    age.saturating_add(nanoseconds(REFRESH_RETRY)),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }
}

#[cfg(test)]
impl CachedKey {
    /// How long the answer is fresh, and how long it serves.
    pub(super) fn times(&self) -> [Duration; 2] {
        [self.fresh_for, self.serves_for].map(Duration::from_nanos)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
