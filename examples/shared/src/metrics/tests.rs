use std::net::Ipv4Addr;

use apikey_core::{PlainRequest, Policy, Verification};
use apikey_testkit::FakeVerifier;
use apikey_testkit::raw::{self, Connection};

use super::*;

fn keys() -> Authenticator {
    let good = Verification::active("api_key_1");
    Authenticator::builder(FakeVerifier::new().with_key("good", good)).build().unwrap()
}

fn start_anywhere(keys: &Authenticator) -> SocketAddr {
    start((Ipv4Addr::LOCALHOST, 0).into(), keys.clone()).unwrap()
}

#[tokio::test]
async fn the_listener_shows_what_is_counted() {
    let keys = keys();
    let address = start_anywhere(&keys);
    let request = PlainRequest::new().with_header("authorization", "Bearer good");
    keys.gate(&Policy::any_key()).decide(keys.begin(&request), &request, |key| key).wait().await.unwrap();
    let response = raw::exchange(address, &raw::get("/metrics", &[])).await.unwrap();
    assert_eq!(
        (response.status, response.header("content-type")),
        (200, Some(Statistics::PROMETHEUS_MEDIA_TYPE))
    );
    assert_eq!(response.body_text(), keys.statistics().prometheus());
    let line = "apikey_decisions_total{outcome=\"accepted\",source=\"verified\"} 1\n";
    assert!(response.body_text().contains(line), "{}", response.body_text());
}

#[tokio::test]
async fn the_listener_answers_nothing_else() {
    let address = start_anywhere(&keys());
    for path in ["/", "/health", "/metrics/", "/Metrics", "/api/data"] {
        for method in ["GET", "POST"] {
            let response = raw::exchange(address, &raw::request(method, path, &[], b"")).await.unwrap();
            assert_eq!((response.status, &*response.body), (404, &b""[..]), "{method} {path}");
        }
    }
    for method in ["POST", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let response = raw::exchange(address, &raw::request(method, "/metrics", &[], b"")).await.unwrap();
        assert_eq!((response.status, response.header("allow")), (405, Some("GET")), "{method}");
    }
    assert_eq!(raw::exchange(address, &raw::get("/metrics?x=1", &[])).await.unwrap().status, 200);
}

#[tokio::test]
async fn the_seventeenth_connection_waits_for_another_one() {
    let address = start_anywhere(&keys());
    let mut silent = Vec::new();
    for _ in 0..MOST_CONNECTIONS {
        let mut connection = Connection::connect(address).await.unwrap();
        connection.send(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
        silent.push(connection);
    }
    let mut next = Connection::connect(address).await.unwrap();
    next.send(&raw::get("/metrics", &[])).await.unwrap();
    let waits = timeout(Duration::from_millis(200), next.read_response(false)).await;
    assert!(waits.is_err(), "{waits:?}");
    silent.pop();
    assert_eq!(next.read_response(false).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = start_anywhere(&keys());
    let error = start(taken, keys()).unwrap_err();
    assert_eq!(error.setting(), "METRICS_LISTEN");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}
