//! A verifier to count calls at, and authenticators over it.

use std::convert::Infallible;
use std::time::Duration;

use apikey_core::Refusal;
use apikey_testkit::FakeVerifier;
use apikey_warp::{Authenticator, AuthenticatorBuilder, Verification};
use tower_service::Service;
use warp::http::{Request, Response};
use warp::test::RequestBuilder;

pub(crate) const READER: &str = "k_live_reader";
pub(crate) const ADMIN: &str = "k_live_admin";
pub(crate) const REVOKED: &str = "k_live_revoked";

pub(crate) fn verifier() -> FakeVerifier {
    FakeVerifier::new()
        .with_key(READER, Verification::active("reader").with_scopes(["read:users"]))
        .with_key(
            ADMIN,
            Verification::active("administrator").with_scopes(["admin"]).with_organization("org_acme"),
        )
        .with_refusal(REVOKED, Refusal::Revoked)
}

/// Without a cache, so that every look is seen.
pub(crate) fn uncached(verifier: &FakeVerifier) -> AuthenticatorBuilder {
    Authenticator::builder(verifier.clone()).cache_time_to_live(Duration::ZERO)
}

pub(crate) fn get(path: &str, key: Option<&str>) -> RequestBuilder {
    let request = warp::test::request().path(path);
    match key {
        Some(key) => request.header("authorization", format!("Bearer {key}")),
        None => request,
    }
}

/// Status, and the code in the body, or else the body.
pub(crate) fn told<B: AsRef<[u8]>>(response: &Response<B>) -> (u16, String) {
    let body = String::from_utf8(response.body().as_ref().to_vec()).unwrap();
    let code = body.split_once(r#""code":""#).and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()));
    (response.status().as_u16(), code.unwrap_or(body))
}

/// Sends a request to a service; only the status is looked at.
pub(crate) async fn status<S, B>(service: &mut S, path: &str, key: Option<&str>) -> u16
where
    S: Service<Request<String>, Response = Response<B>, Error = Infallible>,
{
    let mut request = Request::builder().uri(path);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    service.call(request.body(String::new()).unwrap()).await.unwrap().status().as_u16()
}
