//! There is one verification for a key at a time, and every waiting caller gets its outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apikey_core::{Authenticator, Decision, Judgement, PlainRequest, Policy, Verification};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, Gate};
use tokio::task::JoinSet;

use crate::support::*;

fn bearer(secret: &str) -> PlainRequest {
    PlainRequest::new().with_header("authorization", format!("Bearer {secret}"))
}

/// Starts this many callers on all threads. Returns when all of them wait for one answer.
async fn crowd(authenticator: &Authenticator, secret: &str, count: usize) -> JoinSet<String> {
    let joined = Arc::new(tokio::sync::Semaphore::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (authenticator, joined, request) = (authenticator.clone(), Arc::clone(&joined), bearer(secret));
        tasks.spawn(async move {
            let attempt = authenticator.begin(&request);
            joined.add_permits(1);
            match authenticator.gate(&Policy::any_key()).decide(attempt, &request, |key| key) {
                Decision::Pending(pending) => told(&pending.await),
                other => format!("{other:?}"),
            }
        });
    }
    let _ = joined.acquire_many(u32::try_from(count).unwrap()).await.unwrap();
    tasks
}

async fn five_hundred(emulator: &Emulator, authenticator: &Authenticator) {
    let key = reader(emulator);
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let tasks = crowd(authenticator, &key.secret, 500).await;
    emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    gate.open();
    for answer in tasks.join_all().await {
        assert_eq!(answer, key.key_id);
    }
    assert_eq!(emulator.verify_calls_for(&key.secret), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_first_callers_with_one_key_cost_one_call() {
    let emulator = emulator().await;
    let authenticator = authenticator(&emulator);
    five_hundred(&emulator, &authenticator).await;
    assert_eq!(authenticator.cached_keys(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_callers_cost_one_call_even_with_the_cache_off() {
    let emulator = emulator().await;
    let authenticator = uncached(&emulator);
    five_hundred(&emulator, &authenticator).await;
    assert_eq!(authenticator.cached_keys(), 0);
}

#[tokio::test]
async fn a_caller_who_hangs_up_cancels_nobody_elses_answer() {
    let emulator = emulator().await;
    let (authenticator, key) = (uncached(&emulator), reader(&emulator));
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let mut first = crowd(&authenticator, &key.secret, 1).await;
    emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    let others = crowd(&authenticator, &key.secret, 20).await;
    first.shutdown().await;
    gate.open();
    for answer in others.join_all().await {
        assert_eq!(answer, key.key_id);
    }
    assert_eq!(emulator.verify_calls_for(&key.secret), 1);
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_cached() {
    let emulator = emulator().await;
    let (authenticator, key_) = (authenticator(&emulator), reader(&emulator));
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    crowd(&authenticator, &key_.secret, 3).await.shutdown().await;
    gate.open();
    eventually("it is cached", || authenticator.cached_keys() == 1).await;
    assert!(authenticator.verify(key(&key_.secret)).await.unwrap().is_from_cache());
    assert_eq!(emulator.counters().verify_calls, 1);
}

#[tokio::test]
async fn a_verification_that_is_dropped_unpolled_goes_on() {
    let emulator = emulator().await;
    let (authenticator, key) = (authenticator(&emulator), reader(&emulator));
    drop(authenticator.begin(&bearer(&key.secret)));
    eventually("it is cached", || authenticator.cached_keys() == 1).await;
}

#[tokio::test]
async fn flights_of_different_keys_do_not_wait_for_each_other() {
    let emulator = emulator().await;
    let (authenticator, keys) = (authenticator(&emulator), readers(&emulator, 2));
    let gate = Gate::new();
    emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone()))]);
    let held = crowd(&authenticator, &keys[0].secret, 1).await;
    emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    assert_eq!(told(&authenticator.verify(key(&keys[1].secret)).await), keys[1].key_id);
    gate.open();
    assert_eq!(held.join_all().await, [keys[0].key_id.clone()]);
}

#[tokio::test]
async fn a_refusal_and_an_outage_reach_everybody_who_waits() {
    let emulator = emulator().await;
    let authenticator = uncached(&emulator);
    for (fault, secret, expected) in [
        (None, "k_live_nobodys", "INVALID_KEY"),
        (Some(Fault::status(500)), "k_live_nobodys", "VERIFICATION_UNAVAILABLE"),
        (Some(Fault::status(404)), "k_live_nobodys", "INTERNAL_ERROR"),
    ] {
        emulator.reset_counters();
        let gate = Gate::new();
        // The first one fetches the token. The test holds the fetch to gather the crowd.
        emulator.revoke_tokens();
        emulator.set_fault(Endpoint::Token, Some(Fault::Hold(gate.clone())));
        emulator.set_fault(Endpoint::Verify, fault);
        let tasks = crowd(&authenticator, secret, 50).await;
        gate.open();
        for answer in tasks.join_all().await {
            assert_eq!(answer, expected);
        }
        assert!(emulator.verify_calls_for(secret) <= 2, "once, and once more after the revoked token");
    }
}

fn panicking_first() -> (Authenticator, Arc<tokio::sync::Semaphore>) {
    let (go, panicked) = (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
    let gate = Arc::clone(&go);
    let (fake, _) = Fake::new(move |key| {
        let (gate, panicked) = (Arc::clone(&gate), Arc::clone(&panicked));
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            assert!(panicked.swap(true, Ordering::SeqCst), "a verifier's bug, on purpose");
            Ok(Judgement::accepted(Verification::active(key)))
        })
    });
    (patient(fake).build().unwrap(), go)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifiers_panic_is_a_500_for_all_and_the_next_call_works() {
    let (authenticator, go) = panicking_first();
    let tasks = crowd(&authenticator, "k_live_1", 50).await;
    go.add_permits(1);
    for answer in tasks.join_all().await {
        assert_eq!(answer, "INTERNAL_ERROR");
    }
    assert_eq!(authenticator.cached_keys(), 0);
    go.add_permits(1);
    assert_eq!(told(&authenticator.verify(key("k_live_1")).await), "k_live_1");
}

#[tokio::test]
async fn a_verifiers_panic_before_its_first_await_is_a_500() {
    let (fake, calls) = Fake::new(|_| panic!("a verifier's bug, on purpose"));
    let authenticator = patient(fake).build().unwrap();
    for _ in 0..3 {
        assert_eq!(told(&authenticator.verify(key("k_live_1")).await), "INTERNAL_ERROR");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[test]
fn a_runtime_that_shuts_down_mid_flight_leaves_nobody_waiting() {
    let stage = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = stage.block_on(emulator());
    let key_ = reader(&emulator);
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hang));
    let short_lived =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let authenticator =
        patient(kinde(&emulator)).verification_runtime(short_lived.handle().clone()).build().unwrap();
    let first = short_lived.block_on(crowd(&authenticator, &key_.secret, 1));
    stage.block_on(async {
        emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
        let others = crowd(&authenticator, &key_.secret, 20).await;
        short_lived.shutdown_background();
        drop(first);
        for answer in others.join_all().await {
            assert_eq!(answer, "VERIFICATION_UNAVAILABLE");
        }
        let later = told(&authenticator.verify(key(&key_.secret)).await);
        assert_eq!(later, "VERIFICATION_UNAVAILABLE", "nobody hangs later either");
    });
}

/// In actix-web, each worker has a runtime of its own. If a handler blocks its worker, the flights that started there
/// stall. Callers on other workers must still get their answer, a 503, within the budget.
#[test]
fn a_blocked_runtime_delays_no_other_caller_past_the_budget() {
    let (fake, _) = Fake::new(|key| {
        Box::pin(async move {
            tokio::task::yield_now().await;
            anyone(key).await
        })
    });
    let authenticator = Authenticator::builder(fake).verification_timeout(SHORT).build().unwrap();
    // A current-thread runtime that nobody drives behaves like a blocked one.
    let blocked = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = {
        let _entered = blocked.enter();
        authenticator.begin(&bearer("k_live_1"))
    };
    let elsewhere = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    elsewhere.block_on(async {
        let patience = Duration::from_secs(5);
        for _ in 0..2 {
            let answer = tokio::time::timeout(patience, authenticator.verify(key("k_live_1"))).await;
            let answer = answer.expect("an answer within the budget, not within five seconds");
            assert!(matches!(told(&answer).as_str(), "VERIFICATION_UNAVAILABLE" | "k_live_1"), "{answer:?}");
        }
    });
    drop(begun);
}
