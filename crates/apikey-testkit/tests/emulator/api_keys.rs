//! One key by its id, as an API asks for it that takes only keys of its own.

use apikey_testkit::emulator::{DEFAULT_API_ID, Emulator, Endpoint, Fault, KeySpecification};
use serde_json::{Value, json};

use crate::Scene;

const KEYS: &str = "/api/v1/api_keys";

/// The description of the scene's key.
async fn described(scene: &Scene) -> Value {
    let path = format!("{KEYS}/{}", scene.key.key_id);
    scene.call("GET", &path, "").await.json()["api_key"].take()
}

#[tokio::test]
async fn a_key_is_for_the_apis_that_it_was_made_for() {
    let scene = Scene::new().await;
    assert_eq!(described(&scene).await["api_ids"], json!([DEFAULT_API_ID]));
    for api_ids in [vec![], vec!["api_1"], vec!["api_1", "api_2"]] {
        let key = scene.emulator.create_key(KeySpecification::new("a").api_ids(api_ids.clone()));
        let shown = scene.call("GET", &format!("{KEYS}/{}", key.key_id), "").await.json();
        assert_eq!(shown["api_key"]["api_ids"], json!(api_ids));
    }
}

#[tokio::test]
async fn the_list_of_apis_can_be_set_to_anything() {
    let scene = Scene::new().await;
    let path = format!("/_emulator/keys/{}/api_ids", scene.key.key_id);
    for api_ids in [json!(["api_1"]), json!([]), json!(null), json!("api_1"), json!({}), json!(["api_1", 1])]
    {
        assert!(scene.emulator.set_api_ids(&scene.key.key_id, Some(api_ids.clone())));
        assert_eq!(described(&scene).await["api_ids"], api_ids);
        assert!(scene.emulator.set_api_ids(&scene.key.key_id, None));
        assert_eq!(described(&scene).await.get("api_ids"), None);
        let body = json!({"api_ids": api_ids}).to_string();
        assert_eq!(scene.call("PUT", &path, &body).await.status, 204);
        assert_eq!(described(&scene).await.get("api_ids"), Some(&api_ids));
    }
    assert_eq!(scene.call("PUT", &path, "{}").await.status, 204);
    assert_eq!(described(&scene).await.get("api_ids"), None);
    assert!(!scene.emulator.set_api_ids("nobody", None));
    assert_eq!(scene.call("PUT", "/_emulator/keys/nobody/api_ids", "{}").await.status, 404);
    assert_eq!(scene.call("PUT", &path, r#"{"api_id":"api_1"}"#).await.status, 400);
    assert_eq!(scene.call("POST", &path, "{}").await.status, 405);
}

#[tokio::test]
async fn a_key_by_its_id_fails_when_a_test_says_so() {
    let scene = Scene::new().await;
    let path = format!("{KEYS}/{}", scene.key.key_id);
    scene.emulator.set_fault(Endpoint::ApiKey, Some(Fault::status(503)));
    assert_eq!(scene.call("GET", &path, "").await.status, 503);
    assert_eq!(scene.verify(&scene.key.secret).await.status, 200, "no other endpoint fails");
    assert_eq!(scene.call("GET", KEYS, "").await.status, 200, "no other endpoint fails");
    assert_eq!(scene.call("DELETE", "/_emulator/faults/api_key", "").await.status, 204);
    assert_eq!(scene.call("GET", &path, "").await.status, 200);
    let fault = r#"{"kind":"too_many_requests","retry_after":5}"#;
    assert_eq!(scene.call("PUT", "/_emulator/faults/api_key", fault).await.status, 204);
    assert_eq!(scene.call("GET", &path, "").await.status, 429);
    assert_eq!(scene.emulator.counters().api_key_calls, 3);
}

#[tokio::test]
async fn a_key_by_its_id_needs_a_token_with_the_scope() {
    let scene = Scene::with(Emulator::builder().without_authentication().start().await.unwrap()).await;
    let path = format!("{KEYS}/{}", scene.key.key_id);
    assert_eq!(scene.call("GET", &path, "").await.status, 200);
    scene.emulator.deny_scope(true);
    let refused = scene.call("GET", &path, "").await;
    assert_eq!((refused.status, refused.json()["errors"][0]["code"].as_str()), (403, Some("SCOPE_MISSING")));
    scene.emulator.revoke_tokens();
    assert_eq!(scene.call("GET", &path, "").await.status, 401);
    assert_eq!(scene.verify(&scene.key.secret).await.status, 200, "verify asks for none");
}
