//! What is logged about the clients of requests.

use apikey_core::{Authenticator, PlainRequest, TrustedProxies};
use apikey_testkit::FakeVerifier;
use tokio::runtime::Handle;

use crate::log::Log;

/// An authenticator that trusts the proxies in 10.0.0.0/8.
fn authenticator() -> Authenticator {
    Authenticator::builder(FakeVerifier::new())
        .verification_runtime(Handle::current())
        .trusted_proxies(TrustedProxies::parse("10.0.0.0/8").unwrap())
        .build()
        .unwrap()
}

/// A request with a key that no other request has presented, so that it is an attempt.
fn request(key: &str) -> PlainRequest {
    PlainRequest::new().with_header("authorization", format!("Bearer {key}"))
}

fn request_from(peer: &str, key: &str) -> PlainRequest {
    request(key).with_peer(peer.parse().unwrap())
}

#[tokio::test]
async fn each_kind_of_mistake_is_told_once() {
    let (log, _listening) = Log::listen().await;
    let keys = authenticator();
    for (key, peer) in [("k1", "192.0.2.1"), ("k2", "10.0.0.1")] {
        drop(keys.begin(&request_from(peer, key)));
    }
    assert_eq!(log.take(), "");
    let untrusted = |peer, key| request_from(peer, key).with_header("x-forwarded-for", "192.0.2.1");
    let other_header = |peer, key| request_from(peer, key).with_header("forwarded", "for=192.0.2.1");
    for request in [
        untrusted("192.168.0.1", "k3"),
        request("k4"),
        other_header("10.0.0.1", "k5"),
        untrusted("192.168.0.2", "k6"),
        other_header("10.0.0.2", "k7"),
        request("k8"),
    ] {
        drop(keys.begin(&request));
    }
    let log = log.take();
    let lines: Vec<&str> = log.lines().collect();
    let [untrusted, no_address, other_header] = lines[..] else { panic!("{log}") };
    assert!(untrusted.contains("WARN") && untrusted.contains("192.168.0.1 in trusted_proxies"), "{log}");
    assert!(no_address.contains("ERROR") && no_address.contains("attempt_limit"), "{log}");
    assert!(other_header.contains("WARN") && other_header.contains("TrustedProxies::header"), "{log}");
}
