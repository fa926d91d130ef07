//! What the verify endpoint answers for keys.

use apikey_testkit::{
    emulator::{Emulator, KeySpecification, NegativeAnswer, ScriptedAnswer, seed_keys},
    raw,
};
use serde_json::{Value, json};

use crate::{Scene, TOKEN_PATH, VERIFY_PATH};

#[tokio::test]
async fn an_active_key_is_answered_in_full() {
    let scene = Scene::new().await;
    let key = scene.emulator.create_key(
        KeySpecification::new("all")
            .scopes(["a", "b"])
            .organization("org_x")
            .user("kp_x")
            .secret("k_live_all"),
    );
    let response = scene.verify("k_live_all").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("application/json; charset=utf-8"));
    let mut body = response.json();
    let time = body["last_verified_on"].take();
    assert!(time.as_str().unwrap().ends_with("+00"), "{time}");
    let expected = json!({
        "code": "API_KEY_VERIFIED", "message": "API key verified", "is_valid": true, "key_id": key.key_id,
        "status": "active", "scopes": ["a", "b"], "org_code": "org_x", "user_id": "kp_x",
        "last_verified_on": null, "verification_count": 1,
    });
    assert_eq!(body, expected);
    assert_eq!(scene.verify("k_live_all").await.json()["verification_count"], 2);
}

#[tokio::test]
async fn what_is_not_set_is_null() {
    let scene = Scene::new().await;
    let bare = scene.emulator.create_key(KeySpecification::new("bare"));
    let body = scene.verify(&bare.secret).await.json();
    for field in ["scopes", "org_code", "user_id"] {
        assert_eq!(body.get(field), Some(&Value::Null), "{field}");
    }
    let none: [&str; 0] = [];
    let empty = scene.emulator.create_key(KeySpecification::new("empty").scopes(none));
    assert_eq!(scene.verify(&empty.secret).await.json()["scopes"], json!([]));
}

#[tokio::test]
async fn an_unknown_key_is_answered_as_not_valid_and_nothing_more() {
    let scene = Scene::new().await;
    let response = scene.verify("k_live_unknown").await;
    let body = response.json();
    assert_eq!((response.status, &body["is_valid"]), (200, &false.into()));
    assert!(body.get("status").is_none() && body.get("key_id").is_none());
}

#[tokio::test]
async fn a_revoked_key_is_answered_as_not_valid() {
    let scene = Scene::new().await;
    assert!(scene.emulator.revoke(&scene.key.key_id));
    let body = scene.try_verify().await.unwrap().json();
    assert_eq!((&body["is_valid"], &body["status"]), (&false.into(), &"revoked".into()));
    assert_eq!(body["key_id"], scene.key.key_id);
    assert!(!scene.emulator.revoke("api_key_unknown"));
}

#[tokio::test]
async fn a_key_can_be_switched_off_and_on() {
    let scene = Scene::new().await;
    for (status, is_valid) in [("inactive", false), ("on holiday", false), ("active", true)] {
        assert!(scene.emulator.set_status(&scene.key.key_id, status));
        let body = scene.try_verify().await.unwrap().json();
        assert_eq!((&body["is_valid"], &body["status"]), (&is_valid.into(), &status.into()));
    }
}

#[tokio::test]
async fn rotation_kills_the_old_secret_at_once() {
    let scene = Scene::new().await;
    let rotated = scene.emulator.rotate(&scene.key.key_id).unwrap();
    assert_eq!(rotated.key_id, scene.key.key_id);
    assert_eq!(scene.try_verify().await.unwrap().json()["is_valid"], false);
    let body = scene.verify(&rotated.secret).await.json();
    assert_eq!((&body["is_valid"], &body["key_id"]), (&true.into(), &scene.key.key_id.clone().into()));
    assert!(scene.emulator.rotate("api_key_unknown").is_none());
}

#[tokio::test]
async fn negative_answers_come_in_every_style() {
    let scene = Scene::new().await;
    let secrets = ["inactive", "revoked"]
        .map(|status| scene.emulator.create_key(KeySpecification::new(status).status(status)).secret);
    let secrets = [secrets[0].as_str(), secrets[1].as_str(), "k_live_unknown"];
    let about_the_key = ["API_KEY_INACTIVE", "API_KEY_REVOKED", "INVALID_API_KEY"];
    for (style, status, codes) in [
        (NegativeAnswer::Error400, 400, about_the_key),
        (NegativeAnswer::Error401, 401, about_the_key),
        (NegativeAnswer::Error403, 403, about_the_key),
        (NegativeAnswer::Error404, 404, about_the_key),
        (NegativeAnswer::Anonymous400, 400, ["BAD_REQUEST"; 3]),
        (NegativeAnswer::Anonymous401, 401, ["UNAUTHORIZED"; 3]),
        (NegativeAnswer::Anonymous403, 403, ["FORBIDDEN"; 3]),
        (NegativeAnswer::Anonymous404, 404, ["NOT_FOUND"; 3]),
    ] {
        scene.emulator.set_negative_answer(style);
        for (secret, code) in secrets.iter().zip(codes) {
            let response = scene.verify(secret).await;
            let errors = &response.json()["errors"];
            let error = if status == 404 { errors } else { &errors[0] };
            let seen = (response.status, &error["code"]);
            assert_eq!(seen, (status, &code.into()), "{style:?}");
        }
        assert_eq!(scene.try_verify().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_status_can_be_all_that_tells_a_bad_key() {
    let scene = Scene::new().await;
    scene.emulator.set_negative_answer(NegativeAnswer::Status200);
    for status in ["inactive", "revoked"] {
        scene.emulator.set_status(&scene.key.key_id, status);
        let body = scene.try_verify().await.unwrap().json();
        assert_eq!((&body["is_valid"], &body["status"]), (&true.into(), &status.into()));
    }
    assert_eq!(scene.verify("k_live_unknown").await.json()["is_valid"], false);
}

#[tokio::test]
async fn malformed_keys_can_be_answered_apart() {
    let scene = Scene::new().await;
    scene.emulator.set_unknown_key_answer(Some(NegativeAnswer::Error401));
    for (style, status) in [(Some(NegativeAnswer::Anonymous400), 400), (None, 401)] {
        scene.emulator.set_malformed_key_answer(style);
        assert_eq!(scene.verify("no key of Kinde's").await.status, status);
        assert_eq!(scene.verify("k_live_unknown").await.status, 401);
    }
}

#[tokio::test]
async fn one_keys_answer_can_be_scripted() {
    let scene = Scene::new().await;
    let answer = ScriptedAnswer::new(203, "odd").header("x-odd", "1").header("x-odd", "2");
    scene.emulator.set_answer(&scene.key.key_id, Some(answer));
    let response = scene.try_verify().await.unwrap();
    assert_eq!((response.status, response.body_text().as_str()), (203, "odd"));
    assert_eq!(response.header_values("X-Odd"), ["1", "2"]);
    assert_eq!(scene.verify("k_live_other").await.status, 200);
    scene.emulator.set_answer(&scene.key.key_id, None);
    assert_eq!(scene.try_verify().await.unwrap().json()["verification_count"], 1);
}

#[tokio::test]
#[should_panic(expected = "no key with the key id")]
async fn scripting_an_unknown_keys_answer_is_a_mistake() {
    Emulator::start().await.unwrap().set_answer("api_key_unknown", None);
}

#[tokio::test]
async fn malformed_calls_are_refused_without_blaming_a_key() {
    let scene = Scene::new().await;
    for body in ["", "{", "[]", "\"k\"", "{}", "{\"api_key\":null}", "{\"api_key\":7}"] {
        let response = scene.call("POST", VERIFY_PATH, body).await;
        let code = response.json()["errors"][0]["code"].clone();
        assert_eq!((response.status, &code), (400, &"REQUEST_INVALID".into()), "{body}");
    }
    let text = String::from_utf8(scene.verification("k")).unwrap();
    let request = text.replace("application/json", "text/plain").into_bytes();
    assert_eq!(scene.send(&request).await.unwrap().status, 400);
}

#[tokio::test]
async fn unknown_routes_are_404_and_wrong_methods_405() {
    let scene = Scene::new().await;
    let response = scene.call("GET", "/api/v1/nothing", "").await;
    assert_eq!((response.status, &response.json()["errors"]["code"]), (404, &"ROUTE_NOT_FOUND".into()));
    for (method, path, allowed) in [
        ("GET", VERIFY_PATH, "POST"),
        ("GET", TOKEN_PATH, "POST"),
        ("PATCH", "/api/v1/api_keys", "GET, POST"),
        ("POST", "/api/v1/api_keys/api_key_x", "GET, PUT, DELETE"),
    ] {
        let response = scene.call(method, path, "").await;
        assert_eq!((response.status, response.header("allow")), (405, Some(allowed)), "{method} {path}");
    }
    let counters = scene.emulator.counters();
    assert_eq!((counters.verify_calls, counters.token_calls), (0, 1));
}

#[tokio::test]
async fn a_body_past_64_kib_is_refused_unread() {
    let scene = Scene::new().await;
    let response = scene.verify(&"x".repeat(64 * 1024)).await;
    assert_eq!((response.status, &response.json()["errors"][0]["code"]), (413, &"REQUEST_TOO_LARGE".into()));
    assert_eq!(scene.verify(&"x".repeat(60 * 1024)).await.status, 200);
    assert_eq!(scene.emulator.counters().verify_calls, 1);
}

#[tokio::test]
async fn the_standard_keys_are_what_their_labels_say() {
    let scene = Scene::new().await;
    let mut seen = Vec::new();
    for key in seed_keys(&scene.emulator) {
        let body = scene.verify(&key.secret).await.json();
        assert_eq!(body["key_id"], key.key_id);
        seen.push(json!([key.label, body["status"], body["scopes"], body["org_code"], body["user_id"]]));
    }
    let expected = [
        json!(["reader", "active", ["read:users"], null, null]),
        json!(["writer", "active", ["read:users", "write:users"], null, null]),
        json!(["admin", "active", ["admin"], null, null]),
        json!(["organization", "active", ["read:tickets"], "org_acme", null]),
        json!(["other-organization", "active", ["read:tickets"], "org_globex", null]),
        json!(["user", "active", ["read:users"], null, "kp_alice"]),
        json!(["automation", "active", ["read:users", "write:workflows"], "org_acme", null]),
        json!(["inactive", "inactive", ["read:users"], null, null]),
        json!(["revoked", "revoked", ["read:users"], null, null]),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_standard_keys_are_the_same_in_every_emulator() {
    let (one, other) = (Scene::new().await, Scene::new().await);
    let keys = seed_keys(&one.emulator);
    assert_eq!(keys, seed_keys(&other.emulator));
    assert_eq!((&*keys[0].secret, &*keys[0].key_id), ("k_live_reader", "api_key_reader"));
}

#[tokio::test]
async fn the_environment_leads_to_the_emulator() {
    let emulator =
        Emulator::builder().client("id", "secret").audience("https://a/api").start().await.unwrap();
    assert_eq!(
        emulator.environment(),
        [
            ("KINDE_DOMAIN", format!("http://{}", emulator.address())),
            ("KINDE_MANAGEMENT_CLIENT_ID", "id".to_owned()),
            ("KINDE_MANAGEMENT_CLIENT_SECRET", "secret".to_owned()),
            ("KINDE_MANAGEMENT_AUDIENCE", "https://a/api".to_owned()),
        ]
    );
}

#[tokio::test]
async fn only_loopback_addresses_are_listened_on() {
    let error = Emulator::builder().listen("0.0.0.0:0".parse().unwrap()).start().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_header_of_the_request_may_be_in_any_case() {
    let scene = Scene::new().await;
    let authorization = format!("BEARER  {}", scene.token);
    let headers =
        [("content-TYPE", "Application/JSON; charset=utf-8"), ("AUTHORIZATION", authorization.as_str())];
    let body = json!({"api_key": scene.key.secret, "unknown": 1}).to_string();
    let response = scene.send(&raw::request("POST", VERIFY_PATH, &headers, body.as_bytes())).await.unwrap();
    assert_eq!(response.json()["is_valid"], true);
}
