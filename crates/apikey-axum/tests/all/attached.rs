//! The verified key travels with a request that a layer lets in.

use apikey_axum::{ApiKey, CredentialSource, MaybeApiKey, Policy, VerifiedKey};
use axum::body::Body;
use axum::extract::Extension;
use axum::http::Request;
use axum::response::Response;
use axum::routing::get;
use axum::{Router, middleware};
use tower::ServiceExt as _;

use crate::world::{Names, request, text};

/// A handler without an extractor. It answers with the key that the request carries.
async fn tell(request: Request<Body>) -> Response {
    let key = request.extensions().get::<VerifiedKey>().map_or("nobody", VerifiedKey::key_id);
    Response::new(Body::from(key.to_owned()))
}

#[tokio::test]
async fn a_tower_service_finds_the_key_that_a_layer_let_in() {
    let keys = Names::default().authenticator(60);
    let app = Router::new().fallback_service(tower::service_fn(|request| async {
        Ok::<_, std::convert::Infallible>(tell(request).await)
    }));
    let app = app.layer(keys.require(Policy::scope("admin")));
    // The first request waits for the verifier. The second one is a cache hit.
    for _ in 0..2 {
        let response = app.clone().oneshot(request("/", Some("admin-1"))).await.unwrap();
        assert_eq!(text(response).await, "1");
    }
}

#[tokio::test]
async fn a_handler_and_a_middleware_find_the_key() {
    let keys = Names::default().authenticator(60);
    let app = Router::new()
        .route("/", get(|Extension(key): Extension<VerifiedKey>| async move { key.key_id().to_owned() }))
        .layer(middleware::from_fn(|request: Request<Body>, next: middleware::Next| async move {
            let known = request.extensions().get::<VerifiedKey>().is_some();
            let mut response = next.run(request).await;
            response.headers_mut().insert("x-known", known.to_string().parse().unwrap());
            response
        }))
        .layer(keys.require(Policy::any_key()));
    let response = app.oneshot(request("/", Some("user-7"))).await.unwrap();
    assert_eq!(response.headers()["x-known"], "true");
    assert_eq!(text(response).await, "7");
}

#[tokio::test]
async fn a_preflight_that_passes_carries_no_other_requests_key() {
    let keys = Names::default().authenticator(60);
    let app = Router::new().fallback(tell).layer(keys.require(Policy::any_key()).pass_preflight());
    let mut preflight = Request::options("/")
        .header("origin", "https://a.example")
        .header("access-control-request-method", "GET")
        .body(Body::empty())
        .unwrap();
    // As if these were cloned extensions of an outer request.
    let other = apikey_axum::Verification::active("other");
    preflight.extensions_mut().insert(VerifiedKey::assume_verified(other));
    let response = app.oneshot(preflight).await.unwrap();
    assert_eq!(text(response).await, "nobody");
}

#[tokio::test]
async fn an_extractor_corrects_a_key_that_cloned_extensions_bring() {
    async fn seen(key: MaybeApiKey, attached: Option<Extension<VerifiedKey>>) -> String {
        let id = |key: Option<&VerifiedKey>| key.map_or("nobody", VerifiedKey::key_id).to_owned();
        format!("{} {}", id(key.key()), id(attached.as_deref()))
    }
    let keys = Names::default().authenticator(60);
    let app = Router::new().route("/", get(seen)).with_state(keys);
    for (key, expected) in [(Some("user-2"), "2 2"), (Some("user-2"), "2 2"), (None, "nobody nobody")] {
        let mut request = request("/", key);
        let outer = apikey_axum::Verification::active("outer");
        request.extensions_mut().insert(VerifiedKey::assume_verified(outer));
        assert_eq!(text(app.clone().oneshot(request).await.unwrap()).await, expected);
    }
}

#[tokio::test]
async fn a_nested_router_follows_the_options_of_its_routes() {
    async fn me(key: ApiKey) -> String {
        key.key_id().to_owned()
    }
    let names = Names::default();
    let keys = names.authenticator(60);
    let sources = [CredentialSource::header("X-Partner-Key")];
    let partners = keys.with_options().realm("partners").credential_sources(sources).build().unwrap();
    let group = Router::new().route("/", get(me)).layer(partners.require("admin")).with_state(partners);
    let app = Router::new().route("/", get(me)).with_state(keys).nest("/partners", group);
    let partner =
        |key: &str| Request::get("/partners").header("x-partner-key", key).body(Body::empty()).unwrap();
    assert_eq!(text(app.clone().oneshot(partner("admin-1")).await.unwrap()).await, "1");
    assert_eq!(app.clone().oneshot(partner("user-2")).await.unwrap().status(), 403);
    let own = app.clone().oneshot(request("/partners", Some("admin-1"))).await.unwrap();
    assert_eq!(own.headers()["www-authenticate"], r#"Bearer realm="partners""#);
    assert_eq!(text(app.oneshot(request("/", Some("admin-1"))).await.unwrap()).await, "1");
    assert_eq!(names.calls(), 2, "both share one cache");
}
