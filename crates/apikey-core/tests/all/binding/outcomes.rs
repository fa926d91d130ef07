//! What the answers to the second call mean.

use super::*;
use apikey_core::FailureClass;
use apikey_testkit::emulator::ScriptedAnswer;
use serde_json::Value;

fn errors(status: u16, code: &str) -> Fault {
    Fault::Answer(ScriptedAnswer::json(status, &json!({"errors": [{"code": code, "message": "No"}]})))
}

#[tokio::test]
async fn a_list_that_cannot_be_read_judges_nothing() {
    let emulator = emulator().await;
    let (verifier, issued) = (bound(&emulator), key_for(&emulator, &["api_1"]));
    let odd = [json!(null), json!("api_1"), json!({"a": "api_1"}), json!(["api_1", 1]), json!([null])];
    for api_ids in odd.into_iter().map(Some).chain([None::<Value>]) {
        emulator.set_api_ids(&issued.key_id, api_ids.clone());
        let error = verifier.verify(&key(&issued.secret)).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::Unjudged, "{api_ids:?}: {error}");
        assert!(error.reason().contains("api_ids"), "{error}");
    }
}

#[tokio::test]
async fn each_failure_of_the_second_call_has_its_class() {
    use FailureClass::{Outage, Overload, ServiceRefused, SetUp, Unjudged};
    let busy = Fault::TooManyRequests { rate_limit_reset: None, retry_after: Some(7) };
    for (fault, class) in [
        (busy, Overload),
        (Fault::Answer(ScriptedAnswer::new(503, "").header("retry-after", "7")), Overload),
        (Fault::status(500), Outage),
        (Fault::status(503), Outage),
        (Fault::status(408), Outage),
        (Fault::Reset, Outage),
        (Fault::Close, Outage),
        (Fault::RawGarbage, Outage),
        (errors(403, "SCOPE_MISSING"), SetUp),
        (errors(404, "ROUTE_NOT_FOUND"), SetUp),
        (Fault::status(405), SetUp),
        (Fault::Redirect("/elsewhere".to_owned()), SetUp),
        (errors(401, "TOKEN_INVALID"), ServiceRefused),
        (errors(403, "FORBIDDEN"), ServiceRefused),
        (Fault::Answer(ScriptedAnswer::new(401, "")), Unjudged),
        (Fault::Answer(ScriptedAnswer::new(403, "<html>")), Unjudged),
        (errors(404, "NOT_FOUND"), Unjudged),
        (Fault::Answer(ScriptedAnswer::new(404, "")), Unjudged),
        (Fault::status(400), Unjudged),
        (Fault::Garbage, Unjudged),
        (Fault::Empty, Unjudged),
        (Fault::HugeBody(100_000), Unjudged),
        (Fault::Answer(ScriptedAnswer::new(204, "")), Unjudged),
        (Fault::Answer(ScriptedAnswer::json(200, &json!({}))), Unjudged),
    ] {
        let emulator = emulator().await;
        let (verifier, issued) = (bound(&emulator), key_for(&emulator, &["api_1"]));
        emulator.set_fault(Endpoint::ApiKey, Some(fault.clone()));
        let error = verifier.verify(&key(&issued.secret)).await.unwrap_err();
        assert_eq!(error.class(), class, "{fault:?}: {error}");
        if class == Overload {
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{fault:?}");
        }
        let keys = patient(bound(&emulator)).build().unwrap();
        let code = if is_set_up(&error) { "INTERNAL_ERROR" } else { "VERIFICATION_UNAVAILABLE" };
        assert_eq!(ask(&keys, &issued).await, code, "{fault:?}");
        emulator.set_fault(Endpoint::ApiKey, None);
    }
}

/// Kinde has verified the key a moment before, so it was deleted or revoked in between.
#[tokio::test]
async fn an_error_about_the_key_refuses_it() {
    let emulator = emulator().await;
    let keys = patient(bound(&emulator)).build().unwrap();
    for (fault, code) in [
        (errors(404, "API_KEY_NOT_FOUND"), "INVALID_KEY"),
        (errors(401, "API_KEY_REVOKED"), "KEY_REVOKED"),
        (errors(403, "KEY_INACTIVE"), "KEY_INACTIVE"),
    ] {
        let issued = key_for(&emulator, &["api_1"]);
        emulator.script_faults(Endpoint::ApiKey, vec![Some(fault)]);
        assert_eq!(ask(&keys, &issued).await, code);
    }
    assert_eq!(emulator.counters().token_calls, 1, "the token is not in doubt");
}

#[tokio::test]
async fn a_second_call_that_stalls_ends_with_the_budget() {
    let emulator = emulator().await;
    let issued = key_for(&emulator, &["api_1"]);
    let body = ScriptedAnswer::json(200, &json!({"api_key": {"api_ids": ["api_1"]}}));
    for fault in [Fault::Hang, Fault::StalledBody(body)] {
        emulator.set_fault(Endpoint::ApiKey, Some(fault.clone()));
        let keys = patient(bound(&emulator)).verification_timeout(SHORT).build().unwrap();
        assert_eq!(ask(&keys, &issued).await, "VERIFICATION_UNAVAILABLE", "{fault:?}");
    }
}

#[tokio::test]
async fn a_second_call_that_fails_once_is_not_noticed() {
    let busy = Fault::TooManyRequests { rate_limit_reset: None, retry_after: Some(0) };
    for fault in [Fault::status(500), Fault::Reset, busy] {
        let emulator = emulator().await;
        let (keys, issued) = (patient(bound(&emulator)).retries(true), key_for(&emulator, &["api_1"]));
        emulator.script_faults(Endpoint::ApiKey, vec![Some(fault.clone())]);
        assert_eq!(ask(&keys.build().unwrap(), &issued).await, issued.key_id, "{fault:?}");
        assert_eq!(calls(&emulator), (2, 2), "{fault:?}");
    }
}

#[tokio::test]
async fn a_second_call_that_is_silent_gets_another_beside_it() {
    let emulator = emulator().await;
    let issued = key_for(&emulator, &["api_1"]);
    let keys = patient(bound(&emulator)).retries(true).verification_timeout(Duration::from_secs(3));
    emulator.script_faults(Endpoint::ApiKey, vec![Some(Fault::Hang)]);
    assert_eq!(ask(&keys.build().unwrap(), &issued).await, issued.key_id);
}

/// The id comes from Kinde, but the token must not be led to another place by it.
#[tokio::test]
async fn a_key_id_that_may_lead_elsewhere_is_asked_about_nowhere() {
    for (key_id, path) in [
        ("api_key_1", Some("/api/v1/api_keys/api_key_1")),
        ("a b?c=d#e%2Ff", Some("/api/v1/api_keys/a%20b%3Fc%3Dd%23e%252Ff")),
        ("..", None),
        (".", None),
        ("../apis", None),
        ("a/b", None),
        ("..\\\\apis", None),
    ] {
        let server = RawServer::start(move |request: &str| {
            let verified = format!(r#"{{"is_valid":true,"status":"active","key_id":"{key_id}"}}"#);
            match request.split(' ').nth(1).unwrap() {
                "/oauth2/token" => ok(r#"{"access_token":"t","expires_in":3600}"#),
                "/api/v1/api_keys/verify" => ok(&verified),
                _ => ok(r#"{"api_key":{"api_ids":["api_1"]}}"#),
            }
        })
        .await;
        let settings = apikey_core::KindeSettings::new(&server.url)
            .machine_to_machine(apikey_core::MachineToMachine::new("i", "s"))
            .api_id("api_1");
        let said = KindeVerifier::new(settings).unwrap().verify(&key("k_live_1")).await;
        let requests = server.requests();
        let asked: Vec<&str> =
            requests.iter().filter(|one| one.starts_with("GET ")).map(String::as_str).collect();
        match path {
            Some(path) => {
                assert!(said.unwrap().is_accepted());
                assert_eq!(asked.len(), 1);
                assert!(asked[0].starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{}", asked[0]);
                assert!(asked[0].to_lowercase().contains("\r\nauthorization: bearer t\r\n"), "{}", asked[0]);
            }
            None => {
                assert_eq!(said.unwrap_err().class(), FailureClass::Unjudged, "{key_id}");
                assert!(asked.is_empty(), "{asked:?}");
            }
        }
    }
}
