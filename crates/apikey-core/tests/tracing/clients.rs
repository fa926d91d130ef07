//! What is logged about the clients of requests.

use apikey_core::{AttemptLimit, Authenticator, AuthenticatorBuilder, PlainRequest, TrustedProxies};
use apikey_testkit::FakeVerifier;
use tokio::runtime::Handle;

use crate::log::Log;

/// It trusts the proxies in 10.0.0.0/8.
fn builder() -> AuthenticatorBuilder {
    Authenticator::builder(FakeVerifier::new())
        .verification_runtime(Handle::current())
        .trusted_proxies(TrustedProxies::parse("10.0.0.0/8").unwrap())
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
    let keys = builder().build().unwrap();
    for (key, peer) in [("k1", "192.0.2.1"), ("k2", "10.0.0.1")] {
        drop(keys.begin(&request_from(peer, key)));
    }
    assert_eq!(log.take(), "");
    let untrusted = |peer, key| request_from(peer, key).with_header("x-forwarded-for", "192.0.2.1");
    let other_header = |peer, key| request_from(peer, key).with_header("forwarded", "for=192.0.2.1");
    for request in [
        untrusted("192.168.0.1", "k3"),
        other_header("10.0.0.1", "k4"),
        untrusted("192.168.0.2", "k5"),
        other_header("10.0.0.2", "k6"),
    ] {
        drop(keys.begin(&request));
    }
    let log = log.take();
    let lines: Vec<&str> = log.lines().collect();
    let [untrusted, other_header] = lines[..] else { panic!("{log}") };
    assert!(untrusted.contains("WARN") && untrusted.contains("192.168.0.1 in trusted_proxies"), "{log}");
    assert!(other_header.contains("WARN") && other_header.contains("TrustedProxies::header"), "{log}");
}

/// Makes this many attempts, whose server does not know its clients' addresses.
fn make_attempts(keys: &Authenticator, attempts: usize) {
    for number in 0..attempts {
        drop(keys.begin(&request(&format!("k_{number}"))));
    }
}

/// A server makes more than ten requests, and a unit test does not.
#[tokio::test]
async fn a_server_without_addresses_is_told_once() {
    let (log, _listening) = Log::listen().await;
    let keys = builder().build().unwrap();
    make_attempts(&keys, 10);
    assert_eq!(log.take(), "");
    make_attempts(&keys, 90);
    let log = log.take();
    assert!(log.contains("ERROR") && log.contains("attempt_limit"), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[tokio::test]
async fn nobody_is_told_of_addresses_that_no_limit_needs() {
    let (log, _listening) = Log::listen().await;
    let keys = builder().attempt_limit(None).build().unwrap();
    make_attempts(&keys, 100);
    assert_eq!(log.take(), "");
    let limited = keys.with_options().attempt_limit(AttemptLimit::default()).build().unwrap();
    make_attempts(&limited, 100);
    assert_eq!(log.take().matches("attempt_limit").count(), 1);
}
