//! Limits how many verifications one client may cause. It counts in fixed windows, and remembers at most 100,000 clients.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::client::Client;

/// How many clients are remembered at most. Past it, the client that has made no attempt for longest is
/// forgotten.
const MOST_CLIENTS: u64 = 100_000;
/// How many attempts that judged nothing a client is given back in one window, in multiples of its limit.
const MOST_GIVEN_BACK: u32 = 10;

/// The limit, and the windows of the clients seen lately.
pub(crate) struct Attempts {
    settings: AttemptLimit,
    windows: Cache<Client, Arc<Mutex<Counts>>>,
    /// How many outages have ended.
    outages: Arc<AtomicU32>,
    /// The number of this counter among those of its authenticator.
    number: u32,
}

/// How many verification attempts one client has in one window of time.
///
/// An attempt is a verification that calls Kinde. These are no attempts: a request that the cache answers, a
/// request without a well-formed key, and a request that waits for another request's verification. If Kinde did
/// not judge the key, the attempt is given back, up to ten times the limit in one window. If Kinde accepted the
/// key, it is given back, too, unless [`count_all_attempts`](Self::count_all_attempts) is set. The default is
/// 100 attempts in 15 minutes, as in Kinde's guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct AttemptLimit {
    pub(crate) attempts: u32,
    pub(crate) window: Duration,
    pub(crate) counts_only_refused: bool,
}

impl AttemptLimit {
    /// Allows this many attempts per client and window.
    pub const fn new(attempts: u32, window: Duration) -> Self {
        Self { attempts, window, counts_only_refused: true }
    }

    /// How many attempts one client has in one window.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The length of a window, which begins with a client's first attempt.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// Also counts attempts whose key is accepted, as the code in Kinde's guide does. Then a client is limited
    /// if it presents more good keys than its limit in one window.
    pub const fn count_all_attempts(mut self) -> Self {
        self.counts_only_refused = false;
        self
    }
}

impl Default for AttemptLimit {
    fn default() -> Self {
        Self::new(100, Duration::from_secs(900))
    }
}

/// What counts the attempts of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowOfClient {
    pub(crate) limit: AttemptLimit,
    /// The number of the counter. Routes that count for themselves have counters of their own, in the order in which a program
    /// makes them.
    pub(crate) counter: u32,
}

#[derive(Clone, Copy)]
struct Counts {
    began: Instant,
    used: u32,
    /// How many attempts are under way. Each of them counts, so that a client can't pass the limit by making
    /// many at once.
    open: u32,
    /// How many attempts that judged nothing were given back.
    given_back: u32,
    /// How many more were given back because of an outage. It starts again from zero when that outage has
    /// ended.
    given_back_in_outage: u32,
    /// The number of the outage in which `given_back_in_outage` were given back.
    outage: u32,
}

/// The current window of one client.
#[derive(Clone)]
pub(super) struct Window {
    counts: Arc<Mutex<Counts>>,
    settings: AttemptLimit,
    outages: Arc<AtomicU32>,
    /// The number of the counter that this window is of.
    counter: u32,
}

/// One attempt that is under way, counted in one window of its client.
pub(super) struct CountedAttempt {
    window: Window,
    began: Instant,
}

/// Whether a client may make an attempt.
pub(super) enum Opening {
    /// It may. `None` if there is no limit.
    Opened(Option<CountedAttempt>),
    /// It depends on how the attempts under way end.
    Later,
    /// It has used up its window.
    Limited(Limited),
}

impl Opening {
    /// Makes an attempt, if there is a window to count it in.
    pub(super) fn of(window: Option<&Window>, now: Instant) -> Self {
        window.map_or(Self::Opened(None), |window| window.open(now))
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Accepted,
    Refused,
    /// Kinde did not judge the key, and an outage may be why.
    NotJudged {
        may_be_an_outage: bool,
    },
    /// Kinde was not asked.
    NotMade,
}

/// What a client is told that has used up its window: the limit, and when the next window begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) limit: AttemptLimit,
    pub(crate) resets_in: Duration,
}

impl Attempts {
    /// `outages` counts the outages that have ended: what clients were given back in an outage is forgotten then.
    pub(super) fn new(settings: AttemptLimit, outages: Arc<AtomicU32>, number: u32) -> Self {
        // LRU, because a new client must be counted even when the cache is full.
        let windows =
            Cache::builder().max_capacity(MOST_CLIENTS).eviction_policy(EvictionPolicy::lru()).build();
        Self { settings, windows, outages, number }
    }

    /// How many clients are remembered, about.
    pub(super) fn clients(&self) -> u64 {
        self.windows.entry_count()
    }

    /// The window of this client.
    pub(super) fn window(&self, client: Client, now: Instant) -> Window {
        let counts = self.windows.get_with(client, || Arc::new(Mutex::new(Counts::new(now))));
        Window { counts, settings: self.settings, outages: Arc::clone(&self.outages), counter: self.number }
    }
}

impl Counts {
    fn new(began: Instant) -> Self {
        Self { began, used: 0, open: 0, given_back: 0, given_back_in_outage: 0, outage: 0 }
    }
}

impl Window {
    /// Whether the client may still make attempts.
    pub(super) fn check(&self, now: Instant) -> Result<(), Limited> {
        let mut counts = self.current(now);
        let counted = if self.settings.counts_only_refused { 0 } else { counts.open };
        self.limited(&mut counts, counted, now).map_or(Ok(()), Err)
    }

    /// Makes an attempt.
    pub(super) fn open(&self, now: Instant) -> Opening {
        let mut counts = self.current(now);
        let open = counts.open;
        match self.limited(&mut counts, open, now) {
            None => {
                counts.open += 1;
                Opening::Opened(Some(CountedAttempt { window: self.clone(), began: counts.began }))
            }
            // If keys of attempts under way are accepted, those attempts will not count.
            Some(_) if self.settings.counts_only_refused && counts.used < self.settings.attempts => {
                Opening::Later
            }
            Some(limited) => Opening::Limited(limited),
        }
    }

    fn limited(&self, counts: &mut Counts, open: u32, now: Instant) -> Option<Limited> {
        let resets_in = self.settings.window.saturating_sub(now.saturating_duration_since(counts.began));
        let is_limited = counts.used.saturating_add(open) >= self.settings.attempts;
        is_limited.then_some(Limited { limit: self.settings, resets_in })
    }

    /// The counts of the window that `now` is in.
    fn current(&self, now: Instant) -> MutexGuard<'_, Counts> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(counts.began) >= self.settings.window {
            *counts = Counts::new(now);
        }
        counts
    }
}

impl CountedAttempt {
    pub(super) fn counted_in(&self) -> WindowOfClient {
        WindowOfClient { limit: self.window.settings, counter: self.window.counter }
    }

    /// Notes that the client has used up its attempts elsewhere in the fleet. They come back after this time.
    pub(super) fn refuse_for(self, resets_in: Duration, now: Instant) -> Limited {
        let limit = self.window.settings;
        let resets_in = resets_in.min(limit.window);
        let mut counts = self.window.current(now);
        counts.used = counts.used.max(limit.attempts);
        // The clock may not reach back that far. Then the window lasts longer, and is counted here alone.
        counts.began = now.checked_sub(limit.window - resets_in).unwrap_or(counts.began);
        Limited { limit, resets_in }
    }

    /// Returns whether the attempt stays counted.
    pub(super) fn end(self, ended: Ended) -> bool {
        let Window { counts, settings, outages, .. } = &self.window;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.began != self.began {
            return ended == Ended::Refused || (ended == Ended::Accepted && !settings.counts_only_refused);
        }
        counts.open = counts.open.saturating_sub(1);
        let outage = outages.load(Ordering::Relaxed);
        if counts.outage != outage {
            counts.outage = outage;
            counts.given_back_in_outage = 0;
        }
        let is_used = match ended {
            Ended::Accepted => !settings.counts_only_refused,
            Ended::Refused => true,
            Ended::NotMade => false,
            Ended::NotJudged { may_be_an_outage } => {
                let most = settings.attempts.saturating_mul(MOST_GIVEN_BACK);
                let is_too_much = counts.given_back.saturating_add(counts.given_back_in_outage) >= most;
                if !is_too_much {
                    let given_back = if may_be_an_outage {
                        &mut counts.given_back_in_outage
                    } else {
                        &mut counts.given_back
                    };
                    *given_back += 1;
                }
                is_too_much
            }
        };
        counts.used = counts.used.saturating_add(u32::from(is_used));
        is_used
    }
}

#[cfg(test)]
mod tests;
