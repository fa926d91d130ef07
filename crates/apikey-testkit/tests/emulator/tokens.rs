//! The token endpoint, and where its tokens are valid.

use std::time::Duration;

use apikey_testkit::{emulator::Emulator, raw};

use crate::{Scene, TOKEN_PATH, VERIFY_PATH, token_form, token_request};

#[tokio::test]
async fn a_token_is_answered_without_a_scope() {
    let emulator = Emulator::start().await.unwrap();
    let response = raw::exchange(emulator.address(), &token_request(&token_form(&emulator))).await.unwrap();
    let body = response.json();
    assert_eq!(response.status, 200);
    assert_eq!((&body["expires_in"], &body["token_type"]), (&86_399.into(), &"bearer".into()));
    assert!(body.get("scope").is_none());
    assert_eq!(emulator.issued_tokens(), [body["access_token"].as_str().unwrap()]);
}

#[tokio::test]
async fn a_lifetime_can_be_left_out() {
    let emulator = Emulator::builder().token_lifetime(None).start().await.unwrap();
    let response = raw::exchange(emulator.address(), &token_request(&token_form(&emulator))).await.unwrap();
    assert!(response.json().get("expires_in").is_none());
}

#[tokio::test]
async fn an_expired_token_is_not_accepted() {
    let emulator = Emulator::builder().token_lifetime(Some(Duration::ZERO)).start().await.unwrap();
    let scene = Scene::with(emulator).await;
    let response = scene.try_verify().await.unwrap();
    assert_eq!((response.status, &response.json()["errors"][0]["code"]), (401, &"TOKEN_INVALID".into()));
}

#[tokio::test]
async fn mistakes_draw_kindes_odd_statuses() {
    let emulator = Emulator::builder()
        .client("the-client", "the-secret")
        .audience("https://example.kinde.com/api")
        .start()
        .await
        .unwrap();
    let right = token_form(&emulator);
    let cases = [
        (right.replace("the-client", "another"), 404, "invalid_client"),
        (right.replace("the-secret", "another"), 401, "invalid_client"),
        (right.replace("example", "another"), 403, "access_denied"),
        (right.replace("audience", "public"), 403, "access_denied"),
        (right.replace("client_credentials", "password"), 400, "unsupported_grant_type"),
        (right.replace("grant_type", "type"), 400, "invalid_request"),
        (format!("{right}&client_id=the-client"), 400, "invalid_request"),
        (format!("{right}&scope=read%3Aapi_keys"), 403, "invalid_scope"),
    ];
    for (form, status, error) in cases {
        let response = raw::exchange(emulator.address(), &token_request(&form)).await.unwrap();
        assert_eq!((response.status, &response.json()["error"]), (status, &error.into()), "{form}");
        assert!(response.json()["error_description"].is_string());
    }
    let headers = [("Content-Type", "application/json")];
    let request = raw::request("POST", TOKEN_PATH, &headers, right.as_bytes());
    assert_eq!(raw::exchange(emulator.address(), &request).await.unwrap().status, 400);
    assert!(emulator.issued_tokens().is_empty());
    assert_eq!(emulator.counters().token_calls, 9);
}

#[tokio::test]
async fn the_emulators_own_address_is_an_audience() {
    let emulator = Emulator::start().await.unwrap();
    let hosts = [emulator.address().to_string(), format!("localhost:{}", emulator.address().port())];
    for (scheme, host) in [("http", &hosts[0]), ("https", &hosts[0]), ("http", &hosts[1])] {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&audience={scheme}://{host}/api",
            emulator.client_id(),
            emulator.client_secret()
        );
        let response = raw::exchange(emulator.address(), &token_request(&form)).await.unwrap();
        assert_eq!(response.status, 200, "{form}");
    }
}

#[tokio::test]
async fn a_verification_needs_a_token_that_was_issued() {
    let scene = Scene::new().await;
    let request = |authorization: &[(&str, &str)]| {
        let headers = [&[("Content-Type", "application/json")], authorization].concat();
        raw::request("POST", VERIFY_PATH, &headers, b"{\"api_key\":\"k_live_x\"}")
    };
    let lower_case = format!("bearer {}", scene.token);
    let basic = format!("Basic {}", scene.token);
    for (headers, status, code) in [
        (vec![], 401, "TOKEN_MISSING"),
        (vec![("Authorization", basic.as_str())], 401, "TOKEN_MISSING"),
        (vec![("Authorization", "Bearer nonsense")], 401, "TOKEN_INVALID"),
    ] {
        let response = scene.send(&request(&headers)).await.unwrap();
        assert_eq!((response.status, &response.json()["errors"][0]["code"]), (status, &code.into()));
    }
    let response = scene.send(&request(&[("Authorization", &lower_case)])).await.unwrap();
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn revoked_tokens_draw_a_401_until_a_new_one_is_fetched() {
    let mut scene = Scene::new().await;
    scene.emulator.revoke_tokens();
    let response = scene.try_verify().await.unwrap();
    assert_eq!((response.status, &response.json()["errors"][0]["code"]), (401, &"TOKEN_INVALID".into()));
    scene.token = crate::fetch_token(&scene.emulator).await;
    assert_eq!(scene.try_verify().await.unwrap().status, 200);
    assert_eq!(scene.emulator.issued_tokens().len(), 2);
}

#[tokio::test]
async fn a_missing_scope_is_a_403_while_it_is_denied() {
    let scene = Scene::new().await;
    scene.emulator.deny_scope(true);
    let response = scene.try_verify().await.unwrap();
    assert_eq!((response.status, &response.json()["errors"][0]["code"]), (403, &"SCOPE_MISSING".into()));
    scene.emulator.deny_scope(false);
    assert_eq!(scene.try_verify().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_verification_needs_no_token_without_authentication() {
    let emulator = Emulator::builder().without_authentication().start().await.unwrap();
    let headers = [("Content-Type", "application/json")];
    let request = raw::request("POST", VERIFY_PATH, &headers, b"{\"api_key\":\"k_live_x\"}");
    let response = raw::exchange(emulator.address(), &request).await.unwrap();
    assert_eq!((response.status, &response.json()["is_valid"]), (200, &false.into()));
    assert_eq!(
        raw::exchange(emulator.address(), &raw::get("/api/v1/api_keys", &[])).await.unwrap().status,
        401
    );
}

#[tokio::test]
async fn a_second_clients_tokens_lack_the_scope() {
    let emulator =
        Emulator::builder().client_without_scope("another-client", "another-secret").start().await.unwrap();
    let form = token_form(&emulator)
        .replace(emulator.client_id(), "another-client")
        .replace(emulator.client_secret(), "another-secret");
    let response = raw::exchange(emulator.address(), &token_request(&form)).await.unwrap();
    let token = response.json()["access_token"].as_str().unwrap().to_owned();
    let scene = Scene::with(emulator).await;
    assert_eq!(scene.try_verify().await.unwrap().status, 200);
    let authorization = format!("Bearer {token}");
    let headers = [("Content-Type", "application/json"), ("Authorization", authorization.as_str())];
    let body = format!(r#"{{"api_key":"{}"}}"#, scene.key.secret);
    let request = raw::request("POST", VERIFY_PATH, &headers, body.as_bytes());
    let response = raw::exchange(scene.emulator.address(), &request).await.unwrap();
    assert_eq!((response.status, &response.json()["errors"][0]["code"]), (403, &"SCOPE_MISSING".into()));
    let wrong = form.replace("another-secret", scene.emulator.client_secret());
    assert_eq!(raw::exchange(scene.emulator.address(), &token_request(&wrong)).await.unwrap().status, 401);
}
