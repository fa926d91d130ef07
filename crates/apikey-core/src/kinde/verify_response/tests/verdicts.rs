use super::*;

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
    assert!(is_unjudged(&read_verify_response(head(200), None, NAMES)), "too long");
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
