use super::*;
use proptest::prelude::*;
use serde_json::json;

fn judged(body: Value) -> Meaning {
    read_verify_answer(200, body.to_string().as_bytes())
}

fn refused(refusal: Refusal) -> Meaning {
    Meaning::Judged(Judgement::Refused(refusal))
}

fn is_unjudged(meaning: &Meaning) -> bool {
    matches!(meaning, Meaning::Unjudged(_) | Meaning::UnjudgedForNow(_))
}

fn accepted(body: Value) -> Verification {
    match judged(body) {
        Meaning::Judged(Judgement::Accepted(verification)) => verification,
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
        let meaning = read_verify_answer(200, body.as_bytes());
        assert!(is_unjudged(&meaning), "{body} {meaning:?}");
    }
    assert!(is_unjudged(&read_verify_answer(200, b"\xff\xfe{}")));
    let not_utf8 = b"{\"is_valid\":true,\"status\":\"active\",\"key_id\":\"k\",\"new_member\":\"\xff\"}";
    assert!(is_unjudged(&read_verify_answer(200, not_utf8)));
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

#[test]
fn an_error_answer_about_the_key_is_a_judgement() {
    for (code, refusal) in [
        ("INVALID_API_KEY", Refusal::Invalid),
        ("api_key_not_found", Refusal::Invalid),
        ("API_KEY_REVOKED", Refusal::Revoked),
        ("Api_Key_Inactive", Refusal::Inactive),
    ] {
        for errors in
            [json!([{"code": code, "message": "m"}]), json!({"code": code}), json!([{}, {"code": code}])]
        {
            let body = json!({"errors": errors}).to_string();
            for status in [400, 401, 403, 404] {
                assert_eq!(read_verify_answer(status, body.as_bytes()), refused(refusal), "{status} {body}");
            }
            for status in [408, 429, 500, 503] {
                assert!(is_unjudged(&read_verify_answer(status, body.as_bytes())), "{status} {body}");
            }
        }
    }
}

#[test]
fn every_status_has_its_meaning() {
    let of = |status| read_verify_answer(status, br#"{"errors":[{"code":"OTHER","message":"API_KEY"}]}"#);
    assert!(matches!(of(400), Meaning::Unreadable(_)));
    for status in [201, 204, 299, 408, 425, 429, 500, 502, 503, 504, 599] {
        assert!(is_unjudged(&of(status)), "{status}");
    }
    for status in [401, 403] {
        assert_eq!(of(status), Meaning::TokenRefused { scope_missing: false });
    }
    for status in [301, 302, 307, 404, 405, 410, 418, 422] {
        assert!(matches!(of(status), Meaning::SetUp(_)), "{status}");
    }
    let scope_missing = read_verify_answer(403, br#"{"errors":[{"code":"SCOPE_MISSING"}]}"#);
    assert_eq!(scope_missing, Meaning::TokenRefused { scope_missing: true });
}

fn token_kind(status: u16, body: &str) -> &'static str {
    match read_token_answer(status, body.as_bytes()) {
        TokenMeaning::Granted { .. } => "granted",
        TokenMeaning::Unavailable(_) | TokenMeaning::UnavailableForNow(_) => "unavailable",
        TokenMeaning::SetUp(_) => "set-up",
    }
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
        match read_token_answer(200, body.as_bytes()) {
            TokenMeaning::Granted { token, expires_in } => {
                assert_eq!((token.expose(), expires_in), ("t", lifetime), "{body}");
            }
            other => panic!("{body} {other:?}"),
        }
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
            assert_eq!(token_kind(status, &body), "set-up", "{status} {error}");
        }
        for status in [429, 500, 503] {
            assert_eq!(token_kind(status, &body), "unavailable", "{status} {error}");
        }
    }
    for body in [
        "",
        "{}",
        "<html>",
        r#"{"access_token":""}"#,
        r#"{"access_token":7}"#,
        "{\"access_token\":\"a\\nb\"}",
    ] {
        assert_eq!(token_kind(200, body), "unavailable", "{body}");
    }
    assert_eq!(token_kind(404, ""), "set-up");
    assert_eq!(token_kind(302, ""), "set-up");
    assert_eq!(token_kind(401, "<html>"), "unavailable");
    assert_eq!(token_kind(400, r#"{"error":"server_error"}"#), "unavailable");
}

proptest! {
    #[test]
    fn no_answer_but_a_valid_active_one_lets_a_key_in(
        status in prop_oneof![Just(200_u16), 100..600_u16],
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let accepted = matches!(read_verify_answer(status, &body), Meaning::Judged(Judgement::Accepted(_)));
        prop_assert!(!accepted);
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
        let meaning = read_verify_answer(http_status, body.as_bytes());
        prop_assert_eq!(matches!(meaning, Meaning::Judged(Judgement::Accepted(_))), right);
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
            let said = format!("{:?}{:?}", read_verify_answer(status, body.as_bytes()), read_token_answer(status, body.as_bytes()));
            prop_assert!(!said.contains(&secret), "{}", said);
        }
    }
}
