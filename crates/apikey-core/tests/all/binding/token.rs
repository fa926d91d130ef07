//! The token of the second call. The verify endpoint may answer without a look at it, so only the second call proves it.

use super::*;
use apikey_core::FailureClass;

/// A Kinde whose verify endpoint asks for no token.
async fn public() -> Emulator {
    Emulator::builder().without_authentication().start().await.unwrap()
}

fn bound_with_clock(emulator: &Emulator) -> (Arc<KindeVerifier>, Arc<ManualClock>) {
    let (verifier, clock) = (bound(emulator), Arc::new(ManualClock::new()));
    verifier.use_clock(Arc::clone(&clock) as _);
    (Arc::new(verifier), clock)
}

async fn verify(verifier: &KindeVerifier, secret: &str) -> &'static str {
    kind(&verifier.verify(&key(secret)).await)
}

#[tokio::test]
async fn a_token_that_the_second_call_refuses_is_renewed_once() {
    for emulator in [emulator().await, public().await] {
        let (verifier, clock) = bound_with_clock(&emulator);
        let issued = key_for(&emulator, &["api_1"]);
        for round in 1..=3 {
            assert_eq!(verify(&verifier, &issued.secret).await, "accepted");
            assert_eq!(emulator.counters().token_calls, round);
            emulator.revoke_tokens();
            clock.advance(Duration::from_secs(1));
        }
    }
}

/// What the verify endpoint accepted for other keys says nothing here.
#[tokio::test]
async fn keys_that_are_only_verified_do_not_vouch_for_the_token() {
    let emulator = public().await;
    let (verifier, _clock) = bound_with_clock(&emulator);
    let issued = key_for(&emulator, &["api_1"]);
    assert_eq!(verify(&verifier, "k_live_nobody_1").await, "refused");
    emulator.revoke_tokens();
    assert_eq!(verify(&verifier, "k_live_nobody_2").await, "refused");
    assert_eq!(verify(&verifier, &issued.secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 2);
}

#[tokio::test]
async fn a_token_that_just_served_another_second_call_is_not_doubted() {
    let emulator = emulator().await;
    let (verifier, clock) = bound_with_clock(&emulator);
    let (good, odd) = (key_for(&emulator, &["api_1"]), key_for(&emulator, &["api_1"]));
    assert_eq!(verify(&verifier, &good.secret).await, "accepted");
    clock.advance(Duration::from_secs(60));
    emulator.script_faults(Endpoint::ApiKey, vec![Some(Fault::status(401))]);
    let error = verifier.verify(&key(&odd.secret)).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Unjudged, "{error}");
    assert_eq!(emulator.counters().token_calls, 1);
    clock.advance(Duration::from_secs(1));
    emulator.set_fault(Endpoint::ApiKey, Some(Fault::status(401)));
    let error = verifier.verify(&key(&odd.secret)).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::ServiceRefused, "{error}");
    assert_eq!(emulator.counters().token_calls, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_call_that_refuses_every_token_causes_one_a_minute() {
    for status in [401, 403] {
        let emulator = public().await;
        let (verifier, clock) = bound_with_clock(&emulator);
        let issued: Vec<IssuedKey> = (0..20).map(|_| key_for(&emulator, &["api_1"])).collect();
        emulator.set_fault(Endpoint::ApiKey, Some(Fault::status(status)));
        for minute in 1..=3 {
            for _ in 0..10 {
                let mut tasks = JoinSet::new();
                for issued in &issued {
                    let (verifier, secret) = (Arc::clone(&verifier), issued.secret.clone());
                    tasks.spawn(async move { verify(&verifier, &secret).await });
                }
                // Junk keys are judged by the verify endpoint, whatever the token is worth.
                assert_eq!(verify(&verifier, "k_live_nobody").await, "refused");
                assert!(tasks.join_all().await.iter().all(|told| *told == "misconfigured"));
                clock.advance(Duration::from_secs(5));
            }
            assert!(emulator.counters().token_calls <= 1 + minute, "{:?}", emulator.counters());
            clock.advance(Duration::from_secs(10));
        }
        emulator.set_fault(Endpoint::ApiKey, None);
        assert_eq!(verify(&verifier, &issued[0].secret).await, "accepted");
    }
}

/// If it did, each key whose second call is refused would cause the fetch of yet another token.
#[tokio::test]
async fn a_key_that_is_only_verified_puts_no_successor_in_use() {
    let emulator = public().await;
    let (verifier, clock) = bound_with_clock(&emulator);
    let issued = key_for(&emulator, &["api_1"]);
    let later = Fault::After(Duration::from_millis(300), Box::new(Fault::status(401)));
    emulator.set_fault(Endpoint::ApiKey, Some(Fault::status(401)));
    emulator.script_faults(Endpoint::ApiKey, vec![None, Some(Fault::status(401)), Some(later)]);
    assert_eq!(verify(&verifier, &issued.secret).await, "accepted");
    clock.advance(Duration::from_secs(61));
    let first = tokio::spawn({
        let (verifier, secret) = (Arc::clone(&verifier), key_for(&emulator, &["api_1"]).secret);
        async move { verify(&verifier, &secret).await }
    });
    emulator.wait_until(|counters| counters.api_key_calls == 3).await;
    for number in 0..3 {
        assert_eq!(verify(&verifier, &format!("k_live_nobody_{number}")).await, "refused");
    }
    assert_eq!(first.await.unwrap(), "misconfigured");
    for _ in 0..3 {
        assert_eq!(verify(&verifier, &key_for(&emulator, &["api_1"]).secret).await, "misconfigured");
    }
    assert_eq!(emulator.counters().token_calls, 2);
}

#[tokio::test]
async fn a_token_without_the_scope_is_named_and_its_grant_noticed() {
    for emulator in [emulator().await, public().await] {
        let (verifier, _clock) = bound_with_clock(&emulator);
        let issued = key_for(&emulator, &["api_1"]);
        emulator.deny_scope(true);
        let error = verifier.verify(&key(&issued.secret)).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::SetUp);
        assert!(error.reason().contains("read:api_keys"), "{error}");
        emulator.deny_scope(false);
        assert_eq!(verify(&verifier, &issued.secret).await, "accepted");
    }
}

/// A token that is renewed in time is tried by the second call, too, before it takes the place of the current one.
#[tokio::test]
async fn an_early_successor_serves_once_the_second_call_took_it() {
    let builder = Emulator::builder().token_lifetime(Some(Duration::from_secs(1000)));
    let emulator = builder.start().await.unwrap();
    let (verifier, clock) = bound_with_clock(&emulator);
    let issued = key_for(&emulator, &["api_1"]);
    assert_eq!(verify(&verifier, &issued.secret).await, "accepted");
    clock.advance(Duration::from_secs(901));
    assert_eq!(verify(&verifier, &issued.secret).await, "accepted");
    emulator.wait_until(|counters| counters.token_calls == 2).await;
    eventually("the successor is there", || !emulator.issued_tokens().is_empty()).await;
    for _ in 0..3 {
        assert_eq!(verify(&verifier, &issued.secret).await, "accepted");
    }
    // The first token has expired.
    clock.advance(Duration::from_secs(100));
    assert_eq!(verify(&verifier, &issued.secret).await, "accepted");
    assert_eq!(emulator.counters().token_calls, 2);
}
