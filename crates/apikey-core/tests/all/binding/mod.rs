//! An API that takes only keys of its own: what it asks Kinde, and what it makes of the answers.

mod outcomes;
mod token;

use std::sync::Arc;
use std::time::Duration;

use apikey_core::{
    AttemptLimit, Authenticator, DenialCode, KindeVerifier, ManualClock, PlainRequest, Policy, Verifier as _,
};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, Gate, IssuedKey, KeySpecification};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::*;

const TTL: Duration = Duration::from_secs(100);

fn bound(emulator: &Emulator) -> KindeVerifier {
    KindeVerifier::new(settings_with(emulator, &[("KINDE_API_ID", "api_1")])).unwrap()
}

fn key_for(emulator: &Emulator, api_ids: &[&str]) -> IssuedKey {
    emulator.create_key(KeySpecification::new("reader").scopes(["read:users"]).api_ids(api_ids.to_vec()))
}

async fn ask(keys: &Authenticator, issued: &IssuedKey) -> String {
    told(&keys.verify(key(&issued.secret)).await)
}

fn request(issued: &IssuedKey) -> PlainRequest {
    PlainRequest::new()
        .with_peer("192.0.2.1".parse().unwrap())
        .with_header("authorization", format!("Bearer {}", issued.secret))
}

/// How many calls went to the verify endpoint, and how many asked for the APIs of a key.
fn calls(emulator: &Emulator) -> (u64, u64) {
    let counters = emulator.counters();
    (counters.verify_calls, counters.api_key_calls)
}

#[tokio::test]
async fn only_keys_for_this_api_are_let_in() {
    let emulator = emulator().await;
    let keys = patient(bound(&emulator)).build().unwrap();
    for api_ids in [&["api_1"][..], &["api_0", "api_1"]] {
        let issued = key_for(&emulator, api_ids);
        let verified = keys.verify(key(&issued.secret)).await.unwrap();
        assert_eq!(verified.key_id(), issued.key_id);
        assert!(verified.verification().has_scope("read:users"));
    }
    for api_ids in [&["api_2"][..], &["API_1", "api_10"], &[]] {
        let issued = key_for(&emulator, api_ids);
        let denial = keys.verify(key(&issued.secret)).await.unwrap_err();
        assert_eq!((denial.status(), denial.code()), (403, DenialCode::ApiMismatch), "{api_ids:?}");
    }
}

#[tokio::test]
async fn a_bound_key_costs_one_more_call_and_a_hit_none() {
    let emulator = emulator().await;
    let clock = Arc::new(ManualClock::new());
    let builder = patient(bound(&emulator)).clock(Arc::clone(&clock) as _).cache_time_to_live(TTL);
    let keys = builder.refresh_ahead(false).build().unwrap();
    let issued = key_for(&emulator, &["api_1"]);
    for round in 1..=3 {
        for _ in 0..5 {
            assert_eq!(ask(&keys, &issued).await, issued.key_id);
        }
        assert_eq!(calls(&emulator), (round, round));
        clock.advance(TTL);
    }
}

#[tokio::test]
async fn an_api_that_is_not_bound_asks_once() {
    let emulator = emulator().await;
    let issued = key_for(&emulator, &["api_2"]);
    assert_eq!(ask(&authenticator(&emulator), &issued).await, issued.key_id);
    assert_eq!(calls(&emulator), (1, 0));
}

#[tokio::test]
async fn a_key_that_kinde_refuses_causes_no_second_call() {
    let emulator = emulator().await;
    let keys = patient(bound(&emulator)).build().unwrap();
    let issued = key_for(&emulator, &["api_1"]);
    emulator.revoke(&issued.key_id);
    assert_eq!(ask(&keys, &issued).await, "KEY_REVOKED");
    assert_eq!(told(&keys.verify(key("k_live_nobody")).await), "INVALID_KEY");
    assert_eq!(calls(&emulator), (2, 0));
}

#[tokio::test]
async fn a_health_check_makes_no_second_call() {
    let emulator = emulator().await;
    let keys = patient(bound(&emulator)).build().unwrap();
    keys.check().await.into_result().unwrap();
    assert_eq!(calls(&emulator), (1, 0));
}

#[tokio::test]
async fn a_crowd_with_one_key_causes_one_call_of_each_kind() {
    let emulator = emulator().await;
    for api_ids in [["api_1"], ["api_2"]] {
        emulator.reset_counters();
        let keys = patient(bound(&emulator)).cache_time_to_live(Duration::ZERO).build().unwrap();
        let issued = key_for(&emulator, &api_ids);
        let gate = Gate::new();
        emulator.set_fault(Endpoint::ApiKey, Some(Fault::Hold(gate.clone())));
        let (policy, request) = (Policy::any_key(), request(&issued));
        // Each has joined the flight when it is begun.
        let begun = std::iter::repeat_with(|| keys.begin(&request)).take(50);
        let crowd: Vec<_> =
            begun.map(|begun| keys.gate(&policy).decide(begun, &request, |key| key)).collect();
        emulator.wait_until(|counters| counters.api_key_calls == 1).await;
        gate.open();
        let expected = if api_ids == ["api_1"] { issued.key_id.as_str() } else { "API_MISMATCH" };
        for decided in crowd {
            assert_eq!(told(&decided.wait().await), expected);
        }
        assert_eq!(calls(&emulator), (1, 1));
    }
}

#[tokio::test]
async fn a_batch_tells_keys_of_other_apis_apart() {
    let emulator = emulator().await;
    let keys = patient(bound(&emulator)).build().unwrap();
    let issued = [["api_1"], ["api_2"], ["api_1"]].map(|api_ids| key_for(&emulator, &api_ids));
    let answers = keys.verify_many(issued.iter().map(|issued| issued.secret.as_str())).await;
    let answers: Vec<String> = answers.iter().map(told).collect();
    assert_eq!(answers, [issued[0].key_id.as_str(), "API_MISMATCH", &issued[2].key_id]);
    assert_eq!(calls(&emulator), (3, 3));
}

#[tokio::test]
async fn a_key_that_leaves_this_api_is_served_by_no_older_answer() {
    let emulator = emulator().await;
    let clock = Arc::new(ManualClock::new());
    let builder = patient(bound(&emulator)).clock(Arc::clone(&clock) as _).cache_time_to_live(TTL);
    let keys = builder.stale_if_error(10 * TTL).refresh_ahead(false).build().unwrap();
    let issued = key_for(&emulator, &["api_1"]);
    assert_eq!(ask(&keys, &issued).await, issued.key_id);
    emulator.set_api_ids(&issued.key_id, Some(json!(["api_2"])));
    clock.advance(TTL);
    assert_eq!(ask(&keys, &issued).await, "API_MISMATCH");
    for endpoint in [Endpoint::ApiKey, Endpoint::Verify] {
        emulator.set_fault(endpoint, Some(Fault::status(503)));
        assert_eq!(ask(&keys, &issued).await, "VERIFICATION_UNAVAILABLE", "{endpoint:?}");
    }
}

#[tokio::test]
async fn an_older_answer_serves_while_the_second_call_fails() {
    let emulator = emulator().await;
    let clock = Arc::new(ManualClock::new());
    let builder = patient(bound(&emulator)).clock(Arc::clone(&clock) as _).cache_time_to_live(TTL);
    let keys = builder.stale_if_error(TTL).refresh_ahead(false).build().unwrap();
    let (issued, other) = (key_for(&emulator, &["api_1"]), key_for(&emulator, &["api_1"]));
    assert_eq!(ask(&keys, &issued).await, issued.key_id);
    emulator.set_fault(Endpoint::ApiKey, Some(Fault::status(500)));
    clock.advance(TTL);
    assert_eq!(ask(&keys, &issued).await, issued.key_id);
    assert_eq!(ask(&keys, &other).await, "VERIFICATION_UNAVAILABLE", "nothing is known about this key");
    clock.advance(TTL);
    assert_eq!(ask(&keys, &issued).await, "VERIFICATION_UNAVAILABLE");
}

#[tokio::test]
async fn a_mismatch_is_remembered_like_every_refusal() {
    let emulator = emulator().await;
    let clock = Arc::new(ManualClock::new());
    let issued = key_for(&emulator, &["api_2"]);
    for (negative, expected) in [(Duration::ZERO, (3, 3)), (TTL, (1, 1))] {
        emulator.reset_counters();
        let builder =
            patient(bound(&emulator)).clock(Arc::clone(&clock) as _).negative_time_to_live(negative);
        let keys = builder.build().unwrap();
        for _ in 0..3 {
            assert_eq!(ask(&keys, &issued).await, "API_MISMATCH");
        }
        assert_eq!(calls(&emulator), expected);
        emulator.set_api_ids(&issued.key_id, Some(json!(["api_1"])));
        clock.advance(negative);
        assert_eq!(ask(&keys, &issued).await, issued.key_id);
        emulator.set_api_ids(&issued.key_id, Some(json!(["api_2"])));
    }
}

#[tokio::test]
async fn a_mismatch_uses_an_attempt_up_and_a_good_key_none() {
    let emulator = emulator().await;
    let limit = AttemptLimit::new(1, Duration::from_secs(900));
    let keys = patient(bound(&emulator)).attempt_limit(Some(limit)).build().unwrap();
    let policy = Policy::any_key();
    let ask = async |issued: &IssuedKey| {
        let request = request(issued);
        told(&keys.gate(&policy).decide(keys.begin(&request), &request, |key| key).wait().await)
    };
    for _ in 0..3 {
        let good = key_for(&emulator, &["api_1"]);
        assert_eq!(ask(&good).await, good.key_id);
    }
    emulator.script_faults(Endpoint::ApiKey, vec![Some(Fault::status(500))]);
    assert_eq!(ask(&key_for(&emulator, &["api_1"])).await, "VERIFICATION_UNAVAILABLE");
    assert_eq!(ask(&key_for(&emulator, &["api_2"])).await, "API_MISMATCH");
    assert_eq!(ask(&key_for(&emulator, &["api_1"])).await, "RATE_LIMITED");
}

#[tokio::test]
async fn a_removed_key_is_asked_about_in_both_ways() {
    let emulator = emulator().await;
    let keys = patient(bound(&emulator)).build().unwrap();
    let issued = key_for(&emulator, &["api_1"]);
    assert_eq!(ask(&keys, &issued).await, issued.key_id);
    keys.remove_key_id(&issued.key_id).await;
    emulator.set_api_ids(&issued.key_id, Some(json!([])));
    assert_eq!(ask(&keys, &issued).await, "API_MISMATCH");
    assert_eq!(calls(&emulator), (2, 2));
}

/// The removal comes while the list of APIs is on its way.
#[tokio::test]
async fn a_list_from_before_a_removal_lets_nobody_in() {
    let emulator = emulator().await;
    let keys = patient(bound(&emulator)).build().unwrap();
    let issued = key_for(&emulator, &["api_1"]);
    let gate = Gate::new();
    emulator.script_faults(Endpoint::ApiKey, vec![Some(Fault::Hold(gate.clone()))]);
    let waiting = tokio::spawn({
        let (keys, secret) = (keys.clone(), key(&issued.secret));
        async move { told(&keys.verify(secret).await) }
    });
    emulator.wait_until(|counters| counters.api_key_calls == 1).await;
    emulator.set_api_ids(&issued.key_id, Some(json!(["api_2"])));
    drop(keys.remove_key_id(&issued.key_id));
    gate.open();
    assert_eq!(waiting.await.unwrap(), "API_MISMATCH");
    assert_eq!(calls(&emulator), (2, 2));
}

#[tokio::test]
async fn a_bound_verifier_says_what_it_checks() {
    let emulator = emulator().await;
    assert_eq!(bound(&emulator).further_checks(), ["api:api_1"]);
    assert!(kinde(&emulator).further_checks().is_empty());
}
