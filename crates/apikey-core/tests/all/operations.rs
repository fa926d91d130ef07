//! `Policy::kinde_operation` at requests whose operation is known, and at others.

use apikey_core::{Authenticator, DenialCode, PlainRequest, Policy, Verification};
use apikey_testkit::FakeVerifier;

fn keys() -> Authenticator {
    let reader = Verification::active("reader").with_scopes(["get:users_id"]);
    let admin = Verification::active("admin").with_scopes(["admin"]);
    Authenticator::builder(FakeVerifier::new().with_key("reader", reader).with_key("admin", admin))
        .build()
        .unwrap()
}

fn request(key: &str) -> PlainRequest {
    PlainRequest::new().with_header("authorization", format!("Bearer {key}"))
}

async fn decide(keys: &Authenticator, policy: &Policy, request: PlainRequest) -> Option<DenialCode> {
    let decision = keys.gate(policy).decide(keys.begin(&request), &request, |key| key).wait().await;
    decision.err().map(|denial| denial.code())
}

#[tokio::test]
async fn a_bad_key_is_refused_as_one_where_no_route_is_known() {
    let (keys, policy) = (keys(), Policy::kinde_operation());
    assert_eq!(decide(&keys, &policy, request("junk")).await, Some(DenialCode::InvalidKey));
    assert_eq!(decide(&keys, &policy, PlainRequest::new()).await, Some(DenialCode::MissingKey));
    for _cold_then_cached in 0..2 {
        assert_eq!(decide(&keys, &policy, request("reader")).await, Some(DenialCode::InternalError));
    }
}

#[tokio::test]
async fn a_key_that_needs_no_operation_passes_where_no_route_is_known() {
    let (keys, policy) = (keys(), Policy::any([Policy::scope("admin"), Policy::kinde_operation()]));
    for _cold_then_cached in 0..2 {
        assert_eq!(decide(&keys, &policy, request("admin")).await, None);
    }
}

#[tokio::test]
async fn a_key_opens_the_operation_whose_scope_it_has() {
    let (keys, policy) = (keys(), Policy::kinde_operation());
    for _cold_then_cached in 0..2 {
        let known = request("reader").with_operation("GET", "/users/{id}");
        assert_eq!(decide(&keys, &policy, known).await, None);
        let other = request("reader").with_operation("PUT", "/users/{id}");
        assert_eq!(decide(&keys, &policy, other).await, Some(DenialCode::InsufficientScope));
    }
}
