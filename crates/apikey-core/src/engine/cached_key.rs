//! An answer about an accepted key, and until when it may serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::usage::{Copies, Spreading, Usage, hand_out};
use crate::key::Fingerprint;
use crate::verification::Verification;

/// The jitter shortens the time to live by at most a tenth, in this many steps. So keys that are cached
/// together don't expire together.
const JITTER_STEPS: u32 = 1024;
/// An answer in use is renewed in the background when only one part in this many of its time to live is left.
const REFRESH_PART: u32 = 20;
/// How long after a renewal began the next one may begin, if the first one failed.
const REFRESH_RETRY: Duration = Duration::from_secs(5);

/// An answer about an accepted key. All spans of time count from when the question was asked, in nanoseconds.
///
/// The order of the fields is part of the design. The memory of an `Arc` begins with 16 bytes of counts, at an address
/// that is a multiple of 16. A decision that finds a fresh answer reads the counts and the first 32 bytes after them.
/// At half of the addresses, that is one line of memory of 64 bytes, and else two. With one byte more, it would be one
/// at a quarter of them.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct CachedKey {
    /// The upper half of the key's fingerprint. The cache finds the answer by the lower half.
    upper: u64,
    /// Before this moment the answer is fresh, and nothing else is due. In nanoseconds since the cache's beginning.
    quiet_until: AtomicU64,
    pub(super) usage: Usage,
    /// It begins with the scopes. Here ends what every decision reads.
    pub(crate) verification: Verification,
    lower: u64,
    asked_at: Instant,
    fresh_for: u64,
    /// Never less than `fresh_for`.
    serves_for: u64,
    copies: Copies<Self>,
}

/// What the settings and the clock say about every answer of a cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetime {
    /// When the cache began. Moments are counted from here.
    pub(crate) beginning: Instant,
    pub(crate) time_to_live: Duration,
    pub(crate) stale_if_error: Duration,
    /// A random number of this instance, if it shares answers. Instances then renew a key at different times, and most of
    /// them find that another one has done so.
    pub(crate) spread: Option<u64>,
}

impl Lifetime {
    /// The moment, in nanoseconds since the cache's beginning.
    pub(super) fn moment(&self, now: Instant) -> u64 {
        nanoseconds(now.saturating_duration_since(self.beginning))
    }

    /// The moment that comes this many nanoseconds after a question was asked. A question may be older than the cache,
    /// if a verifier passes on an older answer.
    fn moment_after(&self, asked_at: Instant, span: u64) -> u64 {
        let older = nanoseconds(self.beginning.saturating_duration_since(asked_at));
        self.moment(asked_at).saturating_add(span).saturating_sub(older)
    }
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
    /// The key's fingerprint decides the jitter. If the key itself expires, the answer serves no longer than the key,
    /// neither fresh nor stale.
    pub(super) fn new(
        key: Fingerprint,
        verification: Verification,
        asked_at: Instant,
        expires_at: Option<Instant>,
        lifetime: &Lifetime,
    ) -> Self {
        let Lifetime { time_to_live, stale_if_error, spread, .. } = *lifetime;
        let step = (key.upper() % u64::from(JITTER_STEPS)) as u32;
        let lives_for = expires_at.map_or(Duration::MAX, |end| end.saturating_duration_since(asked_at));
        let fresh_for = (time_to_live - (time_to_live / (10 * JITTER_STEPS)) * step).min(lives_for);
        let off = stale_if_error.is_zero() || fresh_for.is_zero();
        let serves_for = if off { fresh_for } else { (time_to_live + stale_if_error).min(lives_for) };
        let last_part = fresh_for / REFRESH_PART;
        let later = spread.map_or(Duration::ZERO, |seed| spread_over(last_part * 3 / 4, seed ^ key.lower()));
        let quiet_for = nanoseconds(fresh_for - last_part + later);
        Self {
            upper: key.upper(),
            quiet_until: AtomicU64::new(lifetime.moment_after(asked_at, quiet_for)),
            usage: Usage::default(),
            verification,
            lower: key.lower(),
            asked_at,
            fresh_for: nanoseconds(fresh_for),
            serves_for: nanoseconds(serves_for),
            copies: Copies::default(),
        }
    }

    /// An answer that is in no cache, so it serves one caller only.
    pub(crate) fn outside_of_any_cache(verification: Verification, asked_at: Instant) -> Self {
        let lifetime = Lifetime {
            beginning: asked_at,
            time_to_live: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            spread: None,
        };
        Self::new(Fingerprint::NONE, verification, asked_at, None, &lifetime)
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_halves(self.lower, self.upper)
    }

    /// Whether this is the answer about the key, if the lower half of its fingerprint is the same.
    pub(super) fn has_upper_half_of(&self, key: Fingerprint) -> bool {
        self.upper == key.upper()
    }

    /// A reference to the answer, or to a copy of it.
    pub(super) fn hand_out(self: &Arc<Self>, spreading: &Spreading) -> Arc<Self> {
        hand_out(self, &self.usage, &self.copies, spreading, Self::copy)
    }

    /// A separate copy of the answer. If a caller then claims the renewal of one, it has not claimed that of the
    /// other.
    fn copy(&self) -> Self {
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
        let quiet_until = if fresh_for == 0 { 0 } else { self.quiet_until.load(Ordering::Relaxed) };
        Self {
            upper: self.upper,
            quiet_until: AtomicU64::new(quiet_until),
            usage: self.usage.of_successor(),
            verification: self.verification.clone(),
            lower: self.lower,
            asked_at: self.asked_at,
            fresh_for,
            serves_for,
            copies: Copies::default(),
        }
    }

    /// Whether the answer is fresh and nothing else is due. If not, the other rules decide.
    pub(super) fn is_quiet(&self, moment: u64) -> bool {
        moment < self.quiet_until.load(Ordering::Relaxed)
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
        match nanoseconds(self.age(now)) {
            age if age < self.fresh_for => Freshness::Fresh,
            age if age < self.serves_for => Freshness::Stale,
            _ => Freshness::Expired,
        }
    }

    /// Whether this caller must renew the fresh answer in the background. Only one caller gets a yes. The answer is
    /// quiet again until the next one may begin, or until it is no longer fresh.
    pub(super) fn claims_refresh(&self, now: Instant, lifetime: &Lifetime) -> bool {
        let moment = lifetime.moment(now);
        let next = moment.saturating_add(nanoseconds(REFRESH_RETRY));
        let next = next.min(lifetime.moment_after(self.asked_at, self.fresh_for));
        let due = self.quiet_until.load(Ordering::Relaxed);
        let claim = || self.quiet_until.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
        moment >= due && claim().is_ok()
    }
}

#[cfg(test)]
impl CachedKey {
    /// How long the answer is fresh, and how long it serves.
    pub(super) fn times(&self) -> [Duration; 2] {
        [self.fresh_for, self.serves_for].map(Duration::from_nanos)
    }
}

/// A part of this time. Early parts are rare, so that of many instances only one or two are the first.
fn spread_over(time: Duration, seed: u64) -> Duration {
    // A finalizer of MurmurHash3, because the seeds of two instances may differ in few bits.
    let mut bits = seed ^ (seed >> 33);
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    let uniform = (bits >> 32) as f64 / f64::from(u32::MAX);
    time.mul_f64(uniform.cbrt().min(1.0))
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
