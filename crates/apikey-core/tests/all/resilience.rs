//! What keeps an API working, and what its operator can ask for. With the emulator, or with a verifier that the test
//! controls.

use std::sync::Arc;
use std::time::Duration;

use apikey_core::{
    Authenticator, FailureClass, KindeSettings, KindeVerifier, MachineToMachine, ManualClock, Policy,
    Verification,
};
use apikey_testkit::FakeVerifier;
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, Gate, IssuedKey, ScriptedAnswer};

use crate::support::{emulator, eventually, is_set_up, key, kinde, reader, told};

fn over(emulator: &Emulator) -> Authenticator {
    Authenticator::builder(kinde(emulator)).build().unwrap()
}

#[tokio::test]
async fn the_check_at_start_up_passes_where_verifying_works() {
    let emulator = emulator().await;
    over(&emulator).check().await.into_result().unwrap();
    assert_eq!(emulator.counters().token_calls, 1);
    over(&emulator).check().await.into_result().unwrap();
}

#[tokio::test]
async fn the_check_at_start_up_names_what_to_mend() {
    let emulator = emulator().await;
    emulator.deny_scope(true);
    let error = over(&emulator).check().await.into_result().unwrap_err();
    assert!(is_set_up(&error) && error.reason().contains("read:api_keys"), "{error}");
    let credentials = MachineToMachine::new(emulator.client_id(), "another secret");
    let settings =
        KindeSettings::new(emulator.url()).machine_to_machine(credentials).audience(emulator.audience());
    let wrong = Authenticator::builder(KindeVerifier::new(settings).unwrap()).build().unwrap();
    let error = wrong.check().await.into_result().unwrap_err();
    assert!(error.to_string().contains("MachineToMachine::new"), "{error}");
}

#[tokio::test]
async fn the_check_at_start_up_has_a_budget() {
    let emulator = emulator().await;
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hang));
    let builder = Authenticator::builder(kinde(&emulator)).verification_timeout(Duration::from_millis(200));
    let error = builder.build().unwrap().check().await.into_result().unwrap_err();
    assert!(error.class() == FailureClass::Outage, "{error}");
}

#[tokio::test]
async fn what_breaks_once_is_tried_again() {
    for fault in [Fault::status(503), Fault::Reset, Fault::Close, Fault::status(500)] {
        let emulator = emulator().await;
        let issued = reader(&emulator);
        emulator.script_faults(Endpoint::Verify, vec![Some(fault.clone())]);
        assert_eq!(told(&over(&emulator).verify(key(&issued.secret)).await), issued.key_id, "{fault:?}");
        assert_eq!(emulator.counters().verify_calls, 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_wait_that_does_not_fit_the_budget_is_not_begun() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let limited = Fault::TooManyRequests { rate_limit_reset: Some(60), retry_after: None };
    emulator.set_fault(Endpoint::Verify, Some(limited));
    assert_eq!(told(&over(&emulator).verify(key(&issued.secret)).await), "VERIFICATION_UNAVAILABLE");
    assert_eq!(emulator.counters().verify_calls, 1);
}

#[tokio::test]
async fn what_says_no_is_not_asked_twice() {
    let emulator = emulator().await;
    for fault in [Fault::Garbage, Fault::Empty, Fault::status(400), Fault::status(404)] {
        emulator.reset_counters();
        emulator.set_fault(Endpoint::Verify, Some(fault.clone()));
        let _denied = over(&emulator).verify(key("k_live_1")).await;
        assert_eq!(emulator.counters().verify_calls, 1, "{fault:?}");
    }
}

/// The answer about this key has just passed its time to live. Kinde answers when the gate opens.
async fn outlived(emulator: &Emulator, issued: &IssuedKey) -> (Authenticator, Gate) {
    let clock = Arc::new(ManualClock::new());
    let authenticator = Authenticator::builder(kinde(emulator))
        .clock(Arc::clone(&clock) as _)
        .stale_if_error(Duration::from_secs(600))
        .stale_while_slow(Duration::from_millis(50))
        .verification_timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    authenticator.verify(key(&issued.secret)).await.unwrap();
    clock.advance(Duration::from_secs(301));
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    (authenticator, gate)
}

#[tokio::test]
async fn a_slow_kinde_costs_a_known_key_the_soft_deadline_and_no_more() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let (authenticator, gate) = outlived(&emulator, &issued).await;
    let verified = authenticator.verify(key(&issued.secret)).await.unwrap();
    assert!(verified.is_stale() && verified.is_from_cache());
    assert_eq!(verified.age(), Duration::from_secs(301));
    assert!(authenticator.authorize(&verified, &Policy::any_key()).is_ok());
    let refused = authenticator.authorize(&verified, &Policy::fresh()).unwrap_err();
    assert_eq!(refused.code().as_str(), "VERIFICATION_UNAVAILABLE");
    // The verification went on, and its answer counts.
    gate.open();
    emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
    let mut fresh = authenticator.verify(key(&issued.secret)).await.unwrap();
    for _ in 0..1000 {
        if !fresh.is_stale() {
            break;
        }
        fresh = authenticator.verify(key(&issued.secret)).await.unwrap();
    }
    assert!(!fresh.is_stale());
    assert_eq!(emulator.counters().verify_calls, 2);
}

#[tokio::test]
async fn who_refuses_older_answers_waits_for_a_slow_kinde() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let (authenticator, gate) = outlived(&emulator, &issued).await;
    let request =
        apikey_core::PlainRequest::new().with_header("authorization", format!("Bearer {}", issued.secret));
    let decide = |policy: Policy| {
        authenticator.gate(&policy).decide(authenticator.begin(&request), &request, |key| key).wait()
    };
    let sure = tokio::spawn(decide(Policy::fresh()));
    assert!(decide(Policy::any_key()).await.unwrap().is_stale());
    assert!(!sure.is_finished());
    gate.open();
    assert!(!sure.await.unwrap().unwrap().is_stale());
    assert_eq!(emulator.counters().verify_calls, 2);
}

#[tokio::test]
async fn a_key_that_kinde_cannot_read_is_no_outage_for_others() {
    let emulator = emulator().await;
    let (odd, good) = (reader(&emulator), reader(&emulator));
    let unreadable = ScriptedAnswer::json(400, &serde_json::json!({"errors": [{"code": "REQUEST_INVALID"}]}));
    emulator.set_answer(&odd.key_id, Some(unreadable));
    let authenticator = over(&emulator);
    for _ in 0..25 {
        assert_eq!(told(&authenticator.verify(key(&odd.secret)).await), "VERIFICATION_UNAVAILABLE");
    }
    assert_eq!(told(&authenticator.verify(key(&good.secret)).await), good.key_id);
    let calls = emulator.verify_calls_for(&odd.secret) + emulator.verify_calls_for(&good.secret);
    assert_eq!(calls, 26, "and perhaps a question of the service's own");
}

#[tokio::test]
async fn background_work_ends_with_the_authenticator() {
    let emulator = emulator().await;
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hang));
    let authenticator = Authenticator::builder(kinde(&emulator))
        .verification_timeout(Duration::from_secs(600))
        .build()
        .unwrap();
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let attempts: Vec<_> = (0..20)
        .map(|number| {
            let request = apikey_core::PlainRequest::new()
                .with_header("authorization", format!("Bearer k_live_{number}"));
            authenticator.begin(&request)
        })
        .collect();
    emulator.wait_until(|counters| counters.verifications_in_flight == 20).await;
    drop(attempts);
    drop(authenticator);
    emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
    eventually("no task is left behind", || {
        tokio::runtime::Handle::current().metrics().num_alive_tasks() <= before
    })
    .await;
}

#[tokio::test]
async fn a_token_that_nobody_waits_for_is_not_fetched_to_the_end() {
    let emulator = emulator().await;
    emulator.set_fault(Endpoint::Token, Some(Fault::Hang));
    let authenticator = Authenticator::builder(kinde(&emulator)).build().unwrap();
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    let request = apikey_core::PlainRequest::new().with_header("authorization", "Bearer k_live_1");
    let attempt = authenticator.begin(&request);
    emulator.wait_until(|counters| counters.token_calls == 1).await;
    drop((attempt, authenticator));
    // By itself, a fetch gives up after 5 s.
    let gone = eventually("no task is left behind", || alive() <= before);
    tokio::time::timeout(Duration::from_secs(3), gone).await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_know_addresses_limits_nobody() {
    let fake = FakeVerifier::new().with_key("k_live_1", Verification::active("api_key_1"));
    let authenticator = Authenticator::builder(fake.clone()).build().unwrap();
    for number in 0..150 {
        let request =
            apikey_core::PlainRequest::new().with_header("authorization", format!("Bearer junk{number}"));
        let denial = authenticator.authenticate(&request).await.unwrap_err();
        assert_eq!(denial.code().as_str(), "INVALID_KEY");
    }
    assert_eq!(fake.calls(), 150);
}

#[tokio::test]
async fn a_client_is_limited_by_default_as_the_guide_says() {
    let authenticator = Authenticator::builder(FakeVerifier::new()).build().unwrap();
    for number in 0..102 {
        let request = apikey_core::PlainRequest::new()
            .with_header("authorization", format!("Bearer junk{number}"))
            .with_peer([192, 0, 2, 1].into());
        let denial = authenticator.authenticate(&request).await.unwrap_err();
        let expected = if number < 100 { "INVALID_KEY" } else { "RATE_LIMITED" };
        assert_eq!(denial.code().as_str(), expected, "{number}");
    }
}
