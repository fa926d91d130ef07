//! How often one client may have keys verified: fixed windows, bounded in the number of clients that are remembered.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::client::Client;

/// How many clients are remembered at most; past it the one that has been quiet for longest is forgotten.
const MOST_CLIENTS: u64 = 100_000;
/// How often a client is given back what judged nothing, in multiples of its limit.
const MOST_GIVEN_BACK: u32 = 10;

/// The limit, and the windows of the clients seen lately.
pub(super) struct Attempts {
    settings: AttemptLimit,
    windows: Cache<Client, Arc<Mutex<Counts>>>,
    /// Counts the outages that have ended.
    outages: Arc<AtomicU32>,
}

/// How many verification attempts one client has in one window of time.
///
/// An attempt is a verification that would leave the process: neither a request that the cache answers, nor one without
/// a well-formed key, nor one that waits for another's verification. An attempt that judged nothing is given back, at most
/// ten times the limit in one window. An attempt whose key is accepted is given back, too, unless
/// [`count_all_attempts`](Self::count_all_attempts) is set. The default is 100 in 15 minutes, the guide's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct AttemptLimit {
    pub(crate) attempts: u32,
    pub(crate) window: Duration,
    pub(crate) counts_only_refused: bool,
}

impl AttemptLimit {
    /// So many attempts per client and window.
    pub const fn new(attempts: u32, window: Duration) -> Self {
        Self { attempts, window, counts_only_refused: true }
    }

    /// How many attempts.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The length of a window, which begins with a client's first attempt.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// Counts attempts whose key is accepted, too, as in the guide's code. A client that presents more good keys than its
    /// limit in one window is then limited.
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

#[derive(Clone, Copy)]
struct Counts {
    began: Instant,
    used: u32,
    /// Of attempts under way: each is counted, so that many at once are no way around the limit.
    open: u32,
    given_back: u32,
    /// The same, of what an outage may explain; forgotten when that outage has ended.
    given_back_in_outage: u32,
    outage: u32,
}

/// One client's window.
#[derive(Clone)]
pub(super) struct Window {
    counts: Arc<Mutex<Counts>>,
    settings: AttemptLimit,
    outages: Arc<AtomicU32>,
}

/// One attempt, counted against one window of a client's.
pub(super) struct CountedAttempt {
    window: Window,
    began: Instant,
}

/// What becomes of a wish to make an attempt.
pub(super) enum Opening {
    /// It is made. `None` if nobody counts.
    Opened(Option<CountedAttempt>),
    /// The attempts under way must be decided first.
    Later,
    Limited(Limited),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Accepted,
    Refused,
    /// The key was not judged; whether an outage may explain it.
    NotJudged {
        may_be_an_outage: bool,
    },
    /// Nobody was asked.
    NotMade,
}

/// A client that has used up its window: what it may do, and when again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) limit: AttemptLimit,
    pub(crate) resets_in: Duration,
}

impl Attempts {
    pub(super) fn new(settings: AttemptLimit) -> Self {
        // LRU, for a newcomer must be counted whatever is remembered already.
        let windows =
            Cache::builder().max_capacity(MOST_CLIENTS).eviction_policy(EvictionPolicy::lru()).build();
        Self { settings, windows, outages: Arc::default() }
    }

    /// The window of this client.
    pub(super) fn window(&self, client: Client, now: Instant) -> Window {
        let counts = self.windows.get_with(client, || Arc::new(Mutex::new(Counts::new(now))));
        Window { counts, settings: self.settings, outages: Arc::clone(&self.outages) }
    }

    /// An outage has ended: what clients were given back in it is forgotten.
    pub(super) fn forget_the_outage(&self) {
        self.outages.fetch_add(1, Ordering::Relaxed);
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
            // Some of those that are under way may turn out to count for nothing.
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
    pub(super) fn end(self, ended: Ended) {
        let Window { counts, settings, outages } = &self.window;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.began != self.began {
            return;
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use std::net::{IpAddr, Ipv6Addr};

    const LIMIT: AttemptLimit = AttemptLimit::new(3, Duration::from_secs(60));
    const UNJUDGED: Ended = Ended::NotJudged { may_be_an_outage: false };
    const OUTAGE: Ended = Ended::NotJudged { may_be_an_outage: true };

    fn client(address: &str) -> Client {
        Client::of_address(address.parse().unwrap(), 56)
    }

    impl Attempts {
        fn opened(&self, client: Client, now: Instant) -> Result<CountedAttempt, Option<Limited>> {
            match self.window(client, now).open(now) {
                Opening::Opened(attempt) => Ok(attempt.unwrap()),
                Opening::Later => Err(None),
                Opening::Limited(limited) => Err(Some(limited)),
            }
        }

        fn end_all(&self, client: Client, ended: Ended, most: u32, now: Instant) -> u32 {
            (0..most)
                .take_while(|_| self.opened(client, now).map(|attempt| attempt.end(ended)).is_ok())
                .count() as u32
        }
    }

    #[test]
    fn a_limit_tells_its_settings_and_the_default_is_the_guides() {
        assert_eq!((LIMIT.attempts(), LIMIT.window()), (3, Duration::from_secs(60)));
        let default = AttemptLimit::default();
        assert_eq!((default.attempts(), default.window()), (100, Duration::from_secs(15 * 60)));
        assert!(default.counts_only_refused && !default.count_all_attempts().counts_only_refused);
    }

    #[test]
    fn a_client_has_so_many_attempts_per_window() {
        for limit in [LIMIT, LIMIT.count_all_attempts()] {
            let (attempts, now) = (Attempts::new(limit), Instant::now());
            let one = client("192.0.2.1");
            assert_eq!(attempts.end_all(one, Ended::Refused, 10, now), 3);
            let later = now + Duration::from_millis(1500);
            let limited = attempts.window(one, later).check(later).unwrap_err();
            assert_eq!(limited.resets_in, Duration::from_millis(58_500));
            assert_eq!(attempts.opened(one, later).err(), Some(Some(limited)));
            assert!(attempts.opened(client("192.0.2.2"), later).is_ok(), "another client is not concerned");
            assert!(attempts.opened(one, now + LIMIT.window).is_ok());
        }
    }

    #[test]
    fn a_refused_attempt_does_not_prolong_the_limit() {
        let (attempts, now) = (Attempts::new(LIMIT), Instant::now());
        let one = client("192.0.2.1");
        attempts.end_all(one, Ended::Refused, 3, now);
        for second in 0..60 {
            assert!(attempts.opened(one, now + Duration::from_secs(second)).is_err());
        }
        assert!(attempts.opened(one, now + Duration::from_secs(60)).is_ok());
    }

    #[test]
    fn what_is_given_back_counts_in_its_own_window_alone() {
        let (attempts, now) = (Attempts::new(LIMIT), Instant::now());
        let one = client("192.0.2.1");
        let early: Vec<CountedAttempt> = (0..3).map(|_| attempts.opened(one, now).ok().unwrap()).collect();
        let later = now + LIMIT.window;
        let _open: Vec<CountedAttempt> = (0..3).map(|_| attempts.opened(one, later).ok().unwrap()).collect();
        early.into_iter().for_each(|attempt| attempt.end(Ended::NotMade));
        assert!(attempts.opened(one, later).is_err());
    }

    #[test]
    fn accepted_keys_count_only_if_all_attempts_do() {
        let now = Instant::now();
        let one = client("192.0.2.1");
        assert_eq!(Attempts::new(LIMIT).end_all(one, Ended::Accepted, 100, now), 100);
        assert_eq!(Attempts::new(LIMIT.count_all_attempts()).end_all(one, Ended::Accepted, 100, now), 3);
    }

    #[test]
    fn attempts_under_way_make_others_wait_and_draw_no_429() {
        let now = Instant::now();
        let (attempts, one) = (Attempts::new(LIMIT), client("192.0.2.1"));
        let mut open: Vec<CountedAttempt> = (0..3).map(|_| attempts.opened(one, now).ok().unwrap()).collect();
        assert!(attempts.window(one, now).check(now).is_ok());
        assert_eq!(attempts.opened(one, now).err(), Some(None), "later");
        open.pop().unwrap().end(Ended::Accepted);
        open.push(attempts.opened(one, now).ok().unwrap());
        open.into_iter().for_each(|attempt| attempt.end(Ended::Refused));
        assert!(attempts.opened(one, now).err().unwrap().is_some(), "limited");

        let all = Attempts::new(LIMIT.count_all_attempts());
        let _open: Vec<CountedAttempt> = (0..3).map(|_| all.opened(one, now).ok().unwrap()).collect();
        assert!(all.window(one, now).check(now).is_err());
        assert!(all.opened(one, now).err().unwrap().is_some());
    }

    #[test]
    fn what_judged_nothing_is_given_back_ten_times_the_limit() {
        let now = Instant::now();
        let one = client("192.0.2.1");
        for ended in [UNJUDGED, OUTAGE] {
            let attempts = Attempts::new(LIMIT);
            assert_eq!(attempts.end_all(one, ended, 100, now), 30 + 3, "{ended:?}");
            assert!(attempts.window(one, now).check(now).is_err());
        }
        assert_eq!(Attempts::new(LIMIT).end_all(one, Ended::NotMade, 100, now), 100);
    }

    #[test]
    fn an_outage_that_ended_is_forgotten_and_odd_keys_are_not() {
        let now = Instant::now();
        let one = client("192.0.2.1");
        let attempts = Attempts::new(LIMIT);
        attempts.end_all(one, OUTAGE, 25, now);
        attempts.forget_the_outage();
        assert_eq!(attempts.end_all(one, UNJUDGED, 20, now), 20);
        attempts.forget_the_outage();
        assert_eq!(attempts.end_all(one, UNJUDGED, 100, now), 10 + 3);
    }

    #[test]
    fn memory_is_bounded_under_a_flood_of_addresses() {
        let (attempts, now) = (Attempts::new(LIMIT), Instant::now());
        for prefix in 0..(MOST_CLIENTS + 20_000) {
            let address = IpAddr::V6(Ipv6Addr::from(u128::from(prefix) << 72));
            assert!(attempts.opened(Client::of_address(address, 56), now).is_ok());
        }
        attempts.windows.run_pending_tasks();
        assert!(attempts.windows.entry_count() <= MOST_CLIENTS, "{}", attempts.windows.entry_count());
    }
}
