//! Answers that bring the token into doubt, and how many new tokens they cost.

use super::*;

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
    // The order among them does not matter.
    clock.advance(OF_LATE);
    emulator.revoke_tokens();
    assert!(all_are(&verify_all(&verifier, secrets).await, "accepted"));
    assert_eq!(emulator.counters().token_calls, 5);
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
async fn no_key_brings_a_token_into_doubt_that_just_served_another() {
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

/// A failure of Kinde's does not tell whether the new token is good. The next key that is judged with it does.
#[tokio::test]
async fn a_renewal_beside_a_failure_pauses_until_the_token_is_of_use() {
    for failure in [Fault::status(503), Fault::Reset, Fault::status(404), Fault::Hang] {
        let emulator = emulator().await;
        let (verifier, key) = (kinde(&emulator), reader(&emulator));
        assert_eq!(verify(&verifier, &key.secret).await, "accepted");
        for round in 1..=3 {
            emulator.revoke_tokens();
            emulator.script_faults(Endpoint::Verify, vec![None, Some(failure.clone())]);
            tokio::select! {
                answer = verify(&verifier, &key.secret) => assert!(matches!(answer, "misconfigured" | "unavailable")),
                // The caller's time ends before the answer comes.
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

/// At Kinde, the rights of a token are decided when it is issued.
#[tokio::test]
async fn a_scope_that_takes_a_new_token_is_noticed_after_the_pause() {
    let emulator = emulator().await;
    let key = reader(&emulator);
    let (verifier, clock) = kinde_with_clock(&emulator);
    emulator.deny_scope(true);
    for _ in 0..3 {
        assert_eq!(verify(&verifier, &key.secret).await, "misconfigured");
    }
    // The tokens until now never become good.
    emulator.revoke_tokens();
    emulator.deny_scope(false);
    assert_eq!(verify(&verifier, &key.secret).await, "misconfigured", "paused");
    clock.advance(Duration::from_secs(61));
    assert_eq!(verify(&verifier, &key.secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 3);
}
