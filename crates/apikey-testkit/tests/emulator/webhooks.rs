//! Webhooks, and the keys to verify them with.

use apikey_testkit::emulator::{Endpoint, Fault};
use apikey_testkit::raw;
use serde_json::{Value, json};

use crate::Scene;

const KEY_SET: &str = "/.well-known/jwks";

async fn key_set(scene: &Scene) -> Value {
    let response = scene.send(&raw::get(KEY_SET, &[])).await.unwrap();
    assert_eq!(response.status, 200);
    response.json()
}

#[tokio::test]
async fn the_key_set_has_the_key_that_signs() {
    let scene = Scene::new().await;
    let keys = key_set(&scene).await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    let key = &keys["keys"][0];
    assert_eq!(key["kid"], scene.emulator.webhook_key());
    assert_eq!((&key["kty"], &key["alg"], &key["e"]), (&json!("RSA"), &json!("RS256"), &json!("AQAB")));
    assert_eq!(key["n"].as_str().unwrap().len(), 342, "2048 bits in base64");
    assert_eq!(scene.emulator.counters().key_set_calls, 1);
    assert_eq!(scene.call("POST", KEY_SET, "").await.status, 405);
}

#[tokio::test]
async fn a_rotation_changes_the_key_and_its_name() {
    let scene = Scene::new().await;
    let before = key_set(&scene).await;
    scene.emulator.rotate_webhook_key();
    let after = key_set(&scene).await;
    assert_ne!(before["keys"][0]["n"], after["keys"][0]["n"]);
    assert_ne!(before["keys"][0]["kid"], after["keys"][0]["kid"]);
    assert_eq!(scene.call("POST", "/_emulator/webhooks/rotate", "").await.status, 204);
    assert_ne!(key_set(&scene).await["keys"][0]["kid"], before["keys"][0]["kid"]);
}

#[tokio::test]
async fn the_control_plane_signs_webhooks() {
    let scene = Scene::new().await;
    let event = r#"{"type":"user.deleted","data":{"user":{"id":"kp_1"}}}"#;
    let one = scene.call("POST", "/_emulator/webhooks", event).await;
    let other = scene.call("POST", "/_emulator/webhooks", event).await;
    assert_eq!(one.header("content-type"), Some("application/jwt"));
    assert_eq!(one.body_text().split('.').count(), 3);
    assert_ne!(one.body_text(), other.body_text(), "each event has its own id");
    assert_eq!(scene.call("POST", "/_emulator/webhooks", r#"{"type":"x"}"#).await.status, 400);
    assert_eq!(scene.call("GET", "/_emulator/webhooks", "").await.status, 405);
}

#[tokio::test]
async fn the_key_set_fails_when_a_test_says_so() {
    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::KeySet, Some(Fault::status(503)));
    assert_eq!(scene.send(&raw::get(KEY_SET, &[])).await.unwrap().status, 503);
    assert_eq!(scene.call("DELETE", "/_emulator/faults/jwks", "").await.status, 204);
    key_set(&scene).await;
    assert_eq!(
        scene.call("PUT", "/_emulator/faults/jwks", r#"{"kind":"status","status":500}"#).await.status,
        204
    );
    assert_eq!(scene.send(&raw::get(KEY_SET, &[])).await.unwrap().status, 500);
}
