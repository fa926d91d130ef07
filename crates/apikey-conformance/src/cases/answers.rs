//! What Kinde's answers mean for the caller.

use serde_json::{Value, json};

use crate::{adapter::Subject, client::get, expected::*, world::World};
use apikey_testkit::emulator::{NegativeAnswer, ScriptedAnswer};

/// The verification of an active key with one scope. Members that are `null` in `changes` are left out.
fn verification(changes: &Value) -> ScriptedAnswer {
    let mut body = json!({
        "code": "API_KEY_VERIFIED", "message": "API key verified", "is_valid": true, "key_id": "api_key_reader",
        "status": "active", "scopes": ["read:users"], "org_code": null, "user_id": null,
        "last_verified_on": "2024-11-18T13:32:03+11", "verification_count": 42,
    });
    for (name, value) in changes.as_object().expect("changes are an object") {
        match value {
            Value::Null => body.as_object_mut().and_then(|body| body.remove(name)),
            value => body.as_object_mut().and_then(|body| body.insert(name.clone(), value.clone())),
        };
    }
    ScriptedAnswer::json(200, &body)
}

async fn changed_answers_are_denied<const N: usize>(world: &World, changes: [Value; N], denied: Denied) {
    for change in changes {
        println!("{change}");
        world.emulator.set_answer(&world.reader.id, Some(verification(&change)));
        world.ask("/me", &world.reader).await.is_denied(&denied);
        assert_eq!(world.calls(), 1, "{change}");
    }
}

async fn negatives_are_told_apart(subject: Subject, style: NegativeAnswer) {
    let world = World::new(subject).await;
    world.emulator.set_negative_answer(style);
    world.send(get("/me").bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
    world.ask("/me", &world.inactive).await.is_denied(&key_inactive());
    world.ask("/me", &world.revoked).await.is_denied(&key_revoked());
    assert_eq!(world.calls_and_tokens(), (3, 1), "an answer about the key fetches no token");
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn a_200_that_says_not_valid_refuses(subject: Subject) {
    negatives_are_told_apart(subject, NegativeAnswer::Ok200).await;
}

pub async fn a_400_about_the_key_refuses(subject: Subject) {
    negatives_are_told_apart(subject, NegativeAnswer::Error400).await;
}

pub async fn a_401_about_the_key_refuses(subject: Subject) {
    negatives_are_told_apart(subject, NegativeAnswer::Error401).await;
}

pub async fn a_403_or_404_about_the_key_refuses(subject: Subject) {
    let world = World::new(subject).await;
    let error = |code: &str| json!({"code": code, "message": "No"});
    for (status, body, denied) in [
        (403, json!({"errors": [error("API_KEY_REVOKED")]}), key_revoked()),
        (403, json!({"errors": [error("INVALID_KEY"), error("api_key_inactive")]}), key_inactive()),
        (404, json!({"errors": error("API_KEY_NOT_FOUND")}), invalid_key()),
        (404, json!({"errors": [error("API_KEY_NOT_FOUND")]}), invalid_key()),
        (400, json!({"errors": [error("invalid_api_key")]}), invalid_key()),
    ] {
        world.emulator.set_answer(&world.reader.id, Some(ScriptedAnswer::json(status, &body)));
        world.ask("/me", &world.reader).await.is_denied(&denied);
    }
    assert_eq!(world.calls_and_tokens(), (5, 1));
}

/// Kinde has not published which shape it is. So the service must cope with each, for each kind of bad key.
pub async fn every_shape_of_the_negative_answer_has_its_meaning(subject: Subject) {
    use NegativeAnswer::{
        Anonymous400, Anonymous401, Anonymous403, Anonymous404, Bare400, Bare401, Bare403, Bare404, Error400,
        Error401, Error403, Error404, Garbage200, Ok200, Status200, Unreadable200,
    };
    let world = World::uncached(subject).await;
    // From now on the service knows that its token is not the reason.
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    for style in NegativeAnswer::ALL {
        println!("{style:?}");
        let (invalid, inactive, revoked) = match style {
            Ok200 | Status200 | Error400 | Error401 | Error403 | Error404 => {
                (invalid_key(), key_inactive(), key_revoked())
            }
            Anonymous400 | Anonymous401 | Anonymous403 | Anonymous404 | Bare400 | Bare401 | Bare403
            | Bare404 | Unreadable200 | Garbage200 => (unavailable(), unavailable(), unavailable()),
        };
        world.emulator.set_negative_answer(*style);
        world.send(get("/me").bearer("k_live_nobody_knows_it")).await.is_denied(&invalid);
        world.ask("/me", &world.inactive).await.is_denied(&inactive);
        world.ask("/me", &world.revoked).await.is_denied(&revoked);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        // A malformed key may be answered in another shape.
        world.emulator.set_negative_answer(Ok200);
        world.emulator.set_malformed_key_answer(Some(*style));
        world.send(get("/me").bearer("not_of_Kindes_form")).await.is_denied(&invalid);
        world.send(get("/me").bearer("k_live_nobody_knows_it")).await.is_denied(&invalid_key());
        world.emulator.set_malformed_key_answer(None);
    }
    assert_eq!(world.emulator.counters().token_calls, 1, "no answer fetches a token");
}

async fn no_storm(subject: Subject, style: NegativeAnswer) {
    let world = World::new(subject).await;
    world.emulator.set_negative_answer(style);
    for number in 0..5 {
        world.send(get("/me").bearer(&format!("k_live_junk_{number}"))).await.is_denied(&internal_error());
    }
    let (calls, tokens) = world.calls_and_tokens();
    assert!(
        tokens == 2 && (6..=10).contains(&calls),
        "{calls} calls and {tokens} tokens, but one new token should be tried"
    );
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    // From now on the service knows that its token is not the reason.
    world.calls();
    for number in 5..10 {
        world.send(get("/me").bearer(&format!("k_live_junk_{number}"))).await.is_denied(&unavailable());
    }
    assert_eq!(world.calls_and_tokens(), (5, 0));
}

pub async fn a_401_about_something_else_is_internal_error_without_a_storm(subject: Subject) {
    no_storm(subject, NegativeAnswer::Anonymous401).await;
}

pub async fn a_403_about_something_else_is_internal_error_without_a_storm(subject: Subject) {
    no_storm(subject, NegativeAnswer::Anonymous403).await;
}

pub async fn errors_are_about_the_key_only_if_every_one_is(subject: Subject) {
    let world = World::new(subject).await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    world.calls();
    let codes: [&[&str]; 6] = [
        &["MISSING_SCOPE_READ_API_KEYS"],
        &["API_KEYS_NOT_ENABLED"],
        &["API_KEYS_QUOTA_EXCEEDED"],
        &["API_KEY_INVALID", "FORBIDDEN"],
        &["API_KEY_LIMIT_REACHED"],
        &["INVALID_KEY_FORMAT_VERSION"],
    ];
    for codes in codes {
        let errors: Vec<Value> = codes.iter().map(|code| json!({"code": code, "message": "No"})).collect();
        for status in [400, 401, 403, 404] {
            let answer = ScriptedAnswer::json(status, &json!({"errors": errors}));
            world.emulator.set_answer(&world.reader.id, Some(answer));
            let request = get("/me").key(&world.reader).note(format!("{status} {codes:?}"));
            world.send(request).await.is_denied(&unavailable());
            assert_eq!(world.calls_and_tokens(), (1, 0), "{status} {codes:?}");
        }
    }
}

pub async fn an_is_valid_that_is_not_a_boolean_judges_nothing(subject: Subject) {
    let world = World::uncached(subject).await;
    let changes = [
        json!({"is_valid": "true"}),
        json!({"is_valid": "false"}),
        json!({"is_valid": 1}),
        json!({"is_valid": []}),
        json!({"is_valid": null}),
    ];
    changed_answers_are_denied(&world, changes, unavailable()).await;
    for body in
        ["{}", "null", "[]", "true", "\"active\"", r#"{"is_valid":null,"key_id":"k","status":"active"}"#]
    {
        world.emulator.set_answer(&world.reader.id, Some(ScriptedAnswer::new(200, body)));
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
    }
}

pub async fn a_valid_key_without_an_id_judges_nothing(subject: Subject) {
    let world = World::uncached(subject).await;
    let changes = [json!({"key_id": null}), json!({"key_id": 5}), json!({"key_id": {}})];
    changed_answers_are_denied(&world, changes, unavailable()).await;
}

pub async fn scopes_that_are_not_a_list_of_texts_judge_nothing(subject: Subject) {
    let world = World::uncached(subject).await;
    let changes = [
        json!({"scopes": "read:users"}),
        json!({"scopes": ["read:users", 5]}),
        json!({"scopes": [null]}),
        json!({"scopes": {"read:users": true}}),
        json!({"scopes": false}),
    ];
    changed_answers_are_denied(&world, changes, unavailable()).await;
}

pub async fn scopes_that_are_null_or_absent_are_no_scopes(subject: Subject) {
    let world = World::uncached(subject).await;
    let me = r#"{"key_id":"api_key_reader","status":"active","scopes":[],"org_code":null,"user_id":null}"#;
    let denied = insufficient_scope("one of admin, read:users", &["admin", "read:users"], &[]);
    for scopes in [Some("null"), Some("[]"), None] {
        let scopes = scopes.map_or_else(String::new, |scopes| format!(r#","scopes":{scopes}"#));
        let body = format!(r#"{{"is_valid":true,"key_id":"api_key_reader","status":"active"{scopes}}}"#);
        world.emulator.set_answer(&world.reader.id, Some(ScriptedAnswer::new(200, body)));
        world.ask("/me", &world.reader).await.is_json(me);
        world.ask("/any", &world.reader).await.is_denied(&denied);
    }
}

pub async fn a_valid_key_of_unknown_or_missing_status_is_inactive(subject: Subject) {
    let world = World::uncached(subject).await;
    let changes = [
        json!({"status": "suspended"}),
        json!({"status": "Active"}),
        json!({"status": ""}),
        json!({"status": null}),
        json!({"status": true}),
        json!({"status": "inactive"}),
        json!({"status": "inactive", "is_valid": false}),
    ];
    changed_answers_are_denied(&world, changes, key_inactive()).await;
}

pub async fn a_revoked_key_is_revoked_whatever_is_valid_says(subject: Subject) {
    let world = World::uncached(subject).await;
    let changes = [json!({"status": "revoked"}), json!({"status": "revoked", "is_valid": false})];
    changed_answers_are_denied(&world, changes, key_revoked()).await;
}

pub async fn a_key_that_is_not_valid_and_names_no_other_status_is_invalid(subject: Subject) {
    let world = World::uncached(subject).await;
    let changes = [
        json!({"is_valid": false}),
        json!({"is_valid": false, "status": "suspended"}),
        json!({"is_valid": false, "status": null}),
        json!({"is_valid": false, "status": null, "key_id": null, "scopes": null}),
    ];
    changed_answers_are_denied(&world, changes, invalid_key()).await;
}

pub async fn what_does_not_decide_does_not_matter(subject: Subject) {
    let world = World::uncached(subject).await;
    for change in [
        json!({}),
        json!({"last_verified_on": "yesterday"}),
        json!({"last_verified_on": 5, "verification_count": "many"}),
        json!({"last_verified_on": null, "verification_count": null}),
        json!({"verification_count": -1, "code": 200, "message": ["hello"]}),
        json!({"code": null, "message": null, "org_code": null, "user_id": null}),
        json!({"a_member": "that nobody knows yet", "nested": {"is_valid": false}}),
    ] {
        println!("{change}");
        world.emulator.set_answer(&world.reader.id, Some(verification(&change)));
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
}
