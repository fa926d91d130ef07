use super::*;
use crate::client::Client;
use std::net::{IpAddr, Ipv6Addr};

const LIMIT: AttemptLimit = AttemptLimit::new(3, Duration::from_secs(60));
const UNJUDGED: Ended = Ended::NotJudged { may_be_an_outage: false };
const OUTAGE: Ended = Ended::NotJudged { may_be_an_outage: true };

fn client(address: &str) -> Client {
    Client::of_address(address.parse().unwrap(), 56)
}

/// The attempts of an authenticator that has no routes with a limit of their own.
fn alone(limit: AttemptLimit) -> Attempts {
    Attempts::new(limit, Arc::default(), 0)
}

impl Attempts {
    fn forget_the_outage(&self) {
        self.outages.fetch_add(1, Ordering::Relaxed);
    }

    fn opened(&self, client: Client, now: Instant) -> Result<CountedAttempt, Option<Limited>> {
        match self.window(client, now).open(now) {
            Opening::Opened(attempt) => Ok(attempt.unwrap()),
            Opening::Later => Err(None),
            Opening::Limited(limited) => Err(Some(limited)),
        }
    }

    fn end_all(&self, client: Client, ended: Ended, most: u32, now: Instant) -> u32 {
        (0..most).take_while(|_| self.opened(client, now).map(|attempt| attempt.end(ended)).is_ok()).count()
            as u32
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
        let (attempts, now) = (alone(limit), Instant::now());
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
    let (attempts, now) = (alone(LIMIT), Instant::now());
    let one = client("192.0.2.1");
    attempts.end_all(one, Ended::Refused, 3, now);
    for second in 0..60 {
        assert!(attempts.opened(one, now + Duration::from_secs(second)).is_err());
    }
    assert!(attempts.opened(one, now + Duration::from_secs(60)).is_ok());
}

#[test]
fn what_is_given_back_counts_in_its_own_window_alone() {
    let (attempts, now) = (alone(LIMIT), Instant::now());
    let one = client("192.0.2.1");
    let early: Vec<CountedAttempt> = (0..3).map(|_| attempts.opened(one, now).ok().unwrap()).collect();
    let later = now + LIMIT.window;
    let _open: Vec<CountedAttempt> = (0..3).map(|_| attempts.opened(one, later).ok().unwrap()).collect();
    early.into_iter().for_each(|attempt| assert!(!attempt.end(Ended::NotMade)));
    assert!(attempts.opened(one, later).is_err());
}

#[test]
fn accepted_keys_count_only_if_all_attempts_do() {
    let now = Instant::now();
    let one = client("192.0.2.1");
    assert_eq!(alone(LIMIT).end_all(one, Ended::Accepted, 100, now), 100);
    assert_eq!(alone(LIMIT.count_all_attempts()).end_all(one, Ended::Accepted, 100, now), 3);
}

#[test]
fn attempts_under_way_make_others_wait_and_draw_no_429() {
    let now = Instant::now();
    let (attempts, one) = (alone(LIMIT), client("192.0.2.1"));
    let mut open: Vec<CountedAttempt> = (0..3).map(|_| attempts.opened(one, now).ok().unwrap()).collect();
    assert!(attempts.window(one, now).check(now).is_ok());
    assert_eq!(attempts.opened(one, now).err(), Some(None), "later");
    open.pop().unwrap().end(Ended::Accepted);
    open.push(attempts.opened(one, now).ok().unwrap());
    open.into_iter().for_each(|attempt| assert!(attempt.end(Ended::Refused)));
    assert!(attempts.opened(one, now).err().unwrap().is_some(), "limited");

    let all = alone(LIMIT.count_all_attempts());
    let _open: Vec<CountedAttempt> = (0..3).map(|_| all.opened(one, now).ok().unwrap()).collect();
    assert!(all.window(one, now).check(now).is_err());
    assert!(all.opened(one, now).err().unwrap().is_some());
}

#[test]
fn what_judged_nothing_is_given_back_ten_times_the_limit() {
    let now = Instant::now();
    let one = client("192.0.2.1");
    for ended in [UNJUDGED, OUTAGE] {
        let attempts = alone(LIMIT);
        assert_eq!(attempts.end_all(one, ended, 100, now), 30 + 3, "{ended:?}");
        assert!(attempts.window(one, now).check(now).is_err());
    }
    assert_eq!(alone(LIMIT).end_all(one, Ended::NotMade, 100, now), 100);
}

#[test]
fn an_outage_that_ended_is_forgotten_and_odd_keys_are_not() {
    let now = Instant::now();
    let one = client("192.0.2.1");
    let attempts = alone(LIMIT);
    attempts.end_all(one, OUTAGE, 25, now);
    attempts.forget_the_outage();
    assert_eq!(attempts.end_all(one, UNJUDGED, 20, now), 20);
    attempts.forget_the_outage();
    assert_eq!(attempts.end_all(one, UNJUDGED, 100, now), 10 + 3);
}

#[test]
fn memory_is_bounded_under_a_flood_of_addresses() {
    let (attempts, now) = (alone(LIMIT), Instant::now());
    for prefix in 0..(MOST_CLIENTS + 20_000) {
        let address = IpAddr::V6(Ipv6Addr::from(u128::from(prefix) << 72));
        assert!(attempts.opened(Client::of_address(address, 56), now).is_ok());
    }
    attempts.windows.run_pending_tasks();
    assert!(attempts.windows.entry_count() <= MOST_CLIENTS, "{}", attempts.windows.entry_count());
}
