//! The health check, `Verifier::check`: it asks about a made-up key on a connection of its own.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apikey_core::{
    FailureClass, Health, KindeSettings, KindeVerifier, MachineToMachine, ManualClock, Verifier,
};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, NegativeAnswer, ScriptedAnswer};
use serde_json::json;

use crate::support::*;

const ACCEPTED: &str = r#"{"is_valid":true,"status":"active","key_id":"api_key_1"}"#;

fn called(health: &Health) -> &'static str {
    match health {
        Health::Up => "up",
        Health::Overload(error) if error.class() == FailureClass::Overload => "overload",
        Health::Down(error) if error.class() == FailureClass::Outage => "down",
        Health::Refused(error)
            if matches!(error.class(), FailureClass::SetUp | FailureClass::ServiceRefused) =>
        {
            "refused"
        }
        Health::Unknown => "unknown",
        other => panic!("{other:?}"),
    }
}

fn answer(status: u16, body: &str) -> Fault {
    Fault::Answer(ScriptedAnswer::new(status, body))
}

fn errors(status: u16, code: &str) -> Fault {
    Fault::Answer(ScriptedAnswer::json(status, &json!({"errors": [{"code": code, "message": "m"}]})))
}

#[tokio::test]
async fn every_answer_to_our_own_question_has_its_meaning() {
    let emulator = emulator().await;
    let cases = [
        (answer(200, r#"{"is_valid":false}"#), "up"),
        (answer(200, ACCEPTED), "up"),
        (answer(200, "{}"), "up"),
        (answer(201, "{}"), "up"),
        (errors(400, "INVALID_API_KEY"), "up"),
        (errors(401, "API_KEY_NOT_FOUND"), "up"),
        (errors(400, "API_KEYS_QUOTA_EXCEEDED"), "up"),
        (errors(404, "NOT_FOUND"), "up"),
        (errors(418, "TEAPOT"), "up"),
        (answer(200, "<html>"), "down"),
        (answer(200, ""), "down"),
        (answer(200, "[]"), "down"),
        (answer(400, ""), "down"),
        (answer(404, "<html>"), "down"),
        (Fault::HugeBody(200 << 20), "down"),
        (Fault::status(408), "down"),
        (Fault::status(421), "down"),
        (Fault::status(500), "down"),
        (Fault::status(502), "down"),
        (Fault::status(503), "down"),
        (Fault::status(599), "down"),
        (Fault::Reset, "down"),
        (Fault::Close, "down"),
        (Fault::RawGarbage, "down"),
        (Fault::status(429), "overload"),
        (Fault::TooManyRequests { rate_limit_reset: Some(7), retry_after: None }, "overload"),
        (Fault::Answer(ScriptedAnswer::new(503, "").header("retry-after", "7")), "overload"),
        (errors(403, "SCOPE_MISSING"), "refused"),
        (errors(404, "ROUTE_NOT_FOUND"), "refused"),
        (Fault::status(405), "refused"),
        (Fault::Redirect("/elsewhere".to_owned()), "refused"),
        (errors(401, "UNAUTHORIZED"), "refused"),
        (errors(403, "API_KEYS_NOT_ENABLED"), "refused"),
        (answer(401, ""), "unknown"),
        (answer(401, "<html>"), "unknown"),
        (answer(403, ""), "unknown"),
        (answer(401, "{}"), "up"),
        (answer(403, "{}"), "up"),
    ];
    for (fault, expected) in cases {
        let verifier = kinde(&emulator);
        emulator.set_fault(Endpoint::Verify, Some(fault.clone()));
        let health = verifier.check().await;
        assert_eq!(called(&health), expected, "{fault:?}: {health:?}");
        emulator.set_fault(Endpoint::Verify, None);
        assert_eq!(called(&verifier.check().await), "up", "after {fault:?}");
    }
}

#[tokio::test]
async fn the_moment_that_kinde_names_to_our_own_question_is_told() {
    let emulator = emulator().await;
    let fault = Fault::TooManyRequests { rate_limit_reset: Some(9), retry_after: Some(7) };
    emulator.set_fault(Endpoint::Verify, Some(fault));
    let health = kinde(&emulator).check().await;
    let Health::Overload(error) = health else { panic!("{health:?}") };
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

/// Kinde's answer to a key that it does not know.
#[tokio::test]
async fn a_refusal_beside_an_accepted_key_does_not_refuse_the_service() {
    let emulator = emulator().await;
    emulator.set_negative_answer(NegativeAnswer::Anonymous401);
    let (verifier, clock) = kinde_with_clock(&emulator);
    assert_eq!(called(&verifier.check().await), "refused");
    assert_eq!(kind(&verifier.verify(&key(&reader(&emulator).secret)).await), "accepted");
    assert_eq!(called(&verifier.check().await), "up");
    clock.advance(Duration::from_secs(61));
    assert_eq!(called(&verifier.check().await), "refused");
    assert_eq!(emulator.counters().token_calls, 1, "it renews nothing");
}

#[tokio::test]
async fn our_own_question_has_another_key_each_time() {
    let server = RawServer::start(|_| ok(r#"{"is_valid":false}"#)).await;
    let verifier = KindeVerifier::new(KindeSettings::new(&server.url).without_token()).unwrap();
    for _ in 0..20 {
        assert_eq!(verifier.check().await, Health::Up);
    }
    let keys: HashSet<String> = server
        .requests()
        .into_iter()
        .map(|request| {
            assert!(!request.to_ascii_lowercase().contains("authorization"));
            let (_, key) = request.split_once(r#"{"api_key":"k_live_"#).unwrap();
            let key = key.strip_suffix(r#""}"#).unwrap().to_owned();
            assert!(key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
            key
        })
        .collect();
    assert_eq!(keys.len(), 20);
}

#[tokio::test]
async fn our_own_question_keeps_its_connection_until_it_fails() {
    let emulator = emulator().await;
    let verifier = kinde(&emulator);
    let issued = reader(&emulator);
    assert_eq!(kind(&verifier.verify(&key(&issued.secret)).await), "accepted");
    let connections = || emulator.counters().connections;
    let before = connections();
    for _ in 0..10 {
        assert_eq!(called(&verifier.check().await), "up");
    }
    assert_eq!(connections(), before + 1, "a connection of its own, which is kept");
    for fault in [Fault::status(500), Fault::status(429), errors(401, "UNAUTHORIZED"), answer(401, "")] {
        let before = connections();
        emulator.script_faults(Endpoint::Verify, vec![Some(fault.clone())]);
        let health = called(&verifier.check().await);
        assert!(matches!(health, "down" | "overload" | "unknown" | "up"), "{fault:?} {health}");
        if health != "up" {
            assert_eq!(connections(), before, "asked on the connection that is kept");
            assert_eq!(called(&verifier.check().await), "up");
            assert_eq!(connections(), before + 1, "a new one after {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_health_check_that_is_given_up_takes_its_connection_along() {
    let emulator = emulator().await;
    let verifier = Arc::new(kinde(&emulator));
    assert_eq!(called(&verifier.check().await), "up");
    let before = emulator.counters();
    emulator.silence_connections();
    let silent = tokio::time::timeout(SHORT, verifier.check()).await;
    assert!(silent.is_err());
    assert_eq!(called(&verifier.check().await), "up");
    assert_eq!(emulator.counters().connections, before.connections + 1);
}

#[tokio::test]
async fn our_own_question_fetches_a_token_only_if_there_is_none() {
    let emulator = emulator().await;
    let (verifier, clock) = kinde_with_clock(&emulator);
    let checks: Vec<_> = (0..5).map(|_| verifier.check()).collect();
    for check in checks {
        assert_eq!(called(&check.await), "up");
    }
    assert_eq!(emulator.counters().token_calls, 1);
    clock.advance(Duration::from_secs(86_399 * 95 / 100));
    assert_eq!(called(&verifier.check().await), "up");
    assert_eq!(emulator.counters().token_calls, 1, "no early renewal");
    emulator.revoke_tokens();
    clock.advance(Duration::from_secs(61));
    assert_eq!(called(&verifier.check().await), "refused");
    assert_eq!(emulator.counters().token_calls, 1, "no renewal after a refusal");
    clock.advance(Duration::from_secs(86_399 * 5 / 100 + 1));
    assert_eq!(called(&verifier.check().await), "up");
    assert_eq!(emulator.counters().token_calls, 2, "the old one is dead");
}

#[tokio::test]
async fn our_own_question_tells_what_the_token_endpoint_says() {
    let emulator = emulator().await;
    for (fault, expected) in [
        (Fault::Answer(ScriptedAnswer::json(401, &json!({"error": "invalid_client"}))), "refused"),
        (Fault::status(404), "refused"),
        (Fault::status(500), "down"),
        (Fault::Empty, "down"),
        (Fault::Reset, "down"),
        (Fault::status(429), "overload"),
    ] {
        let verifier = kinde(&emulator);
        emulator.set_fault(Endpoint::Token, Some(fault.clone()));
        let health = verifier.check().await;
        assert_eq!(called(&health), expected, "{fault:?}: {health:?}");
        emulator.set_fault(Endpoint::Token, None);
        assert_eq!(called(&verifier.check().await), "up", "after {fault:?}");
    }
}

#[tokio::test]
async fn without_a_token_our_own_question_tells_that_one_is_wanted() {
    let emulator = emulator().await;
    let verifier = KindeVerifier::new(KindeSettings::new(emulator.url()).without_token()).unwrap();
    let health = verifier.check().await;
    assert_eq!(called(&health), "refused");
    assert!(health.into_result().unwrap_err().to_string().contains("machine_to_machine"));
}

#[tokio::test]
async fn a_host_that_is_not_there_is_down() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let credentials = MachineToMachine::new("an id", "a secret");
    for settings in
        [KindeSettings::new(&url).without_token(), KindeSettings::new(&url).machine_to_machine(credentials)]
    {
        let health = KindeVerifier::new(settings).unwrap().check().await;
        let Health::Down(error) = health else { panic!("{health:?}") };
        assert!(error.is_without_connection(), "{error}");
    }
}

/// The token came into doubt by a good key, and only the health check asks.
#[tokio::test]
async fn a_key_that_the_health_check_had_judged_clears_the_token() {
    let judged = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&judged);
    let server = RawServer::start(move |request| {
        if request.starts_with("POST /oauth2/token") {
            return ok(r#"{"access_token":"abc"}"#);
        }
        if request.contains("k_live_odd") {
            return "HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n".to_owned();
        }
        count.fetch_add(1, Ordering::SeqCst);
        ok(r#"{"is_valid":false}"#)
    })
    .await;
    let settings =
        KindeSettings::new(&server.url).machine_to_machine(MachineToMachine::new("an id", "a secret"));
    let verifier = KindeVerifier::new(settings).unwrap();
    verifier.use_clock(Arc::new(ManualClock::new()));
    assert_eq!(verifier.check().await, Health::Up);
    assert_eq!(judged.load(Ordering::SeqCst), 1);
    assert_eq!(kind(&verifier.verify(&key("k_live_odd")).await), "unavailable");
    let fetched =
        server.requests().iter().filter(|request| request.starts_with("POST /oauth2/token")).count();
    assert_eq!(fetched, 1);
}

#[tokio::test]
async fn an_emulator_without_authentication_is_up() {
    let emulator = Emulator::builder().without_authentication().start().await.unwrap();
    let verifier = KindeVerifier::new(KindeSettings::new(emulator.url()).without_token()).unwrap();
    assert_eq!(called(&verifier.check().await), "up");
    assert_eq!(emulator.counters().token_calls, 0);
}
