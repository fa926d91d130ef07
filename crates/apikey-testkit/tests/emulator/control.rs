//! The control plane.

use std::io::ErrorKind;

use apikey_testkit::raw::Connection;
use serde_json::json;

use crate::{Scene, VERIFY_PATH};

#[tokio::test]
async fn every_fault_can_be_set_by_name() {
    let scene = Scene::new().await;
    for (fault, status) in [
        (r#"{"kind":"latency","milliseconds":1}"#, 200),
        (r#"{"kind":"status","status":503}"#, 503),
        (r#"{"kind":"status","status":404,"body":"gone"}"#, 404),
        (r#"{"kind":"too_many_requests","rate_limit_reset":5}"#, 429),
        (r#"{"kind":"garbage"}"#, 200),
        (r#"{"kind":"raw_answer","bytes":"HTTP/1.1 299 x\r\n\r\n"}"#, 299),
        (r#"{"kind":"huge_body","bytes":100}"#, 200),
        (r#"{"kind":"empty"}"#, 200),
        (r#"{"kind":"slow_body","milliseconds":0}"#, 200),
        (r#"{"kind":"redirect","location":"/elsewhere"}"#, 302),
        (r#"{"kind":"flap"}"#, 200),
        (r#"{"kind":"answer","status":418,"headers":[["a","b"]],"body":"c"}"#, 418),
        (r#"{"kind":"after","milliseconds":1,"fault":{"kind":"status","status":503}}"#, 503),
    ] {
        assert_eq!(scene.call("PUT", "/_emulator/faults/verify", fault).await.status, 204, "{fault}");
        assert_eq!(scene.try_verify().await.unwrap().status, status, "{fault}");
    }
    for (fault, kind) in [
        (r#"{"kind":"reset"}"#, ErrorKind::ConnectionReset),
        (r#"{"kind":"close"}"#, ErrorKind::UnexpectedEof),
        (r#"{"kind":"raw_garbage"}"#, ErrorKind::InvalidData),
    ] {
        assert_eq!(scene.call("PUT", "/_emulator/faults/verify", fault).await.status, 204, "{fault}");
        assert_eq!(scene.try_verify().await.unwrap_err().kind(), kind, "{fault}");
    }
    let stalled = r#"{"kind":"stalled_body","status":503,"body":"ab"}"#;
    assert_eq!(scene.call("PUT", "/_emulator/faults/verify", stalled).await.status, 204);
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
    assert_eq!(connection.read_response(true).await.unwrap().status, 503);
    assert_eq!(scene.call("PUT", "/_emulator/faults/token", r#"{"kind":"hang"}"#).await.status, 204);
    assert_eq!(scene.call("DELETE", "/_emulator/faults/verify", "").await.status, 204);
    assert_eq!(scene.try_verify().await.unwrap().json()["is_valid"], true);
}

#[tokio::test]
async fn an_array_of_faults_is_a_script() {
    let scene = Scene::new().await;
    let script = r#"[{"kind":"status","status":500},null,{"kind":"status","status":502}]"#;
    assert_eq!(scene.call("PUT", "/_emulator/faults/verify", script).await.status, 204);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(scene.try_verify().await.unwrap().status);
    }
    assert_eq!(statuses, [500, 200, 502, 200]);
}

#[tokio::test]
async fn keys_have_faults_over_the_control_plane() {
    let scene = Scene::new().await;
    let status = |status: u16| json!({"kind": "status", "status": status});
    for (keys, secret) in [
        (json!({"secret": "junk_1"}), "junk_1"),
        (json!({"prefix": "junk_"}), "junk_2"),
        (json!({"unknown": true}), "other"),
    ] {
        for (fault, expected) in [(status(503), 503), (json!(null), 200)] {
            let mut body = keys.clone();
            body["fault"] = fault;
            let answer = scene.call("PUT", "/_emulator/faults/keys", &body.to_string()).await;
            assert_eq!((answer.status, scene.verify(secret).await.status), (204, expected), "{body}");
        }
        let mut body = keys;
        body["fault"] = status(502);
        scene.call("PUT", "/_emulator/faults/keys", &body.to_string()).await;
    }
    assert_eq!(scene.call("DELETE", "/_emulator/faults/keys", "").await.status, 204);
    for secret in ["junk_1", "junk_2", "other"] {
        assert_eq!(scene.verify(secret).await.status, 200, "{secret}");
    }
    for body in ["{}", r#"{"secret":"a","prefix":"b"}"#, r#"{"secret":"a","fault":{"kind":"?"}}"#] {
        assert_eq!(scene.call("PUT", "/_emulator/faults/keys", body).await.status, 400, "{body}");
    }
    let style = r#"{"style":"bare401"}"#;
    assert_eq!(scene.call("PUT", "/_emulator/unknown_key_answer", style).await.status, 204);
    assert_eq!(scene.verify("other").await.status, 401);
    assert_eq!(scene.call("DELETE", "/_emulator/unknown_key_answer", "").await.status, 204);
    assert_eq!(scene.verify("other").await.status, 200);
}

#[tokio::test]
async fn an_unknown_fault_is_refused_with_a_reason() {
    let scene = Scene::new().await;
    for fault in ["", "{}", r#"{"kind":"explode"}"#, r#"{"kind":"latency"}"#, r#"{"kind":"hang","x":1}"#] {
        let response = scene.call("PUT", "/_emulator/faults/verify", fault).await;
        assert_eq!(
            (response.status, response.json()["errors"][0]["message"].is_string()),
            (400, true),
            "{fault}"
        );
    }
    assert_eq!(scene.call("PUT", "/_emulator/faults/other", "{}").await.status, 404);
    assert_eq!(scene.call("POST", "/_emulator/faults/verify", "{}").await.status, 405);
    assert_eq!(scene.try_verify().await.unwrap().status, 200);
}

#[tokio::test]
async fn keys_are_listed_with_their_secrets_and_change_their_status() {
    let scene = Scene::new().await;
    let listed = scene.call("GET", "/_emulator/keys", "").await.json();
    assert_eq!(listed["keys"][0]["secret"], scene.key.secret);
    let path = format!("/_emulator/keys/{}/status", scene.key.key_id);
    assert_eq!(scene.call("PUT", &path, r#"{"status":"revoked"}"#).await.status, 204);
    assert_eq!(scene.try_verify().await.unwrap().json()["status"], "revoked");
    assert_eq!(
        scene.call("PUT", "/_emulator/keys/nobody/status", r#"{"status":"revoked"}"#).await.status,
        404
    );
    assert_eq!(scene.call("PUT", &path, "revoked").await.status, 400);
    let style = r#"{"style":"anonymous401"}"#;
    assert_eq!(scene.call("PUT", "/_emulator/negative_answer", style).await.status, 204);
    assert_eq!(scene.try_verify().await.unwrap().status, 401);
}

#[tokio::test]
async fn tokens_can_be_revoked() {
    let scene = Scene::new().await;
    assert_eq!(scene.call("POST", "/_emulator/tokens/revoke", "").await.status, 204);
    assert_eq!(scene.try_verify().await.unwrap().status, 401);
}

#[tokio::test]
async fn controlling_is_not_calling() {
    let scene = Scene::new().await;
    scene.call("POST", VERIFY_PATH, "{}").await;
    let counters = scene.call("GET", "/_emulator/counters", "").await.json();
    assert_eq!(counters, json!(scene.emulator.counters()));
    assert_eq!((&counters["verify_calls"], &counters["token_calls"]), (&1.into(), &1.into()));
    assert_eq!(scene.call("DELETE", "/_emulator/counters", "").await.status, 204);
    assert_eq!(scene.emulator.counters().verify_calls, 0);
}
