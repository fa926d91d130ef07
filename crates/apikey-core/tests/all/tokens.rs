//! The service's own token: shared, renewed early, never fetched in a storm.

use std::sync::Arc;
use std::time::Duration;

use apikey_core::{
    FailureClass, KindeSettings, KindeVerifier, MachineToMachine, ManualClock, Verifier, VerifierError,
};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, Gate, NegativeAnswer, ScriptedAnswer};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::*;

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Just longer than a token is beyond doubt after it was accepted for another key.
const OF_LATE: Duration = Duration::from_secs(61);

async fn verify(verifier: &KindeVerifier, secret: &str) -> &'static str {
    kind(&verifier.verify(&key(secret)).await)
}

fn said(error: &VerifierError) -> String {
    error.to_string()
}

/// Verifies all of these at once, and tells how they were answered.
async fn verify_all(verifier: &Arc<KindeVerifier>, secrets: Vec<String>) -> Vec<&'static str> {
    spawn_all(verifier, secrets).join_all().await
}

fn spawn_all(verifier: &Arc<KindeVerifier>, secrets: Vec<String>) -> JoinSet<&'static str> {
    let mut tasks = JoinSet::new();
    for secret in secrets {
        let verifier = Arc::clone(verifier);
        tasks.spawn(async move { verify(&verifier, &secret).await });
    }
    tasks
}

fn junk(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k_live_junk_{name}_{number}")).collect()
}

fn all_are(answers: &[&str], expected: &str) -> bool {
    answers.iter().all(|answer| *answer == expected)
}

async fn fifty_in_a_row(most_connections: u64) {
    let emulator = emulator().await;
    let (verifier, key) = (kinde(&emulator), reader(&emulator));
    for _ in 0..50 {
        assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    }
    let counters = emulator.counters();
    assert_eq!((counters.token_calls, counters.verify_calls), (1, 50));
    assert!(counters.connections <= most_connections, "{counters:?}");
}

#[tokio::test]
async fn fifty_verifications_in_a_row_share_a_token_and_a_connection() {
    fifty_in_a_row(2).await;
}

/// The pool gets a connection back a moment after its answer, on another thread, so the next call may just miss it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_verifications_in_a_row_share_a_token_and_few_connections_on_many_threads() {
    fifty_in_a_row(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_cold_verifications_fetch_one_token() {
    let emulator = emulator().await;
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Token, Some(Fault::Hold(gate.clone())));
    let verifier = Arc::new(kinde(&emulator));
    let secrets = readers(&emulator, 100).into_iter().map(|key| key.secret).collect();
    let tasks = spawn_all(&verifier, secrets);
    emulator.wait_until(|counters| counters.token_calls == 1).await;
    assert_eq!(emulator.counters().verify_calls, 0, "nobody asks without a token");
    gate.open();
    assert!(all_are(&tasks.join_all().await, "accepted"));
    let counters = emulator.counters();
    assert_eq!((counters.token_calls, counters.verify_calls), (1, 100));
}

#[tokio::test]
async fn a_token_is_renewed_early_with_nobody_waiting() {
    let minute = Duration::from_secs(60);
    let emulator = Emulator::builder().token_lifetime(Some(minute)).start().await.unwrap();
    let key = reader(&emulator);
    let (verifier, clock) = kinde_with_clock(&emulator);
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    clock.advance(minute * 8 / 10);
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 1, "not too early");

    let gate = Gate::new();
    emulator.set_fault(Endpoint::Token, Some(Fault::Hold(gate.clone())));
    clock.advance(minute / 10 + Duration::from_secs(1));
    for _ in 0..5 {
        assert_eq!(verify(&verifier, &key.secret).await, "accepted", "with the old token");
    }
    emulator.wait_until(|counters| counters.token_calls == 2).await;
    gate.open();

    // Past the end of the first token, the second is in use; if it is still on its way, it is waited for.
    clock.advance(minute / 10);
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 2);
    assert_eq!(emulator.counters().verify_calls, 8, "nothing was asked twice");
}

#[tokio::test]
async fn the_authenticators_clock_is_the_tokens_clock() {
    let minute = Duration::from_secs(60);
    let emulator = Emulator::builder().token_lifetime(Some(minute)).start().await.unwrap();
    let issued = reader(&emulator);
    let verifiers: [Box<dyn Verifier>; 2] =
        [Box::new(kinde(&emulator)), Box::new(Arc::new(kinde(&emulator)))];
    for verifier in verifiers {
        emulator.reset_counters();
        let clock = Arc::new(ManualClock::new());
        let authenticator = patient(verifier).clock(Arc::clone(&clock) as _).build().unwrap();
        authenticator.verify(key(&issued.secret)).await.unwrap();
        assert_eq!(emulator.counters().token_calls, 1);
        authenticator.clear();
        clock.advance(minute);
        authenticator.verify(key(&issued.secret)).await.unwrap();
        assert_eq!(emulator.counters().token_calls, 2);
    }
}

#[tokio::test]
async fn an_early_renewal_that_fails_keeps_the_old_token_and_is_not_repeated_at_once() {
    let emulator = Emulator::builder().token_lifetime(Some(YEAR)).start().await.unwrap();
    let key = reader(&emulator);
    let (verifier, clock) = kinde_with_clock(&emulator);
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");

    emulator.set_fault(Endpoint::Token, Some(Fault::status(500)));
    clock.advance(YEAR * 9 / 10 + Duration::from_secs(1));
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    emulator.wait_until(|counters| counters.token_calls == 2).await;
    clock.advance(Duration::from_secs(29));
    for _ in 0..20 {
        assert_eq!(verify(&verifier, &key.secret).await, "accepted", "the old token still lives");
    }
    assert_eq!(emulator.counters().token_calls, 2, "not repeated at once");

    // Later it is tried again; the loop is for the case that the failure is still on its way.
    emulator.set_fault(Endpoint::Token, None);
    while emulator.counters().token_calls < 3 {
        clock.advance(Duration::from_secs(31));
        assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    }
    clock.advance(YEAR / 10);
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 3);
}

#[tokio::test]
async fn an_expired_token_is_replaced_by_one_fetch_for_everybody() {
    let emulator = emulator().await;
    let (verifier, clock) = kinde_with_clock(&emulator);
    let secrets: Vec<String> = readers(&emulator, 50).into_iter().map(|key| key.secret).collect();
    assert_eq!(verify(&verifier, &secrets[0]).await, "accepted");
    clock.advance(Duration::from_secs(86_399));
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Token, Some(Fault::Hold(gate.clone())));
    let tasks = spawn_all(&verifier, secrets);
    emulator.wait_until(|counters| counters.token_calls == 2).await;
    assert_eq!(emulator.counters().verify_calls, 1, "an expired token is not presented");
    gate.open();
    assert!(all_are(&tasks.join_all().await, "accepted"));
    assert_eq!(emulator.counters().token_calls, 2);
}

#[tokio::test]
async fn any_lifetime_that_kinde_tells_is_coped_with() {
    // What expires_in says, a time at which the token is not renewed yet, and one at which it is.
    let cases = [
        (json!(null), Some((3239, 3240))),
        (json!("3600"), Some((3239, 3240))),
        (json!(" 3600 "), Some((3239, 3240))),
        (json!(7200), Some((6479, 6480))),
        (json!(0), Some((53, 54))),
        (json!(1), Some((53, 54))),
        (json!("0"), Some((53, 54))),
        (json!(-1), Some((3239, 3240))),
        (json!("soon"), Some((3239, 3240))),
        (json!([1]), Some((3239, 3240))),
        (json!(1e30), Some((3239, 3240))),
        (json!(u64::MAX), None),
        (json!("18446744073709551615"), None),
    ];
    for (expires_in, times) in cases {
        let emulator = Emulator::builder().without_authentication().start().await.unwrap();
        let key = reader(&emulator);
        let body = match &expires_in {
            serde_json::Value::Null => json!({"access_token": "abc"}),
            told => json!({"access_token": "abc", "expires_in": told, "token_type": "bearer"}),
        };
        emulator.set_fault(Endpoint::Token, Some(Fault::Answer(ScriptedAnswer::json(200, &body))));
        let (verifier, clock) = kinde_with_clock(&emulator);
        let (not_yet, then) = times.unwrap_or((300 * 24 * 60 * 60, 329 * 24 * 60 * 60));
        for seconds in [0, not_yet] {
            clock.advance(Duration::from_secs(seconds));
            assert_eq!(verify(&verifier, &key.secret).await, "accepted", "{expires_in}");
            assert_eq!(emulator.counters().token_calls, 1, "{expires_in}");
        }
        clock.advance(Duration::from_secs(then - not_yet));
        assert_eq!(verify(&verifier, &key.secret).await, "accepted", "{expires_in}");
        emulator.wait_until(|counters| counters.token_calls == 2).await;
    }
}

#[tokio::test]
async fn a_token_without_expires_in_is_used() {
    let emulator = Emulator::builder().token_lifetime(None).start().await.unwrap();
    let (verifier, key) = (kinde(&emulator), reader(&emulator));
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 1);
}

#[tokio::test]
async fn a_revoked_token_costs_one_more_and_the_verification_succeeds() {
    let emulator = emulator().await;
    let (verifier, key) = (kinde(&emulator), reader(&emulator));
    for round in 1..=3 {
        assert_eq!(verify(&verifier, &key.secret).await, "accepted");
        assert_eq!(emulator.counters().token_calls, round);
        emulator.revoke_tokens();
    }
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    let counters = emulator.counters();
    assert_eq!((counters.token_calls, counters.verify_calls), (4, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_costs_one_more_for_fifty_at_once() {
    let emulator = emulator().await;
    let (verifier, clock) = kinde_with_clock(&emulator);
    let secrets: Vec<String> = readers(&emulator, 50).into_iter().map(|key| key.secret).collect();
    assert_eq!(verify(&verifier, &secrets[0]).await, "accepted");
    for round in 1..=3 {
        clock.advance(OF_LATE);
        emulator.revoke_tokens();
        let gate = Gate::new();
        emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone())); 50]);
        let tasks = spawn_all(&verifier, secrets.clone());
        emulator.wait_until(|counters| counters.verifications_in_flight == 50).await;
        gate.open();
        let answers = tasks.join_all().await;
        assert!(all_are(&answers, "accepted"), "{answers:?}");
        assert_eq!(emulator.counters().token_calls, 1 + round);
    }
    // And without any order among them.
    clock.advance(OF_LATE);
    emulator.revoke_tokens();
    assert!(all_are(&verify_all(&verifier, secrets).await, "accepted"));
    assert_eq!(emulator.counters().token_calls, 5);
}

#[tokio::test]
async fn junk_keys_that_draw_anonymous_401s_cause_no_storm_of_tokens() {
    let emulator = emulator().await;
    emulator.set_negative_answer(NegativeAnswer::Anonymous401);
    let key = reader(&emulator);
    let (verifier, clock) = kinde_with_clock(&emulator);
    for secret in junk("in_a_row", 50) {
        assert_eq!(
            verify(&verifier, &secret).await,
            "misconfigured",
            "a 401 that names no key is no refusal"
        );
    }
    assert_eq!(emulator.counters().token_calls, 2);
    assert_eq!(verify(&verifier, &key.secret).await, "accepted", "a good key is none the worse for it");

    clock.advance(Duration::from_secs(59));
    for secret in junk("while_trusted", 50) {
        assert_eq!(verify(&verifier, &secret).await, "unavailable");
        assert_eq!(emulator.verify_calls_for(&secret), 1, "the token was accepted for another key");
    }
    assert_eq!(emulator.counters().token_calls, 2, "paused for a minute");
    clock.advance(Duration::from_secs(2));
    for secret in junk("after_the_pause", 50) {
        assert_eq!(verify(&verifier, &secret).await, "misconfigured");
    }
    assert_eq!(emulator.counters().token_calls, 3, "one more, and a new pause");
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_junk_keys_at_once_cause_no_storm_of_tokens() {
    let emulator = emulator().await;
    emulator.set_negative_answer(NegativeAnswer::Anonymous401);
    let key = reader(&emulator);
    let verifier = Arc::new(kinde(&emulator));
    let tasks = spawn_all(&verifier, junk("at_once", 200));
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(|answer| matches!(*answer, "misconfigured" | "unavailable")), "{answers:?}");
    let counters = emulator.counters();
    assert!(counters.token_calls <= 2, "{counters:?}");
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
}

/// The second question about each is held back, so that nobody knows yet whether the new token was of any use.
#[tokio::test]
async fn junk_keys_that_overlap_cannot_buy_one_token_after_the_other() {
    let emulator = emulator().await;
    emulator.set_negative_answer(NegativeAnswer::Anonymous401);
    let good = reader(&emulator);
    let verifier = Arc::new(kinde(&emulator));
    let gate = Gate::new();
    let mut held = JoinSet::new();
    for secret in junk("overlapping", 20) {
        let already = held.len() as u64;
        emulator.script_faults(Endpoint::Verify, vec![None, Some(Fault::Hold(gate.clone()))]);
        let mut asking = spawn_all(&verifier, vec![secret.clone()]);
        tokio::select! {
            answer = asking.join_next() => assert_eq!(answer.unwrap().unwrap(), "misconfigured"),
            // Its second question has arrived.
            _ = emulator.wait_until(|counters| {
                counters.verifications_in_flight == already + 1 && emulator.verify_calls_for(&secret) == 2
            }) => {
                held.spawn(async move { asking.join_next().await.unwrap().unwrap() });
            }
        }
        emulator.script_faults(Endpoint::Verify, Vec::new());
    }
    assert!(!held.is_empty());
    let counters = emulator.counters();
    assert_eq!(
        counters.token_calls, 2,
        "one of them bought a token, and no other until it is known to be of use"
    );
    gate.open();
    let answers = held.join_all().await;
    assert!(all_are(&answers, "misconfigured"), "{answers:?}");
    assert_eq!(verify(&verifier, &good.secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 2);
}

/// Whoever chooses a key must not be able to take the token away that all others need.
#[tokio::test]
async fn a_junk_key_takes_no_token_away_while_the_token_endpoint_fails() {
    for (negative, class) in [
        (NegativeAnswer::Bare401, FailureClass::Unjudged),
        (NegativeAnswer::Anonymous401, FailureClass::Outage),
    ] {
        let emulator = emulator().await;
        emulator.set_negative_answer(negative);
        let (verifier, clock) = kinde_with_clock(&emulator);
        let keys = readers(&emulator, 3);
        assert_eq!(verify(&verifier, &keys[0].secret).await, "accepted");
        clock.advance(OF_LATE);
        emulator.set_fault(Endpoint::Token, Some(Fault::status(500)));
        for secret in junk("beside_an_outage", 3) {
            let error = verifier.verify(&key(&secret)).await.unwrap_err();
            assert_eq!(error.class(), class, "{negative:?}: {error}");
        }
        for key in &keys {
            assert_eq!(verify(&verifier, &key.secret).await, "accepted", "{negative:?}");
        }
        assert_eq!(emulator.counters().token_calls, 4, "{negative:?}");
    }
}

#[tokio::test]
async fn a_flood_of_junk_keys_is_no_flood_of_failed_fetches() {
    let emulator = emulator().await;
    emulator.set_negative_answer(NegativeAnswer::Bare401);
    let (verifier, clock) = kinde_with_clock(&emulator);
    let good = reader(&emulator);
    assert_eq!(verify(&verifier, &good.secret).await, "accepted");
    clock.advance(OF_LATE);
    emulator.set_fault(Endpoint::Token, Some(Fault::status(500)));
    let began = std::time::Instant::now();
    for secret in junk("beside_an_outage", 200) {
        assert_eq!(verify(&verifier, &secret).await, "unavailable");
    }
    // The pause after the first of them is a second of real time.
    let bound = 1 + 16 + 1 + began.elapsed().as_secs();
    assert!(emulator.counters().token_calls <= bound, "{:?}", emulator.counters());
}

/// A firewall's page says nothing about the token.
#[tokio::test]
async fn a_403_without_errors_renews_nothing() {
    let emulator = emulator().await;
    let (verifier, good) = (kinde(&emulator), reader(&emulator));
    for body in ["<html>blocked</html>", "", "{}"] {
        let page = Fault::Answer(ScriptedAnswer::new(403, body));
        emulator.set_key_fault("k_live_odd", Some(page));
        let error = verifier.verify(&key("k_live_odd")).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::Unjudged, "{body:?}: {error}");
    }
    assert_eq!(emulator.verify_calls_for("k_live_odd"), 3);
    assert_eq!(emulator.counters().token_calls, 1);
    assert_eq!(verify(&verifier, &good.secret).await, "accepted");
}

#[tokio::test]
async fn a_token_that_another_key_was_accepted_with_is_not_doubted_for_a_minute() {
    let emulator = emulator().await;
    let (verifier, clock) = kinde_with_clock(&emulator);
    let good = reader(&emulator);
    let odd = |status, body: &str| Some(Fault::Answer(ScriptedAnswer::new(status, body)));
    let other = r#"{"errors":[{"code":"MISSING_SCOPE_READ_API_KEYS"}]}"#;
    for (status, body) in [(401, ""), (401, other), (403, ""), (403, other)] {
        emulator.set_key_fault("k_live_odd", odd(status, body));
        assert_eq!(verify(&verifier, &good.secret).await, "accepted");
        clock.advance(Duration::from_secs(60));
        let error = verifier.verify(&key("k_live_odd")).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::Unjudged, "{status} {body:?}: {error}");
    }
    assert_eq!(emulator.verify_calls_for("k_live_odd"), 4);
    assert_eq!(emulator.counters().token_calls, 1);

    emulator.set_key_fault("k_live_odd", odd(401, other));
    clock.advance(Duration::from_secs(1));
    let error = verifier.verify(&key("k_live_odd")).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::ServiceRefused, "{error}");
    assert_eq!(emulator.verify_calls_for("k_live_odd"), 6, "once more, with a new token");
    assert_eq!(emulator.counters().token_calls, 2);
}

/// The token is dead, and a junk key is the first to find out. What it draws with the new token proves nothing against it.
#[tokio::test]
async fn a_junk_key_keeps_nobody_from_a_new_token() {
    let emulator = emulator().await;
    emulator.set_negative_answer(NegativeAnswer::Anonymous401);
    let (verifier, clock) = kinde_with_clock(&emulator);
    let keys = readers(&emulator, 2);
    assert_eq!(verify(&verifier, &keys[0].secret).await, "accepted");
    clock.advance(OF_LATE);
    emulator.revoke_tokens();
    for secret in junk("first", 5) {
        assert_eq!(verify(&verifier, &secret).await, "misconfigured");
    }
    assert_eq!(verify(&verifier, &keys[1].secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 2);
    assert_eq!(verify(&verifier, &keys[0].secret).await, "accepted");
    assert_eq!(emulator.verify_calls_for(&keys[0].secret), 2, "the new token is in use");
}

#[tokio::test]
async fn junk_keys_buy_no_tokens_while_kinde_fails_now_and_then() {
    for failure in [Fault::status(503), Fault::Reset, Fault::status(404)] {
        let emulator = emulator().await;
        emulator.set_negative_answer(NegativeAnswer::Anonymous401);
        let verifier = kinde(&emulator);
        for secret in junk("flaky", 20) {
            emulator.script_faults(Endpoint::Verify, vec![None, Some(failure.clone())]);
            assert!(matches!(verify(&verifier, &secret).await, "misconfigured" | "unavailable"));
        }
        assert_eq!(emulator.counters().token_calls, 2, "{failure:?}");
    }
}

/// Whether the new token is any good, Kinde's failure does not tell; the next key that is judged with it does.
#[tokio::test]
async fn a_renewal_beside_a_failure_pauses_only_until_the_new_token_is_of_use() {
    for failure in [Fault::status(503), Fault::Reset, Fault::status(404), Fault::Hang] {
        let emulator = emulator().await;
        let (verifier, key) = (kinde(&emulator), reader(&emulator));
        assert_eq!(verify(&verifier, &key.secret).await, "accepted");
        for round in 1..=3 {
            emulator.revoke_tokens();
            emulator.script_faults(Endpoint::Verify, vec![None, Some(failure.clone())]);
            tokio::select! {
                answer = verify(&verifier, &key.secret) => assert!(matches!(answer, "misconfigured" | "unavailable")),
                // The caller's budget ends before the answer comes.
                _ = emulator.wait_until(|counters| counters.verifications_in_flight == 1 && counters.token_calls == 1 + round),
                    if matches!(failure, Fault::Hang) => {}
            }
            assert_eq!(verify(&verifier, &key.secret).await, "accepted");
            assert_eq!(emulator.counters().token_calls, 1 + round, "{failure:?}");
        }
    }
}

#[tokio::test]
async fn a_renewal_that_finds_no_token_pauses_nothing() {
    let emulator = emulator().await;
    let (verifier, key) = (kinde(&emulator), reader(&emulator));
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    emulator.revoke_tokens();
    emulator.script_faults(Endpoint::Token, vec![Some(Fault::status(500))]);
    assert_eq!(verify(&verifier, &key.secret).await, "unavailable");
    for _ in 0..2 {
        assert_eq!(verify(&verifier, &key.secret).await, "accepted");
        emulator.revoke_tokens();
    }
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 5);
}

#[tokio::test]
async fn a_missing_scope_is_named_and_its_grant_is_noticed_at_once() {
    let emulator = emulator().await;
    let (verifier, key_) = (kinde(&emulator), reader(&emulator));
    emulator.deny_scope(true);
    for _ in 0..20 {
        let error = verifier.verify(&key(&key_.secret)).await.unwrap_err();
        assert!(is_set_up(&error), "{error}");
        assert!(said(&error).contains("read:api_keys"), "{error}");
        assert!(said(&error).contains("KINDE_MANAGEMENT_CLIENT_ID"), "{error}");
    }
    assert_eq!(
        emulator.counters().token_calls,
        2,
        "a grant may need a new token, but not one for each caller"
    );
    emulator.deny_scope(false);
    assert_eq!(verify(&verifier, &key_.secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 2);
}

/// As Kinde has it: what a token may do is decided when it is issued.
#[tokio::test]
async fn a_scope_that_takes_a_new_token_is_noticed_after_the_pause() {
    let emulator = emulator().await;
    let key = reader(&emulator);
    let (verifier, clock) = kinde_with_clock(&emulator);
    emulator.deny_scope(true);
    for _ in 0..3 {
        assert_eq!(verify(&verifier, &key.secret).await, "misconfigured");
    }
    // The tokens so far never become good.
    emulator.revoke_tokens();
    emulator.deny_scope(false);
    assert_eq!(verify(&verifier, &key.secret).await, "misconfigured", "paused");
    clock.advance(Duration::from_secs(61));
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 3);
}

#[tokio::test]
async fn each_wrong_setting_is_named() {
    let emulator = emulator().await;
    let key_ = reader(&emulator);
    for (setting, value) in [
        ("KINDE_MANAGEMENT_CLIENT_ID", "nobody"),
        ("KINDE_MANAGEMENT_CLIENT_SECRET", "wrong-secret-canary"),
        ("KINDE_MANAGEMENT_AUDIENCE", "https://elsewhere.kinde.com/api"),
    ] {
        let verifier = KindeVerifier::new(settings_with(&emulator, &[(setting, value)])).unwrap();
        let error = verifier.verify(&key(&key_.secret)).await.unwrap_err();
        assert!(is_set_up(&error), "{setting}: {error}");
        assert!(said(&error).contains(setting), "{setting}: {error}");
        assert!(!said(&error).contains("canary"), "{error}");
    }
    assert_eq!(emulator.counters().verify_calls, 0);
}

#[tokio::test]
async fn an_outage_of_the_token_endpoint_is_an_outage_and_ends_with_it() {
    let cases = [
        Fault::status(429),
        Fault::TooManyRequests { rate_limit_reset: Some(7), retry_after: None },
        Fault::status(500),
        Fault::status(503),
        Fault::Garbage,
        Fault::RawGarbage,
        Fault::Empty,
        Fault::Reset,
        Fault::Close,
        Fault::HugeBody(200 << 20),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"token_type": "bearer", "expires_in": 3600}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"access_token": "", "expires_in": 3600}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"access_token": "two words"}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"access_token": "a\r\nx: y"}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"access_token": 1}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!(["abc", 3600]))),
        Fault::Answer(ScriptedAnswer::json(400, &json!({"error": "something_new"}))),
        Fault::Answer(ScriptedAnswer::new(403, "<html>blocked by a firewall</html>")),
    ];
    let emulator = emulator().await;
    let key_ = reader(&emulator);
    for fault in cases {
        let verifier = kinde(&emulator);
        emulator.reset_counters();
        emulator.set_fault(Endpoint::Token, Some(fault.clone()));
        let said = verifier.verify(&key(&key_.secret)).await;
        assert_eq!(kind(&said), "unavailable", "{fault:?}: {said:?}");
        assert_eq!(emulator.counters().verify_calls, 0, "{fault:?}");
        emulator.set_fault(Endpoint::Token, None);
        assert_eq!(verify(&verifier, &key_.secret).await, "accepted", "recovers right after {fault:?}");
    }
}

/// Time stands still but for the deadlines: the one of the verification, then the one of the fetch.
#[tokio::test]
async fn a_token_endpoint_that_hangs_is_given_up() {
    let emulator = emulator().await;
    let key_ = reader(&emulator);
    let authenticator = apikey_core::Authenticator::builder(kinde(&emulator)).build().unwrap();
    emulator.set_fault(Endpoint::Token, Some(Fault::Hang));
    let waiting = tokio::spawn({
        let authenticator = authenticator.clone();
        let key = key(&key_.secret);
        async move { authenticator.verify(key).await }
    });
    emulator.wait_until(|counters| counters.token_calls == 1).await;
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    assert_eq!(told(&waiting.await.unwrap()), "VERIFICATION_UNAVAILABLE");
    assert!(started.elapsed() <= Duration::from_millis(3100), "{:?}", started.elapsed());
    tokio::time::sleep(Duration::from_secs(10)).await;
    tokio::time::resume();
    let calls = emulator.counters().token_calls;
    assert!(calls <= 4, "{calls} calls: one, and second tries beside it");
    emulator.set_fault(Endpoint::Token, None);
    assert_eq!(told(&authenticator.verify(key(&key_.secret)).await), key_.key_id);
    assert_eq!(emulator.counters().token_calls, calls + 1);
}

#[tokio::test]
async fn who_gives_up_waiting_for_a_token_cancels_it_for_nobody_else() {
    let emulator = emulator().await;
    let keys = readers(&emulator, 2);
    let verifier = Arc::new(kinde(&emulator));
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Token, Some(Fault::Hold(gate.clone())));
    let impatient = patient(Shared(Arc::clone(&verifier))).verification_timeout(SHORT).build().unwrap();
    // It lives to the end, because its connections end with its thread.
    let patient = patient(Shared(verifier)).build().unwrap();
    let other = tokio::spawn({
        let (patient, key) = (patient.clone(), key(&keys[1].secret));
        async move { patient.verify(key).await }
    });
    assert_eq!(told(&impatient.verify(key(&keys[0].secret)).await), "VERIFICATION_UNAVAILABLE");
    emulator.wait_until(|counters| counters.token_calls == 1).await;
    gate.open();
    assert_eq!(told(&other.await.unwrap()), keys[1].key_id);
    assert_eq!(told(&impatient.verify(key(&keys[0].secret)).await), keys[0].key_id);
    assert_eq!(emulator.counters().token_calls, 1);
}

#[tokio::test]
async fn the_token_is_asked_for_as_oauth_has_it() {
    let server = RawServer::start(|request| {
        if request.starts_with("POST /oauth2/token") {
            ok(r#"{"access_token":"abc.def","expires_in":3600}"#)
        } else {
            ok(r#"{"is_valid":true,"status":"active","key_id":"api_key_1"}"#)
        }
    })
    .await;
    let settings = KindeSettings::new(&server.url)
        .machine_to_machine(MachineToMachine::new("an id", "s&cret=+/ü%"))
        .audience("https://example.kinde.com/api");
    let verifier = KindeVerifier::new(settings).unwrap();
    assert_eq!(verify(&verifier, "k_live_1").await, "accepted");
    let request = &server.requests()[0];
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /oauth2/token HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\ncontent-type: application/x-www-form-urlencoded"), "{head}");
    assert!(!head.contains("authorization"), "{head}");
    assert_eq!(
        body,
        "grant_type=client%5Fcredentials&client_id=an%20id&client_secret=s%26cret%3D%2B%2F%C3%BC%25\
         &audience=https%3A%2F%2Fexample%2Ekinde%2Ecom%2Fapi"
    );
}

/// The runtime that fetches a token may go away; others wait for it, and are neither left waiting nor refused for good.
#[test]
fn a_fetch_whose_runtime_goes_away_fails_those_who_wait_and_is_made_anew() {
    let stage = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = stage.block_on(emulator());
    let key_ = reader(&emulator);
    let verifier = Arc::new(kinde(&emulator));
    emulator.set_fault(Endpoint::Token, Some(Fault::Hang));
    let short_lived =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let carried = Arc::clone(&verifier);
    let secret = key_.secret.clone();
    short_lived.spawn(async move { verify(&carried, &secret).await });
    stage.block_on(emulator.wait_until(|counters| counters.token_calls == 1));
    let waiting = {
        let (verifier, secret) = (Arc::clone(&verifier), key_.secret.clone());
        stage.spawn(async move { verify(&verifier, &secret).await })
    };
    stage.block_on(async {
        // It has no way to tell that it waits, but once it was polled it does.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    });
    emulator.set_fault(Endpoint::Token, None);
    short_lived.shutdown_background();
    let answer = stage.block_on(waiting).unwrap();
    assert!(matches!(answer, "unavailable" | "accepted"), "{answer}");
    assert_eq!(stage.block_on(verify(&verifier, &key_.secret)), "accepted");
    assert_eq!(emulator.counters().token_calls, 2);
}

/// As actix-web has it: one runtime a worker. A handler that blocks its worker stalls the fetch that started there;
/// once the fetch is older than it may become, others make their own.
#[test]
fn a_fetch_whose_runtime_stalls_is_not_waited_for_for_ever() {
    let stage = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = stage.block_on(emulator());
    let issued = reader(&emulator);
    let (verifier, clock) = kinde_with_clock(&emulator);
    emulator.set_fault(Endpoint::Token, Some(Fault::Hang));
    let blocked = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    blocked.block_on(async {
        tokio::select! {
            answer = verify(&verifier, &issued.secret) => panic!("{answer}"),
            _ = emulator.wait_until(|counters| counters.token_calls == 1) => {}
        }
    });
    // From here on nobody drives it, as if a handler blocked it.
    emulator.set_fault(Endpoint::Token, None);
    clock.advance(Duration::from_secs(11));
    let answer = stage.block_on(async {
        tokio::time::timeout(Duration::from_secs(5), verify(&verifier, &issued.secret)).await
    });
    drop(blocked);
    assert_eq!(answer.expect("an answer within five seconds"), "accepted");
}

/// Junk keys at a service whose secret is wrong: the token endpoint hears of it a few times, not once a key.
#[tokio::test]
async fn a_refused_set_up_is_not_asked_about_for_every_key() {
    let emulator = emulator().await;
    let credentials = apikey_core::MachineToMachine::new(emulator.client_id(), "another secret");
    let settings = apikey_core::KindeSettings::new(emulator.url())
        .machine_to_machine(credentials)
        .audience(emulator.audience());
    let verifier = apikey_core::KindeVerifier::new(settings).unwrap();
    let began = std::time::Instant::now();
    for number in 0..200 {
        assert_eq!(verify(&verifier, &format!("k_live_{number}")).await, "misconfigured");
    }
    // The pause that follows the first of them is a second of real time.
    let bound = 16 + 1 + began.elapsed().as_secs();
    assert!(emulator.counters().token_calls <= bound, "{} calls", emulator.counters().token_calls);
}
