//! Verifies many keys at once.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use apikey_core::BATCH_CONCURRENCY;
use apikey_testkit::emulator::{Endpoint, Fault, Gate, KeySpecification, ScriptedAnswer};

use crate::support::*;

#[tokio::test]
async fn answers_stand_in_the_order_of_the_keys() {
    let emulator = emulator().await;
    let authenticator = authenticator(&emulator);
    let mut keys = readers(&emulator, 40);
    keys.reverse();
    let answers = authenticator.verify_many(keys.iter().map(|key| key.secret.as_str())).await;
    let told: Vec<String> = answers.iter().map(told).collect();
    assert_eq!(told, keys.iter().map(|key| key.key_id.clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_order_holds_where_the_first_is_answered_last() {
    let emulator = emulator().await;
    let authenticator = authenticator(&emulator);
    let keys = readers(&emulator, 30);
    let gate = Gate::new();
    emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone()))]);
    let secrets: Vec<String> = keys.iter().map(|key| key.secret.clone()).collect();
    let batch = tokio::spawn(async move { authenticator.verify_many(secrets).await });
    emulator
        .wait_until(|counters| counters.verify_calls == 30 && counters.verifications_in_flight == 1)
        .await;
    gate.open();
    let answers = batch.await.unwrap();
    for (answer, key) in answers.iter().zip(&keys) {
        assert_eq!(told(answer), key.key_id);
    }
}

#[tokio::test]
async fn a_repeated_key_is_verified_once_even_with_the_cache_off() {
    let emulator = emulator().await;
    let authenticator = uncached(&emulator);
    let keys = readers(&emulator, 3);
    let places: Vec<usize> = (0..300).map(|place| (place * 7) % 3).collect();
    let answers = authenticator.verify_many(places.iter().map(|place| &keys[*place].secret)).await;
    for (place, answer) in places.iter().zip(&answers) {
        assert_eq!(told(answer), keys[*place].key_id);
    }
    assert_eq!(emulator.counters().verify_calls, 3);
}

#[tokio::test]
async fn no_more_than_so_many_questions_are_open_at_once() {
    let emulator = emulator().await;
    let authenticator = authenticator(&emulator);
    let keys = readers(&emulator, 100);
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let secrets: Vec<String> = keys.iter().map(|key| key.secret.clone()).collect();
    let batch = tokio::spawn(async move { authenticator.verify_many(secrets).await });
    let full = BATCH_CONCURRENCY as u64;
    emulator.wait_until(|counters| counters.verifications_in_flight == full).await;
    gate.open();
    assert!(batch.await.unwrap().iter().all(Result::is_ok));
    let counters = emulator.counters();
    assert_eq!((counters.verify_calls, counters.most_verifications_in_flight), (100, full));
}

#[tokio::test]
async fn a_batch_larger_than_the_places_is_verified_whole() {
    for (places, queued) in [(8, 256), (8, 0), (1, 4)] {
        let emulator = emulator().await;
        let builder = apikey_core::Authenticator::builder(kinde(&emulator));
        let authenticator = builder.max_in_flight(places).max_queued(queued).build().unwrap();
        let keys = readers(&emulator, 100);
        let answers = authenticator.verify_many(keys.iter().map(|key| &key.secret)).await;
        for (answer, key) in answers.iter().zip(&keys) {
            assert_eq!(told(answer), key.key_id);
        }
        let counters = emulator.counters();
        assert_eq!(counters.verify_calls, 100);
        assert!(counters.most_verifications_in_flight <= places as u64, "{counters:?}");
    }
}

#[tokio::test]
async fn one_failure_fails_no_other() {
    let emulator = emulator().await;
    let authenticator = authenticator(&emulator);
    let good = readers(&emulator, 3);
    let revoked = emulator.create_key(KeySpecification::new("revoked").status("revoked"));
    let broken = emulator.create_key(KeySpecification::new("broken"));
    emulator.set_answer(&broken.key_id, Some(ScriptedAnswer::new(503, "")));
    let too_long = "k".repeat(513);
    let keys = [
        good[0].secret.as_str(),
        "",
        "two words",
        revoked.secret.as_str(),
        good[1].secret.as_str(),
        too_long.as_str(),
        "k_live_nobodys",
        "",
        broken.secret.as_str(),
        "käse",
        good[2].secret.as_str(),
    ];
    let answers = authenticator.verify_many(keys).await;
    assert_eq!(
        answers.iter().map(told).collect::<Vec<_>>(),
        [
            good[0].key_id.as_str(),
            "INVALID_FORMAT",
            "INVALID_FORMAT",
            "KEY_REVOKED",
            &good[1].key_id,
            "INVALID_FORMAT",
            "INVALID_KEY",
            "INVALID_FORMAT",
            "VERIFICATION_UNAVAILABLE",
            "INVALID_FORMAT",
            &good[2].key_id,
        ]
    );
    assert_eq!(emulator.counters().verify_calls, 6, "nothing malformed causes a call");
    assert_eq!(authenticator.cached_keys(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_keys_are_verified_and_cached() {
    let emulator = emulator().await;
    let authenticator = authenticator(&emulator);
    let keys = readers(&emulator, 1_000);
    for round in 0..2 {
        let answers = authenticator.verify_many(keys.iter().map(|key| &key.secret)).await;
        assert_eq!(answers.len(), 1_000);
        for (answer, key) in answers.iter().zip(&keys) {
            assert_eq!(told(answer), key.key_id);
            assert_eq!(answer.as_ref().unwrap().is_from_cache(), round == 1);
        }
    }
    let counters = emulator.counters();
    assert_eq!((counters.verify_calls, counters.token_calls), (1_000, 1));
    assert!(counters.most_verifications_in_flight <= BATCH_CONCURRENCY as u64);
}

#[tokio::test]
async fn nothing_in_nothing_out() {
    let (fake, calls) = Fake::new(anyone);
    let authenticator = patient(fake).build().unwrap();
    assert!(authenticator.verify_many(Vec::<String>::new()).await.is_empty());
    assert!(authenticator.verify_many(std::iter::empty::<&str>()).await.is_empty());
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_batch_that_is_dropped_asks_no_further_questions() {
    let emulator = emulator().await;
    let authenticator = authenticator(&emulator);
    let keys = readers(&emulator, 100);
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let batch = tokio::spawn({
        let secrets: Vec<String> = keys.iter().map(|key| key.secret.clone()).collect();
        let authenticator = authenticator.clone();
        async move { authenticator.verify_many(secrets).await }
    });
    emulator.wait_until(|counters| counters.verifications_in_flight == BATCH_CONCURRENCY as u64).await;
    batch.abort();
    assert!(batch.await.unwrap_err().is_cancelled());
    gate.open();
    // The started verifications end, and their answers are cached. No caller is left for the others.
    eventually("all answers are in", || authenticator.cached_keys() == BATCH_CONCURRENCY).await;
    assert_eq!(emulator.counters().verify_calls, BATCH_CONCURRENCY as u64);
    let asked: HashSet<&str> = keys.iter().take(BATCH_CONCURRENCY).map(|key| key.secret.as_str()).collect();
    assert!(keys.iter().all(|key| {
        emulator.verify_calls_for(&key.secret) == u64::from(asked.contains(key.secret.as_str()))
    }));
}

#[tokio::test]
async fn two_batches_with_the_same_keys_share_their_flights() {
    let emulator = emulator().await;
    let authenticator = uncached(&emulator);
    let keys = readers(&emulator, 10);
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let secrets: Vec<String> = keys.iter().map(|key| key.secret.clone()).collect();
    let batches = [0, 1].map(|_| {
        let (authenticator, secrets) = (authenticator.clone(), secrets.clone());
        tokio::spawn(async move { authenticator.verify_many(secrets).await })
    });
    emulator.wait_until(|counters| counters.verifications_in_flight == 10).await;
    gate.open();
    for batch in batches {
        assert!(batch.await.unwrap().iter().all(Result::is_ok));
    }
    assert_eq!(emulator.counters().verify_calls, 10);
}

#[tokio::test]
async fn a_key_with_another_prefix_is_refused_without_a_call() {
    let (verifier, calls) = Fake::new(anyone);
    let authenticator = patient(verifier).accepted_prefixes(["k_live_", "k_test_"]).build().unwrap();
    for (good, others) in
        [("k_live_1", ["k_liv", "k_live", "K_LIVE_1"]), ("k_test_1", ["1", "sk_live_1", "="])]
    {
        let answers = authenticator.verify_many([good, others[0], others[1], good, others[2]]).await;
        let told: Vec<String> = answers.iter().map(told).collect();
        assert_eq!(told, [good, "INVALID_FORMAT", "INVALID_FORMAT", good, "INVALID_FORMAT"]);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2, "only the good ones were asked about");
    for other in ["k_liv", "k_live", "K_LIVE_1", "sk_live_1"] {
        let denial = authenticator.verify(key(other)).await.unwrap_err();
        assert_eq!((denial.code().as_str(), denial.status()), ("INVALID_FORMAT", 401), "{other}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(self::told(&authenticator.verify(key("k_live_2")).await), "k_live_2");
}
