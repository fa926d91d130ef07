use super::*;
use crate::kinde::retry_after::RetryAfter;
use crate::verifier::FailureClass;
use serde_json::json;

const NAMES: SettingNames = SettingNames::VARIABLES;

fn head(status: u16) -> Head {
    Head { status, retry_after: RetryAfter::default() }
}

fn class(status: u16, body: &str) -> Option<FailureClass> {
    read_token_response(head(status), Some(body.as_bytes()), NAMES).err().map(|error| error.class())
}

#[test]
fn a_token_is_granted_with_or_without_a_lifetime() {
    for (body, lifetime) in [
        (r#"{"access_token":"t","expires_in":3600,"token_type":"bearer"}"#, Some(3600)),
        (r#"{"access_token":"t","expires_in":"86399"}"#, Some(86399)),
        (r#"{"access_token":"t"}"#, None),
        (r#"{"access_token":"t","expires_in":null}"#, None),
        (r#"{"access_token":"t","expires_in":-1}"#, None),
    ] {
        let grant = read_token_response(head(200), Some(body.as_bytes()), NAMES).unwrap();
        assert_eq!((grant.token.expose(), grant.expires_in), ("t", lifetime), "{body}");
    }
}

#[test]
fn a_refused_token_is_told_by_its_error_and_an_outage_is_none() {
    for error in [
        "invalid_client",
        "unauthorized_client",
        "invalid_scope",
        "invalid_grant",
        "unsupported_grant_type",
        "access_denied",
        "invalid_request",
        "invalid_audience",
    ] {
        let body = json!({"error": error, "error_description": "words"}).to_string();
        for status in [400, 401, 403, 404] {
            assert_eq!(class(status, &body), Some(FailureClass::SetUp), "{status} {error}");
        }
        for status in [408, 421, 500, 503] {
            assert_eq!(class(status, &body), Some(FailureClass::Outage), "{status} {error}");
        }
        assert_eq!(class(429, &body), Some(FailureClass::Overload), "{error}");
    }
    for body in [
        "",
        "{}",
        "<html>",
        r#"{"access_token":""}"#,
        r#"{"access_token":7}"#,
        "{\"access_token\":\"a\\nb\"}",
    ] {
        assert_eq!(class(200, body), Some(FailureClass::Outage), "{body}");
    }
    assert_eq!(class(404, ""), Some(FailureClass::SetUp));
    assert_eq!(class(302, ""), Some(FailureClass::SetUp));
    assert_eq!(class(401, "<html>"), Some(FailureClass::Outage));
    assert_eq!(class(400, r#"{"error":"server_error"}"#), Some(FailureClass::Outage));
}

#[test]
fn a_token_endpoint_that_asks_for_time_is_overloaded() {
    let wait = Some(std::time::Duration::from_secs(7));
    for status in [429, 503] {
        let head = Head { status, retry_after: RetryAfter { has_header: true, wait } };
        let error = read_token_response(head, Some(b""), NAMES).unwrap_err();
        assert_eq!((error.class(), error.retry_after()), (FailureClass::Overload, wait), "{status}");
    }
}

#[test]
fn a_token_answer_that_is_too_long_grants_nothing() {
    assert_eq!(read_token_response(head(200), None, NAMES).unwrap_err().class(), FailureClass::Outage);
}
