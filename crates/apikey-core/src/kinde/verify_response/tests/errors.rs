use super::*;

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
    assert_eq!(
        read_verify_response(head(401), None, NAMES),
        Meaning::TokenDoubted(Doubt::Bare401),
        "too long"
    );
    assert_eq!(
        read_verify_response(head(403), None, NAMES),
        Meaning::TokenDoubted(Doubt::Bare403),
        "too long"
    );
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
fn a_retry_after_makes_an_overload_of_a_503_alone() {
    for (retry_after, wait) in [
        (RetryAfter { has_header: true, wait: Some(Duration::from_secs(7)) }, Some(Duration::from_secs(7))),
        (RetryAfter { has_header: true, wait: None }, None),
    ] {
        for status in [429, 503] {
            let Meaning::NotJudged(error) =
                read_verify_response(Head { status, retry_after }, Some(b""), NAMES)
            else {
                panic!()
            };
            assert_eq!((error.class(), error.retry_after()), (FailureClass::Overload, wait), "{status}");
        }
        for status in [400, 408, 418, 500, 502, 504] {
            let meaning = read_verify_response(Head { status, retry_after }, Some(b""), NAMES);
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
                    read_verify_response(head(status), None, NAMES),
                    "{status}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn odd_members_beside_a_code_do_not_hide_it(odd in odd_json(), other in odd_json()) {
        let error = format!(r#"{{"message":{odd},"code":"API_KEY_REVOKED","api_ids":{other}}}"#);
        for body in [
            format!(r#"{{"errors":[{error}]}}"#),
            format!(r#"{{"errors":{error}}}"#),
            format!(r#"{{"trace":{other},"errors":[{error},{error}],"message":{odd}}}"#),
        ] {
            prop_assert_eq!(read(401, body.as_bytes()), refused(Refusal::Revoked), "{}", body);
        }
        let mixed = format!(r#"{{"errors":[{error},{{"code":"OTHER","message":{odd}}}]}}"#);
        prop_assert_eq!(read(401, mixed.as_bytes()), Meaning::TokenDoubted(Doubt::Refused));
        let uncoded = format!(r#"{{"errors":[{{"message":{odd}}}]}}"#);
        prop_assert_eq!(read(401, uncoded.as_bytes()), Meaning::TokenDoubted(Doubt::Refused));
    }
}
