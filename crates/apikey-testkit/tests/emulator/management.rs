//! The management endpoints, as Kinde's SDKs call them.

use apikey_testkit::{
    emulator::KeySpecification,
    raw::{self, RawResponse},
};
use serde_json::{Value, json};

use crate::Scene;

const KEYS: &str = "/api/v1/api_keys";

fn ids(response: &RawResponse) -> Vec<String> {
    let id = |key: &Value| key["id"].as_str().unwrap().to_owned();
    response.json()["api_keys"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn a_created_key_can_be_verified_shown_rotated_and_revoked() {
    let scene = Scene::new().await;
    let request = json!({
        "name": "Support", "type": "organization", "api_id": "api_1", "scope_ids": ["read:tickets"],
        "org_code": "org_acme",
    });
    let response = scene.call("POST", KEYS, &request.to_string()).await;
    let created = response.json();
    assert_eq!((response.status, &created["code"]), (201, &"API_KEY_CREATED".into()));
    let secret = created["api_key"]["key"].as_str().unwrap().to_owned();
    let path = format!("{KEYS}/{}", created["api_key"]["id"].as_str().unwrap());
    let verified = scene.verify(&secret).await.json();
    assert_eq!((&verified["scopes"], &verified["org_code"]), (&json!(["read:tickets"]), &"org_acme".into()));

    let response = scene.call("GET", &path, "").await;
    let mut shown = response.json()["api_key"].clone();
    assert_eq!(response.status, 200);
    for time in ["created_on", "last_verified_on"] {
        assert!(shown[time].take().is_string(), "{time}");
    }
    let expected = json!({
        "id": created["api_key"]["id"], "name": "Support", "type": "organization", "status": "active",
        "key_prefix": secret[..6], "key_suffix": secret[secret.len() - 4..], "created_on": null,
        "last_verified_on": null, "last_verified_ip": "127.0.0.1", "created_by": "Emulator",
        "api_ids": ["api_1"], "scopes": ["read:tickets"], "verification_count": 1,
        "organization_id": "org_acme", "user_id": null,
    });
    assert_eq!(shown, expected);

    let response = scene.call("PUT", &path, "").await;
    let rotated = response.json();
    assert_eq!((response.status, &rotated["code"]), (201, &"API_KEY_ROTATED".into()));
    assert_eq!(rotated["api_key"]["id"], created["api_key"]["id"]);
    assert_eq!(scene.verify(&secret).await.json()["is_valid"], false);
    let secret = rotated["api_key"]["key"].as_str().unwrap();
    assert_eq!(scene.verify(secret).await.json()["is_valid"], true);

    let response = scene.call("DELETE", &path, "").await;
    assert_eq!((response.status, &response.json()["code"]), (200, &"API_KEY_REVOKED".into()));
    assert_eq!(scene.verify(secret).await.json()["status"], "revoked");
}

#[tokio::test]
async fn a_listing_is_paged() {
    let scene = Scene::new().await;
    let keys: Vec<_> = (0..4).map(|_| scene.emulator.create_key(KeySpecification::new("k")).key_id).collect();
    let first = scene.call("GET", &format!("{KEYS}?page_size=3"), "").await;
    assert_eq!((first.status, &first.json()["has_more"]), (200, &true.into()));
    assert_eq!(ids(&first), [scene.key.key_id.as_str(), &keys[0], &keys[1]]);
    let second = scene.call("GET", &format!("{KEYS}?page_size=3&starting_after={}", keys[1]), "").await;
    assert_eq!(second.json()["has_more"], false);
    assert_eq!(ids(&second), keys[2..]);
    assert!(second.json()["api_keys"][0].get("verification_count").is_none());
}

#[tokio::test]
async fn a_listing_is_filtered() {
    let scene = Scene::new().await;
    let create = |specification| scene.emulator.create_key(specification).key_id;
    let organization = create(KeySpecification::new("o").organization("org_a"));
    let user = create(KeySpecification::new("u").user("kp_a").status("inactive"));
    let cases = [
        ("org_code=org_a", vec![&organization]),
        ("user_id=kp_a", vec![&user]),
        ("status=inactive", vec![&user]),
        ("key_type=organization", vec![&organization]),
        ("key_type=organization&status=inactive", vec![]),
        ("api_id=none", vec![]),
    ];
    for (query, expected) in cases {
        let response = scene.call("GET", &format!("{KEYS}?{query}"), "").await;
        assert_eq!(ids(&response).iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test]
async fn mistakes_are_400_and_unknown_keys_404() {
    let scene = Scene::new().await;
    for body in [
        "",
        "{}",
        r#"{"name":"n","type":"robot","api_id":"a"}"#,
        r#"{"name":"n","type":"user","api_id":"a"}"#,
        r#"{"name":"n","type":"environment","api_id":"a","org_code":"org_a"}"#,
    ] {
        let response = scene.call("POST", KEYS, body).await;
        let code = response.json()["errors"][0]["code"].clone();
        assert_eq!((response.status, &code), (400, &"REQUEST_INVALID".into()), "{body}");
    }
    for query in ["page_size=0", "page_size=x", "starting_after=nobody"] {
        assert_eq!(scene.call("GET", &format!("{KEYS}?{query}"), "").await.status, 400, "{query}");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let response = scene.call(method, &format!("{KEYS}/api_key_unknown"), "").await;
        let code = response.json()["errors"]["code"].clone();
        assert_eq!((response.status, &code), (404, &"API_KEY_NOT_FOUND".into()), "{method}");
    }
}

#[tokio::test]
async fn management_needs_a_token() {
    let scene = Scene::new().await;
    let path = format!("{KEYS}/{}", scene.key.key_id);
    for (method, path) in [("GET", KEYS), ("POST", KEYS), ("GET", &path), ("PUT", &path), ("DELETE", &path)] {
        let response = scene.send(&raw::request(method, path, &[], b"")).await.unwrap();
        assert_eq!((response.status, &response.json()["errors"][0]["code"]), (401, &"TOKEN_MISSING".into()));
    }
    assert_eq!(scene.try_verify().await.unwrap().json()["is_valid"], true);
}
