//! A caller with junk keys can't harm the token that all others need.

use super::*;

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

/// The second call for each key is held, so it is not known yet whether the new token helps.
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
            // Its second call has arrived.
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

/// A caller that chooses its key must not be able to take the token away that all others need.
#[tokio::test]
async fn a_junk_key_takes_no_token_away_while_fetches_fail() {
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
    // The pause after the first of them lasts 1 s of real time.
    let bound = 1 + 16 + 1 + began.elapsed().as_secs();
    assert!(emulator.counters().token_calls <= bound, "{:?}", emulator.counters());
}

/// The token is no longer valid, and a junk key is the first to find out. Its answer with the new token proves
/// nothing against the new token.
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
