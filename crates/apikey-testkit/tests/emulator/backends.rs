//! Several backends behind one address.

use std::{io::ErrorKind, time::Duration};

use apikey_testkit::{
    emulator::{BackendCounters, Backends, Endpoint, Fault},
    raw::Connection,
};
use serde_json::json;

use crate::{Scene, token_form, token_request};

/// The connections and requests of each backend.
fn counted(scene: &Scene) -> Vec<(u64, u64)> {
    let counters = scene.emulator.backend_counters();
    counters.iter().map(|BackendCounters { connections, requests }| (*connections, *requests)).collect()
}

#[tokio::test]
async fn connections_go_to_one_backend_after_the_other() {
    let scene = Scene::new().await;
    scene.emulator.set_backends(Backends::round_robin(3));
    for _ in 0..4 {
        let mut connection = scene.used_connection().await;
        scene.ask_on(&mut connection).await.unwrap();
    }
    assert_eq!(counted(&scene), [(2, 4), (1, 2), (1, 2)]);
    scene.emulator.reset_counters();
    assert_eq!(counted(&scene), [(0, 0); 3]);
    scene.used_connection().await;
    assert_eq!(counted(&scene), [(0, 0), (1, 1), (0, 0)]);
}

#[tokio::test]
async fn a_backend_by_chance_follows_from_the_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let scene = Scene::new().await;
        scene.emulator.set_backends(Backends::random(3, 42));
        for _ in 0..30 {
            scene.try_verify().await.unwrap();
        }
        runs.push(counted(&scene));
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].iter().all(|(connections, _)| *connections > 0), "{runs:?}");
}

#[tokio::test]
async fn one_backends_fault_hits_all_its_connections_only() {
    let scene = Scene::new().await;
    scene.emulator.set_backends(Backends::round_robin(3));
    scene.emulator.set_backend_fault(1, Some(Fault::Hang));
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(Connection::connect(scene.emulator.address()).await.unwrap());
    }
    for connection in &mut connections {
        connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
    }
    for index in [0, 2] {
        assert_eq!(connections[index].read_response(false).await.unwrap().status, 200);
    }
    let silence = tokio::time::timeout(Duration::from_millis(100), connections[1].read_response(false)).await;
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!(counted(&scene), [(1, 1); 3]);
    scene.emulator.set_backend_fault(1, None);
    scene.emulator.set_backend_fault(0, Some(Fault::Reset));
    let error = scene.ask_on(&mut connections[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(scene.ask_on(&mut connections[2]).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_backends_fault_hits_tokens_and_comes_before_other_faults() {
    let scene = Scene::new().await;
    scene.emulator.set_backend_fault(0, Some(Fault::status(502)));
    scene.emulator.set_key_fault(&scene.key.secret, Some(Fault::status(503)));
    scene.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::status(504))]);
    assert_eq!(scene.try_verify().await.unwrap().status, 502);
    assert_eq!(scene.send(&token_request(&token_form(&scene.emulator))).await.unwrap().status, 502);
    assert_eq!(scene.call("GET", "/api/v1/api_keys", "").await.status, 502);
    assert_eq!(scene.call("GET", "/_emulator/keys", "").await.status, 200);
    scene.emulator.set_backend_fault(0, None);
    assert_eq!(scene.verify("other").await.status, 504);
}

#[tokio::test]
#[should_panic(expected = "no backend 3")]
async fn a_fault_of_no_backend_is_a_mistake() {
    let scene = Scene::new().await;
    scene.emulator.set_backends(Backends::round_robin(3));
    scene.emulator.set_backend_fault(3, None);
}

#[tokio::test]
async fn backends_are_set_over_the_control_plane() {
    let scene = Scene::new().await;
    assert_eq!(scene.call("PUT", "/_emulator/backends", r#"{"count":2}"#).await.status, 204);
    let fault = r#"{"kind":"status","status":503}"#;
    assert_eq!(scene.call("PUT", "/_emulator/backends/0/fault", fault).await.status, 204);
    // These two requests went to the first backend and the second.
    assert_eq!(scene.call("GET", "/_emulator/keys", "").await.status, 200);
    assert_eq!(scene.try_verify().await.unwrap().status, 503);
    let answer = scene.call("GET", "/_emulator/backends", "").await.json();
    let expected = json!([{"connections": 2, "requests": 1}, {"connections": 2, "requests": 0}]);
    assert_eq!(answer["backends"], expected);
    assert_eq!(scene.call("DELETE", "/_emulator/backends/0/fault", "").await.status, 204);
    assert_eq!(scene.try_verify().await.unwrap().status, 200);
    for (path, body, status) in [
        ("/_emulator/backends/2/fault", fault, 404),
        ("/_emulator/backends/x/fault", fault, 404),
        ("/_emulator/backends/0/fault", "{}", 400),
        ("/_emulator/backends", r#"{"count":0}"#, 400),
        ("/_emulator/backends", r#"{"count":2,"seed":7}"#, 204),
    ] {
        assert_eq!(scene.call("PUT", path, body).await.status, status, "{path} {body}");
    }
}
