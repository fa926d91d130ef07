use super::*;
use crate::kinde::token_answer::read_token_answer;
use crate::verification::Verdict;
use crate::verifier::FailureClass;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

const NAMES: SettingNames = SettingNames::VARIABLES;

fn head(status: u16) -> Head {
    Head { status, moment: Moment::default() }
}

fn read(status: u16, body: &[u8]) -> Meaning {
    read_verify_answer(head(status), Some(body), NAMES)
}

fn judged(body: Value) -> Meaning {
    read(200, body.to_string().as_bytes())
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

fn is_unjudged(meaning: &Meaning) -> bool {
    class(meaning) == Some(FailureClass::Unjudged)
}

fn is_accepted(meaning: &Meaning) -> bool {
    matches!(meaning, Meaning::Judged(judgement) if judgement.is_accepted())
}

fn accepted(body: Value) -> Verification {
    match judged(body) {
        Meaning::Judged(judgement) => match judgement.into_verdict() {
            Verdict::Accepted(verification) => verification,
            Verdict::Refused(refusal) => panic!("{refusal:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_that_the_endpoint_tells_is_kept() {
    let verification = accepted(json!({
        "code": "API_KEY_VERIFIED", "message": "API key verified", "is_valid": true, "key_id": "api_key_123",
        "status": "active", "scopes": ["read:users", "write:users"], "org_code": "org_1", "user_id": "kp_1",
        "last_verified_on": "2024-11-18T13:32:03+11", "verification_count": 42, "new_member": {"a": [1]},
    }));
    assert_eq!(verification.key_id(), "api_key_123");
    assert_eq!(verification.status(), "active");
    assert_eq!(verification.scopes().collect::<Vec<_>>(), ["read:users", "write:users"]);
    assert_eq!((verification.organization_code(), verification.user_id()), (Some("org_1"), Some("kp_1")));
    assert_eq!(verification.last_verified_on(), Some("2024-11-18T13:32:03+11"));
    assert!(verification.last_verified_at().is_some());
    assert_eq!(verification.verification_count(), Some(42));
    assert_eq!(
        (verification.code(), verification.message()),
        (Some("API_KEY_VERIFIED"), Some("API key verified"))
    );
}

#[test]
fn absent_and_null_members_mean_the_same() {
    let absent = accepted(json!({"is_valid": true, "key_id": "k", "status": "active"}));
    let null = accepted(json!({
        "is_valid": true, "key_id": "k", "status": "active", "code": null, "message": null, "scopes": null,
        "org_code": null, "user_id": null, "last_verified_on": null, "verification_count": null,
    }));
    assert_eq!(absent, null);
    assert_eq!(absent, Verification::active("k"));
}

#[test]
fn all_four_combinations_of_owners_are_told_apart() {
    for organization in [None, Some("org_1")] {
        for user in [None, Some("kp_1")] {
            let body = json!({"is_valid": true, "key_id": "k", "status": "active", "org_code": organization, "user_id": user});
            let verification = accepted(body);
            assert_eq!((verification.organization_code(), verification.user_id()), (organization, user));
        }
    }
}

#[test]
fn odd_informational_members_decide_nothing() {
    for odd in [json!(1), json!([]), json!({}), json!(true), json!(-5), json!(1.5), json!("x")] {
        let verification = accepted(json!({
            "is_valid": true, "key_id": "k", "status": "active", "code": odd, "message": odd,
            "last_verified_on": odd, "verification_count": odd,
        }));
        assert_eq!(verification.key_id(), "k");
        assert_eq!(verification.verification_count(), odd.as_u64());
    }
}

#[test]
fn only_a_json_boolean_says_whether_a_key_is_valid() {
    for is_valid in [json!(null), json!("true"), json!("false"), json!(1), json!(0), json!([]), json!({})] {
        for status in ["active", "revoked"] {
            let meaning = judged(json!({"is_valid": is_valid, "key_id": "k", "status": status}));
            assert!(is_unjudged(&meaning), "{is_valid} {meaning:?}");
        }
    }
    assert!(is_unjudged(&judged(json!({"key_id": "k", "status": "active"}))));
}

#[test]
fn what_cannot_be_read_is_not_judged() {
    for body in [
        "",
        "{}",
        "null",
        "[]",
        "true",
        "\"x\"",
        "{",
        "<html>",
        "{\"is_valid\":true",
        r#"{"is_valid":true,"is_valid":true,"key_id":"k","status":"active"}"#,
        r#"["API_KEY_VERIFIED","m",true,"k","active",[],null,null,null,null]"#,
        r#"{"is_valid":true,"status":"active"}"#,
        r#"{"is_valid":true,"status":"active","key_id":null}"#,
        r#"{"is_valid":true,"status":"active","key_id":""}"#,
        r#"{"is_valid":true,"status":"active","key_id":7}"#,
        r#"{"is_valid":true,"status":"active","key_id":"k","scopes":"read:users"}"#,
        r#"{"is_valid":true,"status":"active","key_id":"k","scopes":[1]}"#,
        r#"{"is_valid":true,"status":"active","key_id":"k","scopes":{}}"#,
        r#"{"is_valid":true,"status":"active","key_id":"k","org_code":7}"#,
        r#"{"is_valid":true,"status":"active","key_id":"k","user_id":["kp_1"]}"#,
    ] {
        let meaning = read(200, body.as_bytes());
        assert!(is_unjudged(&meaning), "{body} {meaning:?}");
    }
    assert!(is_unjudged(&read(200, b"\xff\xfe{}")));
    let not_utf8 = b"{\"is_valid\":true,\"status\":\"active\",\"key_id\":\"k\",\"new_member\":\"\xff\"}";
    assert!(is_unjudged(&read(200, not_utf8)));
    assert!(is_unjudged(&read_verify_answer(head(200), None, NAMES)), "too long");
}

#[test]
fn the_status_decides_before_the_validity() {
    for is_valid in [true, false] {
        let of = |status: Value| judged(json!({"is_valid": is_valid, "key_id": "k", "status": status}));
        assert_eq!(of(json!("revoked")), refused(Refusal::Revoked));
        assert_eq!(of(json!("inactive")), refused(Refusal::Inactive));
        let other = if is_valid { Refusal::Inactive } else { Refusal::Invalid };
        for status in [json!(null), json!(""), json!("Active"), json!("paused"), json!(1), json!(["active"])]
        {
            assert_eq!(of(status), refused(other));
        }
    }
    assert_eq!(judged(json!({"is_valid": false, "status": "active"})), refused(Refusal::Invalid));
    assert_eq!(judged(json!({"is_valid": false})), refused(Refusal::Invalid));
}

fn errors(codes: &[&str]) -> String {
    let errors: Vec<Value> = codes.iter().map(|code| json!({"code": code, "message": "m"})).collect();
    json!({"errors": errors}).to_string()
}

#[test]
fn codes_are_about_the_key_by_their_words() {
    let about = [
        ("INVALID_API_KEY", Refusal::Invalid),
        ("api_key_not_found", Refusal::Invalid),
        ("API_KEY_NOT_VALID", Refusal::Invalid),
        ("API_KEY_EXPIRED", Refusal::Invalid),
        ("DELETED_API_KEY", Refusal::Invalid),
        ("UNKNOWN_API_KEY", Refusal::Invalid),
        ("MALFORMED_API_KEY", Refusal::Invalid),
        ("API_KEY", Refusal::Invalid),
        ("KEY_NOT_FOUND", Refusal::Invalid),
        ("invalid_key", Refusal::Invalid),
        ("API_KEY_REVOKED", Refusal::Revoked),
        ("REVOKED_API_KEY_NOT_VALID", Refusal::Revoked),
        ("key_revoked", Refusal::Revoked),
        ("Api_Key_Inactive", Refusal::Inactive),
        ("API_KEY_DISABLED", Refusal::Inactive),
        ("KEY_INACTIVE", Refusal::Inactive),
    ];
    for (code, refusal) in about {
        let single = json!({"errors": {"code": code}}).to_string();
        for body in [errors(&[code]), errors(&[code, code]), single] {
            for status in [400, 401, 403, 404] {
                assert_eq!(read(status, body.as_bytes()), refused(refusal), "{status} {body}");
            }
            for status in [402, 409, 410, 418, 422, 425] {
                assert!(is_unjudged(&read(status, body.as_bytes())), "{status} {body}");
            }
            for status in [408, 421, 429, 500, 503] {
                let class = class(&read(status, body.as_bytes()));
                assert!(
                    matches!(class, Some(FailureClass::Outage | FailureClass::Overload)),
                    "{status} {body}"
                );
            }
        }
    }
    for code in [
        "MISSING_SCOPE_READ_API_KEYS",
        "API_KEYS_NOT_ENABLED",
        "API_KEYS_QUOTA_EXCEEDED",
        "API_KEY_QUOTA_EXCEEDED",
        "API_KEY_NOT_ACTIVE",
        "KEY_API_INVALID",
        "API_INVALID_KEY",
        "APIKEY_INVALID",
        "INVALID_API_KEYS",
        "API_KEY_API_KEY",
        "API_KEY__REVOKED",
        "_API_KEY",
        "API-KEY-REVOKED",
        "API KEY REVOKED",
        "KEY_EXPIRED",
        "NOT_FOUND",
        "REVOKED",
        "UNAUTHORIZED",
        "",
    ] {
        for codes in [vec![code], vec![code, "API_KEY_REVOKED"], vec!["API_KEY_REVOKED", code]] {
            let body = errors(&codes);
            for status in [400, 404] {
                assert!(is_unjudged(&read(status, body.as_bytes())), "{status} {body}");
            }
            for status in [401, 403] {
                assert_eq!(
                    read(status, body.as_bytes()),
                    Meaning::TokenDoubted(Doubt::Refused),
                    "{status} {body}"
                );
            }
        }
    }
}

#[test]
fn several_codes_about_the_key_name_the_gravest_status() {
    for (codes, refusal) in [
        (["API_KEY_INVALID", "API_KEY_REVOKED"], Refusal::Revoked),
        (["API_KEY_INACTIVE", "API_KEY_REVOKED"], Refusal::Revoked),
        (["API_KEY_INVALID", "API_KEY_DISABLED"], Refusal::Inactive),
        (["KEY_NOT_FOUND", "API_KEY_INVALID"], Refusal::Invalid),
    ] {
        assert_eq!(read(401, errors(&codes).as_bytes()), refused(refusal), "{codes:?}");
    }
}

#[test]
fn an_error_without_a_readable_code_is_not_about_the_key() {
    let good = json!({"code": "API_KEY_REVOKED"});
    for odd in [
        json!({}),
        json!({"code": 7}),
        json!({"code": null}),
        json!({"code": ["API_KEY_REVOKED"]}),
        json!("API_KEY_REVOKED"),
        json!(1),
        json!(null),
        json!([good]),
    ] {
        for errors in [json!([odd]), json!([good, odd]), json!([odd, good])] {
            let body = json!({"errors": errors}).to_string();
            assert!(is_unjudged(&read(400, body.as_bytes())), "{body}");
            assert_eq!(read(401, body.as_bytes()), Meaning::TokenDoubted(Doubt::Refused), "{body}");
        }
    }
    let twice = r#"{"errors":[{"code":"API_KEY_REVOKED","code":"API_KEY_REVOKED"}]}"#;
    assert!(is_unjudged(&read(400, twice.as_bytes())));
    let escaped = r#"{"errors":[{"\u0063ode":"API_KEY\u005fREVOKED"}]}"#;
    assert_eq!(read(400, escaped.as_bytes()), refused(Refusal::Revoked));
}

#[test]
fn a_401_or_403_without_errors_is_told_from_one_with_errors() {
    for body in [
        "",
        "{}",
        "<html>",
        "[]",
        r#"{"errors":null}"#,
        r#"{"errors":[]}"#,
        r#"{"error":"API_KEY_REVOKED"}"#,
        r#"{"errors":[{"code":"API_KEY_REVOKED"}]"#,
        r#"{"errors":[],"errors":[]}"#,
    ] {
        assert_eq!(read(401, body.as_bytes()), Meaning::TokenDoubted(Doubt::Bare401), "{body}");
        assert_eq!(read(403, body.as_bytes()), Meaning::TokenDoubted(Doubt::Bare403), "{body}");
    }
    assert_eq!(read_verify_answer(head(401), None, NAMES), Meaning::TokenDoubted(Doubt::Bare401), "too long");
    assert_eq!(read_verify_answer(head(403), None, NAMES), Meaning::TokenDoubted(Doubt::Bare403), "too long");
}

#[test]
fn every_status_has_its_class() {
    let of = |status| class(&read(status, br#"{"errors":[{"code":"OTHER","message":"API_KEY"}]}"#));
    for status in [201, 204, 206, 299, 400, 402, 404, 406, 407, 409, 410, 411, 418, 422, 425, 426, 451, 499] {
        assert_eq!(of(status), Some(FailureClass::Unjudged), "{status}");
    }
    for status in [300, 301, 302, 303, 304, 307, 308, 399, 405] {
        assert_eq!(of(status), Some(FailureClass::SetUp), "{status}");
    }
    for status in [100, 101, 408, 421, 500, 501, 502, 503, 504, 505, 511, 520, 599, 600, 999] {
        assert_eq!(of(status), Some(FailureClass::Outage), "{status}");
    }
    assert_eq!(of(429), Some(FailureClass::Overload));
    for status in [401, 403] {
        assert_eq!(of(status), None);
    }
}

#[test]
fn a_retry_after_makes_an_overload_of_a_503_and_of_no_other_status() {
    for (moment, wait) in [
        (Moment { has_retry_after: true, wait: Some(Duration::from_secs(7)) }, Some(Duration::from_secs(7))),
        (Moment { has_retry_after: true, wait: None }, None),
    ] {
        for status in [429, 503] {
            let Meaning::NotJudged(error) = read_verify_answer(Head { status, moment }, Some(b""), NAMES)
            else {
                panic!()
            };
            assert_eq!((error.class(), error.asked_to_wait()), (FailureClass::Overload, wait), "{status}");
        }
        for status in [400, 408, 418, 500, 502, 504] {
            let meaning = read_verify_answer(Head { status, moment }, Some(b""), NAMES);
            assert_ne!(class(&meaning), Some(FailureClass::Overload), "{status}");
        }
    }
}

#[test]
fn codes_of_a_wrong_set_up_are_known_on_every_4xx_that_is_read() {
    for status in [400, 404, 410, 422] {
        for code in ["SCOPE_MISSING", "scope_missing", "ROUTE_NOT_FOUND"] {
            for codes in [vec![code], vec!["API_KEY_REVOKED", code]] {
                assert_eq!(
                    class(&read(status, errors(&codes).as_bytes())),
                    Some(FailureClass::SetUp),
                    "{status} {codes:?}"
                );
            }
        }
    }
    for status in [401, 403] {
        let body = errors(&["OTHER", "Scope_Missing"]);
        assert_eq!(read(status, body.as_bytes()), Meaning::TokenDoubted(Doubt::ScopeMissing));
        assert_eq!(class(&read(status, errors(&["ROUTE_NOT_FOUND"]).as_bytes())), Some(FailureClass::SetUp));
    }
    for status in [408, 500, 503] {
        assert_eq!(class(&read(status, errors(&["SCOPE_MISSING"]).as_bytes())), Some(FailureClass::Outage));
    }
}

#[test]
fn a_body_is_needed_by_no_status_that_decides() {
    for status in 100..1000 {
        if status_decides(status) {
            for body in ["", "{}", &errors(&["API_KEY_REVOKED"]), &errors(&["SCOPE_MISSING"])] {
                assert_eq!(
                    read(status, body.as_bytes()),
                    read_verify_answer(head(status), None, NAMES),
                    "{status}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn no_answer_but_a_valid_active_one_lets_a_key_in(
        status in prop_oneof![Just(200_u16), 100..600_u16],
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        prop_assert!(!is_accepted(&read(status, &body)));
    }

    #[test]
    fn a_key_is_let_in_exactly_when_all_of_it_is_right(
        is_valid in prop_oneof![Just(json!(true)), Just(json!(false)), Just(json!("true")), Just(json!(null))],
        status in prop_oneof![Just(json!("active")), Just(json!("revoked")), Just(json!("x")), Just(json!(null))],
        key_id in prop_oneof![Just(json!("k")), Just(json!("")), Just(json!(1)), Just(json!(null))],
        scopes in prop_oneof![Just(json!(["a"])), Just(json!(null)), Just(json!([1])), Just(json!("a"))],
        http_status in prop_oneof![4 => Just(200_u16), 1 => 200..600_u16],
    ) {
        let body = json!({"is_valid": is_valid, "status": status, "key_id": key_id, "scopes": scopes}).to_string();
        let right = http_status == 200 && is_valid == json!(true) && status == json!("active")
            && key_id == json!("k") && (scopes == json!(["a"]) || scopes == json!(null));
        prop_assert_eq!(is_accepted(&read(http_status, body.as_bytes())), right);
    }

    #[test]
    fn nothing_that_kinde_says_is_repeated(secret in "[A-Za-z0-9_]{20,40}", status in 200..600_u16) {
        let bodies = [
            json!({"errors": [{"code": &secret, "message": &secret}]}),
            json!({"error": &secret, "error_description": &secret}),
            json!({"is_valid": &secret, "message": &secret}),
        ];
        for body in bodies {
            let body = body.to_string();
            let token = read_token_answer(head(status), Some(body.as_bytes()), NAMES);
            let said = format!("{:?}{:?}", read(status, body.as_bytes()), token);
            prop_assert!(!said.contains(&secret), "{}", said);
        }
    }
}
