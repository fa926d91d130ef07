//! A Kinde that has too much to do, or says so.

use std::time::Duration;

use apikey_testkit::{
    emulator::{ConcurrencyLimit, Endpoint, Fault},
    raw::{self, Connection},
};
use tokio::{task::JoinSet, time::Instant};

use crate::Scene;

const AN_HOUR: Duration = Duration::from_secs(3600);

/// This many open calls.
async fn calls(scene: &Scene, count: u64) -> Vec<Connection> {
    let before = scene.emulator.counters().verify_calls;
    let mut connections = Vec::new();
    for _ in 0..count {
        let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
        connection.send(&scene.verification(&scene.key.secret)).await.unwrap();
        connections.push(connection);
    }
    scene.emulator.wait_until(|counters| counters.verify_calls == before + count).await;
    connections
}

#[tokio::test]
async fn calls_past_the_limit_draw_a_429_at_once() {
    let scene = Scene::new().await;
    let limit = ConcurrencyLimit { most: 2, latency: AN_HOUR, ..ConcurrencyLimit::default() };
    scene.emulator.limit_concurrency(Some(limit));
    let mut in_service = calls(&scene, 2).await;
    let response = scene.try_verify().await.unwrap();
    assert_eq!((response.status, response.header("retry-after")), (429, None));
    assert_eq!(response.json()["errors"][0]["code"], "TOO_MANY_REQUESTS");
    let limit = ConcurrencyLimit { retry_after: Some(1), rate_limit_reset: Some(2), ..limit };
    scene.emulator.limit_concurrency(Some(limit));
    let response = scene.try_verify().await.unwrap();
    assert_eq!(response.header("retry-after").zip(response.header("ratelimit-reset")), Some(("1", "2")));
    // A client that closes its connection gives its slot back.
    in_service.pop();
    scene.emulator.wait_until(|counters| counters.in_service == 1).await;
    in_service.extend(calls(&scene, 1).await);
    let counters = scene.emulator.counters();
    assert_eq!((counters.most_in_service, counters.overload_answers, counters.verify_calls), (2, 2, 5));
    scene.emulator.limit_concurrency(None);
    assert_eq!(scene.try_verify().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_place_is_free_when_its_client_has_the_answer() {
    let scene = Scene::new().await;
    let latency = Duration::from_millis(1);
    let limit = ConcurrencyLimit { most: 1, latency, ..ConcurrencyLimit::default() };
    scene.emulator.limit_concurrency(Some(limit));
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    for _ in 0..50 {
        assert_eq!(scene.ask_on(&mut connection).await.unwrap().json()["is_valid"], true);
    }
    let counters = scene.emulator.counters();
    assert_eq!((counters.in_service, counters.most_in_service, counters.overload_answers), (0, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_served_or_counted_as_overload() {
    let scene = Scene::new().await;
    let latency = Duration::from_millis(5);
    let limit = ConcurrencyLimit { most: 4, latency, ..ConcurrencyLimit::default() };
    scene.emulator.limit_concurrency(Some(limit));
    let mut clients = JoinSet::new();
    for _ in 0..100 {
        let (address, request) = (scene.emulator.address(), scene.verification(&scene.key.secret));
        clients.spawn(async move { raw::exchange(address, &request).await.unwrap().status });
    }
    let statuses = clients.join_all().await;
    let refused = statuses.iter().filter(|status| **status == 429).count() as u64;
    let counters = scene.emulator.counters();
    assert_eq!((counters.verify_calls, counters.overload_answers, counters.in_service), (100, refused, 0));
    assert!((1..=4).contains(&counters.most_in_service), "{counters:?}");
    let served = statuses.iter().filter(|status| **status == 200).count() as u64;
    assert_eq!(served + refused, 100);
}

#[tokio::test]
async fn the_limit_comes_before_the_faults_of_keys_and_endpoints() {
    let scene = Scene::new().await;
    scene.emulator.limit_concurrency(Some(ConcurrencyLimit::default()));
    scene.emulator.set_key_fault(&scene.key.secret, Some(Fault::status(503)));
    scene.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::status(504))]);
    assert_eq!(scene.try_verify().await.unwrap().status, 429);
    assert_eq!(scene.verify("other").await.status, 429);
    scene.emulator.limit_concurrency(Some(ConcurrencyLimit { most: 1, ..ConcurrencyLimit::default() }));
    assert_eq!(scene.try_verify().await.unwrap().status, 503);
    assert_eq!(scene.verify("other").await.status, 504);
    assert_eq!(scene.emulator.counters().overload_answers, 2);
}

#[tokio::test]
async fn the_limit_is_set_over_the_control_plane() {
    let scene = Scene::new().await;
    let path = "/_emulator/concurrency_limit";
    let body = r#"{"most":0,"milliseconds":50,"retry_after":3}"#;
    assert_eq!(scene.call("PUT", path, body).await.status, 204);
    let response = scene.try_verify().await.unwrap();
    assert_eq!((response.status, response.header("retry-after")), (429, Some("3")));
    assert_eq!(scene.call("GET", "/_emulator/counters", "").await.json()["overload_answers"], 1);
    assert_eq!(scene.call("PUT", path, r#"{"most":1}"#).await.status, 400);
    assert_eq!(scene.call("DELETE", path, "").await.status, 204);
    assert_eq!(scene.try_verify().await.unwrap().status, 200);
}

#[tokio::test]
async fn silence_is_asked_of_every_call_and_breaches_are_dated() {
    let scene = Scene::new().await;
    scene.try_verify().await.unwrap();
    scene.emulator.reset_counters();
    let start = Instant::now();
    scene.emulator.ask_for_silence(60);
    let mut expected = Vec::new();
    for secret in ["unknown", scene.key.secret.as_str()] {
        let response = scene.verify(secret).await;
        assert_eq!((response.status, response.header("retry-after")), (429, Some("60")));
        expected.push(Instant::now());
    }
    let moments = scene.emulator.verify_call_moments();
    assert_eq!(moments.len(), 2);
    assert!(start <= moments[0] && moments[0] <= expected[0], "{moments:?}");
    assert!(expected[0] <= moments[1] && moments[1] <= expected[1], "{moments:?}");
    scene.emulator.set_fault(Endpoint::Verify, None);
    assert_eq!(scene.try_verify().await.unwrap().status, 200);
}
