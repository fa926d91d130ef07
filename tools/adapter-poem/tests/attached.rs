//! What handlers find in a request, which the conformance suite can't see.

use std::time::Duration;

use adapter_poem::{ApiKey, Authenticator, Policy, Verification, VerifiedKey};
use apikey_testkit::FakeVerifier;
use poem::http::{Method, StatusCode};
use poem::{Endpoint, EndpointExt as _, Request, handler};

fn authenticator(key_id: &str) -> Authenticator {
    let verifier = FakeVerifier::new().with_key("one", Verification::active(key_id));
    Authenticator::builder(verifier).cache_time_to_live(Duration::ZERO).build().unwrap()
}

fn presenting_one() -> Request {
    Request::builder().header("authorization", "Bearer one").finish()
}

async fn text(endpoint: impl Endpoint, request: Request) -> String {
    let response = endpoint.get_response(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().into_string().await.unwrap()
}

#[handler]
fn attached(request: &Request) -> String {
    request.data::<VerifiedKey>().map_or("none", |key| key.key_id()).to_owned()
}

#[handler]
fn extracted(key: ApiKey) -> String {
    key.key_id().to_owned()
}

#[tokio::test]
async fn a_handler_finds_the_key_that_a_middleware_let_in() {
    let endpoint = attached.with(authenticator("id").require(Policy::any_key()));
    assert_eq!(text(endpoint, presenting_one()).await, "id");
}

#[tokio::test]
async fn a_pre_flight_that_passes_carries_no_other_requests_key() {
    let endpoint = attached.with(authenticator("id").require(Policy::any_key()).pass_preflight());
    let mut request = Request::builder()
        .method(Method::OPTIONS)
        .header("origin", "https://app.example")
        .header("access-control-request-method", "GET")
        .finish();
    request.set_data(VerifiedKey::assume_verified(Verification::active("of_another_request")));
    assert_eq!(text(endpoint, request).await, "none");
}

#[tokio::test]
async fn an_extractor_asks_the_innermost_authenticator() {
    let inner = extracted.with(authenticator("inner").require(Policy::any_key()));
    assert_eq!(text(inner.with(authenticator("outer")), presenting_one()).await, "inner");
}
