//! How often one client may have keys verified: fixed windows, bounded in the number of clients that are remembered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::client_addr::Client;

/// How many clients are remembered at most; past it the one that has been quiet for longest is forgotten.
const MOST_CLIENTS: u64 = 100_000;
/// How soon an attempt under way may turn out to be none.
const MAY_COME_FREE: Duration = Duration::from_secs(1);

/// The limit, and the windows of the clients seen lately.
pub(super) struct Attempts {
    settings: AttemptLimit,
    windows: Cache<Client, Arc<Mutex<Window>>>,
}

/// How many verification attempts one client has in one window of time.
///
/// An attempt is a verification that would leave the process: neither a request that the cache answers, nor one without
/// a well-formed key, nor one that waits for another's verification. An attempt that Kinde could not answer is given
/// back, and so is one whose key Kinde accepted, unless [`count_all_attempts`](Self::count_all_attempts) is called. The
/// default is 100 in 15 minutes, as in Kinde's guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct AttemptLimit {
    pub(crate) attempts: u32,
    pub(crate) window: Duration,
    pub(crate) counts_only_refused: bool,
}

impl AttemptLimit {
    /// So many attempts per client and window, of which only those count whose key is refused.
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

    /// Counts every attempt that Kinde judged, also one whose key was accepted, as in the guide's code. Then a client with
    /// more good keys than attempts is limited, such as a gateway or an agent platform with many users behind it.
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
struct Window {
    began: Instant,
    used: u32,
    /// Of attempts under way: each has its place, so that many at once are no way around the limit.
    open: u32,
}

/// One attempt, counted against one window of a client's.
pub(super) struct Attempt {
    window: Arc<Mutex<Window>>,
    began: Instant,
    counts_only_refused: bool,
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
        Self { settings, windows }
    }

    pub(super) fn take(&self, client: Client, now: Instant) -> Result<Attempt, Limited> {
        let window =
            self.windows.get_with(client, || Arc::new(Mutex::new(Window { began: now, used: 0, open: 0 })));
        let began = {
            let mut current = lock(&window);
            if now.saturating_duration_since(current.began) >= self.settings.window {
                *current = Window { began: now, used: 0, open: 0 };
            }
            let rest = self.settings.window.saturating_sub(now.saturating_duration_since(current.began));
            if current.used.saturating_add(current.open) >= self.settings.attempts {
                let may_come_free =
                    self.settings.counts_only_refused && current.used < self.settings.attempts;
                let resets_in = if may_come_free { rest.min(MAY_COME_FREE) } else { rest };
                return Err(Limited { limit: self.settings, resets_in });
            }
            current.open += 1;
            current.began
        };
        Ok(Attempt { window, began, counts_only_refused: self.settings.counts_only_refused })
    }
}

impl Attempt {
    /// The key was judged, and let in.
    pub(super) fn accepted(self) {
        let counts = !self.counts_only_refused;
        self.end(counts);
    }

    /// The key was judged, and refused.
    pub(super) fn refused(self) {
        self.end(true);
    }

    /// It was no attempt after all: Kinde could not answer, or was not asked.
    pub(super) fn give_back(self) {
        self.end(false);
    }

    fn end(self, counts: bool) {
        let mut current = lock(&self.window);
        if current.began == self.began {
            current.open = current.open.saturating_sub(1);
            current.used = current.used.saturating_add(u32::from(counts));
        }
    }
}

fn lock(window: &Mutex<Window>) -> MutexGuard<'_, Window> {
    window.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_addr::client_of;
    use std::net::{IpAddr, Ipv6Addr};

    const LIMIT: AttemptLimit = AttemptLimit::new(3, Duration::from_secs(60));

    fn client(address: &str) -> Client {
        client_of(address.parse().unwrap(), 56)
    }

    #[test]
    fn a_limit_tells_its_settings_and_the_default_is_the_guides() {
        assert_eq!((LIMIT.attempts(), LIMIT.window()), (3, Duration::from_secs(60)));
        let default = AttemptLimit::default();
        assert_eq!((default.attempts(), default.window()), (100, Duration::from_secs(15 * 60)));
    }

    #[test]
    fn a_client_has_so_many_attempts_per_window() {
        let (attempts, now) = (Attempts::new(LIMIT.count_all_attempts()), Instant::now());
        let one = client("192.0.2.1");
        for _ in 0..3 {
            assert!(attempts.take(one, now).is_ok());
        }
        let later = now + Duration::from_millis(1500);
        let limited = attempts.take(one, later).err().unwrap();
        assert_eq!(limited.resets_in, Duration::from_millis(58_500));
        assert!(attempts.take(client("192.0.2.2"), later).is_ok(), "another client is not concerned");
        assert!(attempts.take(one, now + LIMIT.window).is_ok());
    }

    #[test]
    fn a_refused_attempt_does_not_prolong_the_limit() {
        let (attempts, now) = (Attempts::new(LIMIT), Instant::now());
        let one = client("192.0.2.1");
        (0..3).for_each(|_| drop(attempts.take(one, now)));
        for second in 0..60 {
            assert!(attempts.take(one, now + Duration::from_secs(second)).is_err());
        }
        assert!(attempts.take(one, now + Duration::from_secs(60)).is_ok());
    }

    #[test]
    fn what_is_given_back_can_be_used_again_but_not_in_another_window() {
        let (attempts, now) = (Attempts::new(LIMIT), Instant::now());
        let one = client("192.0.2.1");
        let taken: Vec<Attempt> = (0..3).map(|_| attempts.take(one, now).ok().unwrap()).collect();
        let later = now + LIMIT.window;
        (0..3).for_each(|_| drop(attempts.take(one, later).ok().unwrap()));
        taken.into_iter().for_each(Attempt::give_back);
        assert!(attempts.take(one, later).is_err());
        let two = client("192.0.2.2");
        for _ in 0..100 {
            attempts.take(two, now).ok().unwrap().give_back();
        }
    }

    #[test]
    fn good_keys_pass_for_ever_unless_all_attempts_count() {
        let (attempts, now) = (Attempts::new(LIMIT), Instant::now());
        let one = client("192.0.2.1");
        for _ in 0..100 {
            attempts.take(one, now).ok().unwrap().accepted();
        }
        (0..3).for_each(|_| attempts.take(one, now).ok().unwrap().refused());
        assert_eq!(attempts.take(one, now).err().unwrap().resets_in, LIMIT.window);
        let attempts = Attempts::new(LIMIT.count_all_attempts());
        (0..3).for_each(|_| attempts.take(one, now).ok().unwrap().accepted());
        assert_eq!(attempts.take(one, now).err().unwrap().resets_in, LIMIT.window);
    }

    #[test]
    fn who_is_limited_by_attempts_under_way_may_come_back_soon_where_only_refused_keys_count() {
        let now = Instant::now();
        for (limit, soon) in [(LIMIT, Duration::from_secs(1)), (LIMIT.count_all_attempts(), LIMIT.window)] {
            let (attempts, one) = (Attempts::new(limit), client("192.0.2.1"));
            attempts.take(one, now).ok().unwrap().refused();
            let open = [(); 2].map(|()| attempts.take(one, now).ok().unwrap());
            assert_eq!(attempts.take(one, now).err().unwrap().resets_in, soon);
            let nearly = now + LIMIT.window - Duration::from_millis(1);
            assert_eq!(attempts.take(one, nearly).err().unwrap().resets_in, Duration::from_millis(1));
            open.into_iter().for_each(Attempt::accepted);
            assert_eq!(attempts.take(one, now).is_ok(), limit.counts_only_refused);
        }
    }

    #[test]
    fn memory_is_bounded_under_a_flood_of_addresses() {
        let (attempts, now) = (Attempts::new(LIMIT), Instant::now());
        for prefix in 0..(MOST_CLIENTS + 20_000) {
            let address = IpAddr::V6(Ipv6Addr::from(u128::from(prefix) << 72));
            assert!(attempts.take(client_of(address, 56), now).is_ok());
        }
        attempts.windows.run_pending_tasks();
        assert!(attempts.windows.entry_count() <= MOST_CLIENTS, "{}", attempts.windows.entry_count());
    }
}
