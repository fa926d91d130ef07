//! What the adapter does to the program around it.

use apikey_axum::{ApiKey, Authenticator, Denial, DenialCode, Policy};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use axum::response::Response;
use axum::routing::{any, get};
use tower::ServiceExt as _;
use tower_http::cors::CorsLayer;

use crate::world::{Names, request, text};

async fn ask(app: &Router, request: Request<Body>) -> Response {
    app.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_response_to_a_refused_request_carries_the_denial() {
    let keys = Names::default().authenticator(60);
    let app = Router::new()
        .route("/extractor", get(|_: ApiKey| async {}))
        .route("/layer", get(|| async {}).route_layer(keys.require(Policy::any_key())))
        .with_state(keys);
    for path in ["/extractor", "/layer"] {
        let code = |response: &Response| response.extensions().get::<Denial>().map(Denial::code);
        assert_eq!(code(&ask(&app, request(path, None)).await), Some(DenialCode::MissingKey));
        assert_eq!(code(&ask(&app, request(path, Some("nobody"))).await), Some(DenialCode::InvalidKey));
        assert_eq!(code(&ask(&app, request(path, Some("user-1"))).await), None);
    }
}

fn preflight() -> Request<Body> {
    let request = Request::builder().method(Method::OPTIONS).uri("/").header("origin", "https://a.example");
    request.header("access-control-request-method", "GET").body(Body::empty()).unwrap()
}

/// The warning at `pass_preflight` says so.
#[tokio::test]
async fn a_passed_pre_flight_reaches_a_handler_for_any_method() {
    let keys = Names::default().authenticator(60);
    let require = || keys.require(Policy::any_key());
    let open: Router = Router::new().route("/", any(|| async { "secret" })).layer(require().pass_preflight());
    assert_eq!(text(ask(&open, preflight()).await).await, "secret");
    // The right ways.
    let safe = Router::new().route("/", any(|_: ApiKey| async { "secret" }));
    let safe: Router = safe.with_state(keys.clone()).layer(require().pass_preflight());
    assert_eq!(ask(&safe, preflight()).await.status(), 401);
    let inside: Router = Router::new()
        .route("/", any(|| async { "secret" }))
        .layer(CorsLayer::permissive())
        .layer(require().pass_preflight());
    let outside: Router =
        Router::new().route("/", any(|| async { "secret" })).layer(require()).layer(CorsLayer::permissive());
    for app in [inside, outside] {
        let response = ask(&app, preflight()).await;
        assert_eq!((response.status().as_u16(), text(response).await), (200, String::new()));
    }
}

/// The first page's limits say so.
#[tokio::test]
async fn only_an_extractor_before_the_key_sees_it() {
    let keys: Authenticator =
        Authenticator::builder(Names::default()).remove_credential(true).build().unwrap();
    let shown = |headers: HeaderMap| headers.contains_key("authorization").to_string();
    let app = Router::new()
        .route("/key-first", get(move |_: ApiKey, headers: HeaderMap| async move { shown(headers) }))
        .route("/key-last", get(move |headers: HeaderMap, _: ApiKey| async move { shown(headers) }))
        .route(
            "/layer",
            get(move |headers: HeaderMap, _: ApiKey| async move { shown(headers) })
                .route_layer(keys.require(Policy::any_key())),
        )
        .with_state(keys);
    for (path, is_shown) in [("/key-first", "false"), ("/key-last", "true"), ("/layer", "false")] {
        assert_eq!(text(ask(&app, request(path, Some("user-1"))).await).await, is_shown, "{path}");
    }
}
