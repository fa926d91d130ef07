//! How long a token is used, and when it is renewed.

use super::*;

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

/// The pool gets a connection back a moment after its answer, on another thread. So the next call may not find it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_verifications_on_many_threads_share_few_connections() {
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

    // After the end of the first token, the second one is in use. If it is still on its way, callers wait for it.
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
async fn a_failed_early_renewal_keeps_the_old_token_and_waits() {
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

    // Later it is tried again. The loop is needed because the failure may still be on its way.
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
    // The value of `expires_in`, a time at which the token is not renewed yet, and one at which it is.
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
