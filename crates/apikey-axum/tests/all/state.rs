use apikey_axum::{ApiKey, Authenticator, MaybeApiKey, Policy, Rejection, Scoped, scopes};
use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower::ServiceExt as _;

use crate::world::{Names, request, text};

scopes! { Admin = "admin"; }

#[derive(Clone, FromRef)]
struct AppState {
    keys: Authenticator,
    greeting: &'static str,
}

#[tokio::test]
async fn the_users_own_state_stands_beside_the_authenticator() {
    let keys = Names::default().authenticator(60);
    let greet = |State(greeting): State<&'static str>, key: ApiKey| async move {
        format!("{greeting} {}", key.key_id())
    };
    let app = Router::new().route("/", get(greet)).with_state(AppState { keys, greeting: "hello" });
    let response = app.oneshot(request("/", Some("user-7"))).await.unwrap();
    assert_eq!(text(response).await, "hello 7");
}

#[tokio::test]
async fn the_authenticator_alone_is_a_state() {
    let keys = Names::default().authenticator(60);
    let app = Router::new().route("/", get(|key: ApiKey| async move { key.into_key().key_id().to_owned() }));
    let response = app.with_state(keys).oneshot(request("/", Some("user-7"))).await.unwrap();
    assert_eq!(text(response).await, "7");
}

#[tokio::test]
async fn a_handler_may_word_the_refusal_itself() {
    async fn handler(key: Result<ApiKey, Rejection>) -> Response {
        match key {
            Ok(key) => key.key_id().to_owned().into_response(),
            Err(rejection) => (StatusCode::IM_A_TEAPOT, rejection.denial().code().as_str()).into_response(),
        }
    }
    let app = Router::new().route("/", get(handler)).with_state(Names::default().authenticator(60));
    let response = app.oneshot(request("/", None)).await.unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(text(response).await, "MISSING_KEY");
}

#[tokio::test]
async fn an_optional_extractor_lets_nothing_bad_through() {
    async fn handler(one: Option<ApiKey>, two: MaybeApiKey, three: Option<Scoped<Admin>>) -> String {
        format!("{} {} {}", one.is_some(), two.key().is_some(), three.is_some())
    }
    let app = Router::new().route("/", get(handler)).with_state(Names::default().authenticator(60));
    for (key, status, body) in [
        (None, 200, "false false false"),
        (Some("admin-1"), 200, "true true true"),
        (Some("user-1"), 403, "INSUFFICIENT_SCOPE"),
        (Some("nobody"), 401, "INVALID_KEY"),
        (Some("two words"), 401, "INVALID_FORMAT"),
    ] {
        let response = app.clone().oneshot(request("/", key)).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(text(response).await.contains(body), "{key:?}");
    }
}

#[tokio::test]
async fn one_authenticators_word_never_counts_for_another() {
    let (outer, inner) = (Names::default(), Names::default());
    let app = Router::new()
        .route("/", get(|key: ApiKey| async move { key.key_id().to_owned() }))
        .route_layer(outer.authenticator(0).require(Policy::any_key()))
        .with_state(inner.authenticator(0));
    let response = app.oneshot(request("/", Some("user-1"))).await.unwrap();
    assert_eq!(text(response).await, "1");
    assert_eq!((outer.calls(), inner.calls()), (1, 1));
}

#[tokio::test]
async fn an_unknown_path_asks_nobody() {
    let names = Names::default();
    let keys = names.authenticator(60);
    let app: Router = Router::new()
        .route("/admin", get(|| async { "admin" }))
        .route_layer(keys.require(Policy::all(["admin"])));
    let response = app.oneshot(request("/elsewhere", Some("admin-1"))).await.unwrap();
    assert_eq!((response.status(), names.calls()), (StatusCode::NOT_FOUND, 0));
}
