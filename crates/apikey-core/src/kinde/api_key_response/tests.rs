use super::*;
use crate::kinde::json::odd_json;
use crate::kinde::meaning::Doubt;
use crate::kinde::retry_after::RetryAfter;
use crate::verifier::FailureClass;
use proptest::prelude::*;
use serde_json::{Value, json};

const NAMES: SettingNames = SettingNames::VARIABLES;

fn verified() -> Verification {
    Verification::active("api_key_1").with_scopes(["read:users"]).with_organization("org_acme")
}

fn read(status: u16, body: &[u8]) -> Meaning {
    let head = Head { status, retry_after: RetryAfter::default() };
    read_api_key_response(head, Some(body), "api_1", &verified(), NAMES)
}

fn described(api_ids: &Value) -> Meaning {
    read(
        200,
        json!({"code": "OK", "api_key": {"id": "api_key_1", "api_ids": api_ids}}).to_string().as_bytes(),
    )
}

fn accepted() -> Meaning {
    Meaning::Judged(Judgement::accepted(verified()))
}

fn refused(refusal: Refusal) -> Meaning {
    Meaning::Judged(Judgement::refused(refusal))
}

fn class(meaning: &Meaning) -> Option<FailureClass> {
    match meaning {
        Meaning::NotJudged(error) => Some(error.class()),
        Meaning::Judged(_) | Meaning::TokenDoubted(_) => None,
    }
}

#[test]
fn a_key_that_lists_this_api_stays_as_it_was_verified() {
    for api_ids in [json!(["api_1"]), json!(["api_0", "api_1"]), json!(["api_1", "api_1"])] {
        assert_eq!(described(&api_ids), accepted(), "{api_ids}");
    }
    // The key may be the body itself.
    assert_eq!(read(200, br#"{"id":"api_key_1","api_ids":["api_1"]}"#), accepted());
    assert_eq!(read(200, br#"{"api_ids":["\u0061pi_1"],"api_key":null}"#), accepted());
}

#[test]
fn a_key_that_does_not_list_this_api_is_refused() {
    for api_ids in [json!([]), json!(["api_2"]), json!(["API_1", "api_1 ", "api_", "api_12", ""])] {
        assert_eq!(described(&api_ids), refused(Refusal::OtherApi), "{api_ids}");
    }
    assert_eq!(read(200, br#"{"api_ids":["api_2"]}"#), refused(Refusal::OtherApi));
}

#[test]
fn a_list_that_is_missing_or_odd_judges_nothing() {
    for api_ids in [
        json!(null),
        json!("api_1"),
        json!({"0": "api_1"}),
        json!(1),
        json!(true),
        json!(["api_1", 1]),
        json!([null, "api_1"]),
        json!([["api_1"]]),
        json!([{"id": "api_1"}]),
    ] {
        assert_eq!(class(&described(&api_ids)), Some(FailureClass::Unjudged), "{api_ids}");
    }
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"["api_1"]"#,
        r#"{"api_key":{}}"#,
        r#"{"api_key":{"api_id":"api_1"}}"#,
        r#"{"api_key":"api_1","api_ids":["api_1"]}"#,
        r#"{"api_key":{},"api_ids":["api_1"]}"#,
        r#"{"api_key":[["api_1"]]}"#,
        r#"{"api_key":[{"api_ids":["api_1"]}]}"#,
        r#"{"api_ids":["api_1"],"api_ids":["api_1"]}"#,
        r#"{"api_key":{"api_ids":["api_1"],"api_ids":["api_2"]}}"#,
        r#"{"api_key":{"api_ids":["api_1"]},"api_key":{"api_ids":["api_1"]}}"#,
        r#"{"api_key":{"api_ids":["api_1"]}"#,
        "<html>api_ids</html>",
    ] {
        assert_eq!(class(&read(200, body.as_bytes())), Some(FailureClass::Unjudged), "{body}");
    }
    let head = Head { status: 200, retry_after: RetryAfter::default() };
    let too_long = read_api_key_response(head, None, "api_1", &verified(), NAMES);
    assert_eq!(class(&too_long), Some(FailureClass::Unjudged));
}

#[test]
fn an_error_has_the_class_that_it_has_from_the_verify_endpoint() {
    let errors = |code: &str| json!({"errors": [{"code": code}]}).to_string();
    for (status, code, refusal) in [
        (404, "API_KEY_NOT_FOUND", Refusal::Invalid),
        (400, "API_KEY_REVOKED", Refusal::Revoked),
        (403, "API_KEY_INACTIVE", Refusal::Inactive),
    ] {
        assert_eq!(read(status, errors(code).as_bytes()), refused(refusal), "{status} {code}");
    }
    let not_found = br#"{"errors":{"code":"API_KEY_NOT_FOUND","message":"No"}}"#;
    assert_eq!(read(404, not_found), refused(Refusal::Invalid));
    for (status, code, expected) in [
        (404, "NOT_FOUND", FailureClass::Unjudged),
        (404, "ROUTE_NOT_FOUND", FailureClass::SetUp),
        (400, "SCOPE_MISSING", FailureClass::SetUp),
        (405, "", FailureClass::SetUp),
        (302, "", FailureClass::SetUp),
        (429, "TOO_MANY_REQUESTS", FailureClass::Overload),
        (500, "API_KEY_NOT_FOUND", FailureClass::Outage),
        (204, "", FailureClass::Unjudged),
    ] {
        assert_eq!(class(&read(status, errors(code).as_bytes())), Some(expected), "{status} {code}");
    }
    for (status, body, doubt) in [
        (401, errors("TOKEN_INVALID"), Doubt::Refused),
        (403, errors("SCOPE_MISSING"), Doubt::ScopeMissing),
        (401, String::new(), Doubt::Bare401),
        (403, String::new(), Doubt::Bare403),
    ] {
        assert_eq!(read(status, body.as_bytes()), Meaning::TokenDoubted(doubt), "{status} {body}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just("api_1"), Just("api_2"), Just("")].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let name = prop_oneof![Just("api_key".to_owned()), Just("api_ids".to_owned()), Just("id".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn no_body_binds_a_key_but_one_that_lists_this_api(body in any_json()) {
        let key = match &body["api_key"] {
            Value::Null => &body,
            key => key,
        };
        let texts = |list: &Vec<Value>| list.iter().map(|id| id.as_str().map(str::to_owned)).collect();
        let listed: Option<Vec<String>> = key["api_ids"].as_array().and_then(texts);
        let meaning = read(200, body.to_string().as_bytes());
        match listed {
            Some(listed) if listed.iter().any(|id| id == "api_1") => prop_assert_eq!(meaning, accepted()),
            Some(_) => prop_assert_eq!(meaning, refused(Refusal::OtherApi)),
            None => prop_assert_eq!(class(&meaning), Some(FailureClass::Unjudged)),
        }
    }
}

proptest! {
    #[test]
    fn odd_members_beside_api_ids_do_not_hide_them(odd in odd_json(), other in odd_json()) {
        for (listed, meaning) in [("api_1", accepted()), ("api_2", refused(Refusal::OtherApi))] {
            let key = format!(r#"{{"name":{odd},"api_ids":["{listed}"],"code":{other}}}"#);
            let body = format!(r#"{{"code":{other},"api_key":{key},"message":{odd}}}"#);
            prop_assert_eq!(&read(200, body.as_bytes()), &meaning, "{}", body);
            prop_assert_eq!(read(200, key.as_bytes()), meaning, "{}", key);
        }
    }
}
