//! A verifier without network, and how the tests ask an app.

use std::time::Duration;

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::{Error, test};
use apikey_actix::{Authenticator, AuthenticatorBuilder, Verification};
use apikey_core::{Refusal, VerifierError};
use apikey_testkit::FakeVerifier;

/// Knows `admin` and `reader` with the scope of that name, `old`, which is revoked, and `down`, about which it can't
/// say anything.
pub(crate) fn verifier() -> FakeVerifier {
    let down = VerifierError::outage("down for the test");
    FakeVerifier::new()
        .with_key("admin", Verification::active("id_admin").with_scopes(["admin"]))
        .with_key("reader", Verification::active("id_reader").with_scopes(["reader"]))
        .with_refusal("old", Refusal::Revoked)
        .with_failure("down", down)
}

pub(crate) fn builder(verifier: &FakeVerifier) -> AuthenticatorBuilder<Authenticator> {
    Authenticator::builder(verifier.clone())
}

pub(crate) fn cached(verifier: &FakeVerifier) -> Authenticator {
    builder(verifier).build().unwrap()
}

pub(crate) fn uncached(verifier: &FakeVerifier) -> Authenticator {
    builder(verifier).cache_time_to_live(Duration::ZERO).build().unwrap()
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Panics where a service answers with an error: a refusal is a response.
pub(crate) async fn send<S, B>(app: &S, request: test::TestRequest) -> Answer
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let response = test::call_service(app, request.to_request()).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = String::from_utf8(test::read_body(response).await.to_vec()).unwrap();
    Answer { status, headers, body }
}

pub(crate) fn get(path: &str, key: Option<&str>) -> test::TestRequest {
    let request = test::TestRequest::get().uri(path).peer_addr(([192, 0, 2, 1], 1234).into());
    match key {
        Some(key) => request.insert_header(("authorization", format!("Bearer {key}"))),
        None => request,
    }
}

pub(crate) async fn ask<S, B>(app: &S, path: &str, key: Option<&str>) -> (u16, String)
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let Answer { status, body, .. } = send(app, get(path, key)).await;
    (status, body)
}

/// Status and body of a denial with its default message.
pub(crate) fn denied(code: apikey_actix::DenialCode) -> (u16, String) {
    (code.status(), format!(r#"{{"error":"{}","code":"{code}"}}"#, code.message()))
}
