use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn what_kinde_says_of_itself_stays() {
    let body = json!({
        "code": "API_KEY_VERIFIED", "message": "API key verified", "is_valid": true, "status": "revoked",
        "scopes": null, "expires_in": 86_399, "token_type": "bearer",
        "errors": [{"code": "SCOPE_MISSING", "message": "The access token lacks the scope read:api_keys"}],
    });
    assert_eq!(of_body(Some(body.to_string().as_bytes())), body);
}

#[test]
fn what_is_the_tenants_becomes_its_shape() {
    let body = json!({
        "key_id": "api_key_0123456789abcdef0123456789abcdef",
        "name": "key",
        "org_code": "org_1a2b3c",
        "user_id": null,
        "scopes": ["read:acme", "write:users"],
        "status": "Acme's own",
        "verification_count": 4711,
        "balance": -1.5,
        "acme_corp": {"acme": "x", "Acme": "y"},
        "access_token": "eyJhbGciOi.eyJzdWIiOi.c2ln",
        "message": "Key api_key_77 of Acme is not valid, see https://acme.kinde.com/4711",
    });
    let shape = json!({
        "key_id": "api_key_<32 hex>",
        "name": "<3 lower>",
        "org_code": "org_<6 letters and digits>",
        "user_id": null,
        "scopes": ["<9 characters, with :>", "<11 characters, with :>"],
        "status": "<10 characters, with '>",
        "verification_count": "<4 digits>",
        "<7 lower>": "<a number, negative or with a fraction>",
        "<9 characters, with _>": {"<4 letters>": "<1 lower>", "<4 lower>": "<1 lower>"},
        "access_token": "<JWT>",
        "message": "Key api_key_<2 digits> of <4 letters> is not valid, see https://<4 lower>.kinde.com/<4 digits>",
    });
    let shown = of_body(Some(body.to_string().as_bytes()));
    let words = shown["message"].as_str().unwrap().replace("<5 lower>", "?").replace("<3 lower>", "?");
    assert_eq!(words, "Key api_key_<2 digits> of <4 letters> is not valid, ? ?://<4 lower>.?.?/<4 digits>");
    for (name, value) in shape.as_object().unwrap().iter().filter(|(name, _)| *name != "message") {
        assert_eq!(&shown[name], value, "{name}");
    }
}

#[test]
fn a_date_becomes_its_form() {
    for (date, form) in [
        ("2024-11-18T13:32:03+11", Some("YYYY-MM-DDThh:mm:ss+hh")),
        ("2026-03-01T19:54:37.337802+00:00", Some("YYYY-MM-DDThh:mm:ss.ffffff+hh:mm")),
        ("2026-03-01 19:54:37-0330", Some("YYYY-MM-DD hh:mm:ss-hhmm")),
        ("2026-03-01T19:54:37Z", Some("YYYY-MM-DDThh:mm:ssZ")),
        ("2026-03-01", Some("YYYY-MM-DD")),
        ("2026-03-01T", None),
        ("2026-03-01T19:54:37+acme", None),
        ("2026-03-01T19:54:37+1é", None),
        ("tomorrow", None),
    ] {
        assert_eq!(date_form(date).as_deref(), form, "{date}");
    }
}

#[test]
fn a_body_that_is_no_json_becomes_its_size() {
    for (body, shape) in [
        (None, "<longer than 64 KiB>"),
        (Some(b"".as_slice()), "<empty>"),
        (Some(b" <html>Acme</html>"), "<HTML or XML, 18 bytes>"),
        (Some(b"Acme"), "<no JSON, 4 bytes>"),
    ] {
        assert_eq!(of_body(body), shape);
    }
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    assert!(of_body(Some(deep.as_bytes())).to_string().contains("<deeper>"));
    let long = json!(vec![1; 100]).to_string();
    assert!(of_body(Some(long.as_bytes())).to_string().contains("<68 more>"));
}

/// A word that nobody knows, alone or beside known ones.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "canary[a-z0-9]{0,6}",
        "(the key|API_KEY|k_live_|org_|2026-01-01T|eyJ)canary.{0,6}",
        "(is|id) canary key"
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("code"),
        Just("message"),
        Just("status"),
        Just("scopes"),
        Just("key_id"),
        Just("error"),
        Just("type"),
    ]
    .prop_map(str::to_owned);
    let leaf = prop_oneof![text().prop_map(Value::from), any::<bool>().prop_map(Value::from)];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        let name = prop_oneof![name.clone(), text()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_unknown_word_of_a_body_is_in_its_shape(value in value()) {
        let shape = of_body(Some(value.to_string().as_bytes())).to_string();
        prop_assert!(!shape.contains("canary"), "{}", shape);
    }

    #[test]
    fn no_body_makes_a_shape_fail(body in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,80}") {
        let _ = (of_body(Some(&body)), of_words(&text, 10), date_form(&text), of_run(&text));
        let sentence = of_words(&format!("{text} canary {text}"), 10);
        prop_assert!(!sentence.contains("canary"), "{}", sentence);
    }
}
