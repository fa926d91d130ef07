//! The oracle must be able to find a wrong answer. Each rule is tried with an answer that keeps it and one that
//! breaks it.

use std::sync::Arc;

use serde_json::json;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn oracle() -> Oracle {
    Oracle::new(Bounds {
        time_to_live: 2 * SECOND,
        stale_if_error: 4 * SECOND,
        negative_time_to_live: SECOND,
        budget: SECOND,
        attempts: 2,
        window: 3 * SECOND,
    })
}

fn identity() -> Arc<Identity> {
    Arc::new(Identity { key_id: "api_key_1".to_owned(), scopes: Vec::new(), organization: None, user: None })
}

/// A request at this moment. Its answer comes a moment later.
fn request(presented: Presented, at: Instant, status: u16, code: &str) -> Observation {
    let body = match status {
        200 => {
            json!({"key_id": "api_key_1", "status": "active", "scopes": [], "org_code": null, "user_id": null})
        }
        _ => json!({ "code": code }),
    };
    Observation {
        route: Route::Me,
        presented,
        client: "a client".to_owned(),
        crowds: false,
        began: at,
        ended: at + Duration::from_millis(1),
        status,
        body,
    }
}

fn of_key(at: Instant, status: u16, code: &str) -> Observation {
    request(Presented::Secret("k".to_owned()), at, status, code)
}

/// A key that was good until it was revoked just now.
fn revoked_now(oracle: &Oracle) -> Instant {
    oracle.change(&[("k", Verdict::Accepted(identity()))], || {});
    oracle.change(&[("k", Verdict::Refused(Refusal::Revoked))], || {});
    Instant::now()
}

#[test]
fn a_stale_answer_is_right_only_if_kinde_or_the_key_is_unwell() {
    let is_right = |prepare: &dyn Fn(&Oracle)| {
        let oracle = oracle();
        let now = revoked_now(&oracle);
        prepare(&oracle);
        assert!(oracle.judge(&of_key(now + SECOND, 200, "")).is_ok(), "within the time to live");
        assert!(oracle.judge(&of_key(now + 7 * SECOND, 200, "")).is_err(), "older than any answer");
        oracle.judge(&of_key(now + 5 * SECOND, 200, "")).is_ok()
    };
    assert!(!is_right(&|_| {}));
    for trouble in [Trouble::Outage, Trouble::Slow, Trouble::Patchy, Trouble::SetUp] {
        assert!(is_right(&|oracle| oracle.trouble_begins(trouble)), "{trouble:?}");
    }
    assert!(!is_right(&|oracle| oracle.trouble_begins(Trouble::UnknownUnjudged)));
    assert!(is_right(&|oracle| oracle.key_becomes_odd("k", Oddity::Unwell)));
    assert!(!is_right(&|oracle| oracle.key_becomes_odd("k", Oddity::Unreadable)));
    assert!(!is_right(&|oracle| oracle.key_becomes_odd("another", Oddity::Unwell)));
}

#[test]
fn no_outage_brings_a_purged_key_back() {
    let oracle = oracle();
    let now = revoked_now(&oracle);
    oracle.trouble_begins(Trouble::Outage);
    assert!(oracle.judge(&of_key(now + SECOND, 200, "")).is_ok());
    oracle.purge(&Scope::Secret("k".to_owned()), || 1);
    assert!(oracle.judge(&of_key(now + SECOND, 200, "")).is_err());
}

#[test]
fn no_outage_brings_a_refused_key_back() {
    let oracle = oracle();
    let now = revoked_now(&oracle);
    oracle.trouble_begins(Trouble::Outage);
    assert!(oracle.judge(&of_key(now + SECOND, 401, "KEY_REVOKED")).is_ok());
    assert!(oracle.judge(&of_key(now + 2 * SECOND, 200, "")).is_err());
}

#[test]
fn no_answer_needs_a_reason_that_concerns_the_caller() {
    let is_right = |presented: &str, prepare: &dyn Fn(&Oracle)| {
        let oracle = oracle();
        oracle.change(&[("k", Verdict::Accepted(identity()))], || {});
        prepare(&oracle);
        let at = Instant::now() + 2 * SECOND;
        let presented = Presented::Secret(presented.to_owned());
        let is_right = oracle.judge(&request(presented, at, 503, "VERIFICATION_UNAVAILABLE")).is_ok();
        assert_eq!(oracle.tally().unanswered_while_well, u64::from(!is_right));
        is_right
    };
    assert!(!is_right("k", &|_| {}));
    assert!(is_right("k", &|oracle| oracle.trouble_begins(Trouble::Outage)));
    assert!(!is_right("k", &|oracle| oracle.trouble_begins(Trouble::Slow)));
    assert!(!is_right("k", &|oracle| oracle.trouble_begins(Trouble::UnknownUnjudged)));
    assert!(is_right("junk", &|oracle| oracle.trouble_begins(Trouble::UnknownUnjudged)));
    assert!(is_right("k", &|oracle| oracle.key_becomes_odd("k", Oddity::Unreadable)));
    assert!(!is_right("k", &|oracle| oracle.key_becomes_odd("another", Oddity::Unreadable)));
}

#[test]
fn only_a_client_that_fills_its_own_share_may_get_no_answer() {
    let oracle = oracle();
    let junk = Presented::FreshJunk("junk".to_owned());
    let mut one = request(junk, Instant::now(), 503, "VERIFICATION_UNAVAILABLE");
    assert!(oracle.judge(&one).is_err());
    one.crowds = true;
    assert!(oracle.judge(&one).is_ok());
}

#[test]
fn bad_luck_is_counted_while_a_machine_hangs() {
    let oracle = oracle();
    oracle.change(&[("k", Verdict::Accepted(identity()))], || {});
    oracle.trouble_begins(Trouble::Patchy);
    let now = Instant::now();
    assert!(oracle.judge(&of_key(now, 503, "VERIFICATION_UNAVAILABLE")).is_ok());
    assert!(oracle.judge(&of_key(now, 200, "")).is_ok());
    assert_eq!((oracle.tally().unlucky, oracle.tally().patchy), (1, 1));
}

#[test]
fn a_key_that_nobody_judges_is_neither_accepted_nor_refused() {
    let oracle = oracle();
    let odd = |status, code| {
        let presented = Presented::Odd("odd".to_owned());
        oracle.judge(&request(presented, Instant::now(), status, code)).is_ok()
    };
    assert!(odd(503, "VERIFICATION_UNAVAILABLE") && odd(500, "INTERNAL_ERROR"));
    assert!(!odd(200, "") && !odd(401, "INVALID_KEY"));
    assert!(!odd(429, "RATE_LIMITED"), "it has begun nothing");
    for _ in 0..3 {
        oracle.begin("a client");
    }
    assert!(odd(429, "RATE_LIMITED"));
}
