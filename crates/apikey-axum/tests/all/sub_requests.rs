//! Requests that are made from other requests, and requests that change on their way.

use std::time::Duration;

use apikey_axum::{ApiKey, Authenticator, CredentialSource, MaybeApiKey, Policy};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tower::ServiceExt as _;

use crate::world::{Names, request, text};

const MISSING: &str = r#"{"error":"No authorization header","code":"MISSING_KEY"}"#;
const INVALID: &str = r#"{"error":"Invalid API key","code":"INVALID_KEY"}"#;

fn removing(names: &Names, cache_seconds: u64) -> Authenticator {
    let builder = Authenticator::builder(names.clone()).remove_credential(true);
    builder.cache_time_to_live(Duration::from_secs(cache_seconds)).build().unwrap()
}

/// Returns the caller, and what the handler can see of the credential.
async fn who(key: MaybeApiKey, headers: HeaderMap, uri: Uri) -> String {
    let seen = if headers.contains_key("authorization") { "seen" } else { "unseen" };
    let query = uri.query().unwrap_or_default();
    format!("{} {seen} {query}", key.key().map_or("nobody", |key| key.key_id()))
}

fn whose(keys: &Authenticator) -> Router {
    Router::new()
        .route("/who", get(who))
        .route("/layered", get(who).route_layer(keys.require(Policy::any_key())))
        .with_state(keys.clone())
}

/// The response to a sub-request that presents what `X-Then` says. A layer has let the outer request in.
fn batch(outer: &Authenticator, inner: &Authenticator, path: &'static str) -> Router {
    async fn one((path, inner): (&'static str, Router), request: Request) -> Response {
        let mut sub_request = Request::builder().uri(path).body(Body::empty()).unwrap();
        *sub_request.extensions_mut() = request.extensions().clone();
        present(sub_request.headers_mut(), request.headers().get("x-then"));
        inner.oneshot(sub_request).await.into_response()
    }
    let inner = whose(inner);
    let handler = move |request: Request| one((path, inner), request);
    Router::new().route("/", get(handler)).route_layer(outer.require(Policy::any_key()))
}

fn present(headers: &mut HeaderMap, value: Option<&HeaderValue>) {
    match value {
        Some(value) => headers.insert(header::AUTHORIZATION, value.clone()),
        None => headers.remove(header::AUTHORIZATION),
    };
}

/// From here on, the request presents something else.
async fn change(mut request: Request, next: Next) -> Response {
    let then = request.headers().get("x-then").cloned();
    present(request.headers_mut(), then.as_ref());
    next.run(request).await
}

/// Sends a request with `user-1`. Everything after it presents `then`.
async fn ask(app: &Router, then: Option<&str>) -> String {
    let mut request = request("/", Some("user-1"));
    if let Some(then) = then {
        request.headers_mut().insert("x-then", then.parse().unwrap());
    }
    text(app.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn a_sub_request_without_a_key_is_anonymous_after_a_removal() {
    for cache_seconds in [0, 60] {
        let keys = removing(&Names::default(), cache_seconds);
        let (open, layered) = (batch(&keys, &keys, "/who"), batch(&keys, &keys, "/layered"));
        for _ in ["cold", "warm"] {
            assert_eq!(ask(&open, None).await, "nobody unseen ");
            assert_eq!(ask(&layered, None).await, MISSING);
            for path in [&open, &layered] {
                assert_eq!(ask(path, Some("Bearer user-1")).await, "1 unseen ");
                assert_eq!(ask(path, Some("Bearer user-2")).await, "2 unseen ");
                assert_eq!(ask(path, Some("Bearer nobody")).await, INVALID);
            }
        }
    }
}

#[tokio::test]
async fn a_key_in_the_query_of_a_sub_request_is_its_own() {
    let source = CredentialSource::insecure_query_parameter("key");
    for remove in [false, true] {
        let builder = Authenticator::builder(Names::default()).remove_credential(remove);
        let keys: Authenticator =
            builder.credential_sources([CredentialSource::bearer(), source.clone()]).build().unwrap();
        for path in ["/who?key=user-2", "/layered?key=user-2", "/who?a=1&k%65y=user%2D3"] {
            let answer = ask(&batch(&keys, &keys, path), None).await;
            let id = if path.contains("key=user-2") { "2" } else { "3" };
            assert!(answer.starts_with(&format!("{id} unseen")), "{path} {answer}");
            assert!(!(remove && answer.contains("user")), "{path} {answer}");
        }
        assert_eq!(ask(&batch(&keys, &keys, "/who?key=nobody"), None).await, INVALID);
    }
}

#[tokio::test]
async fn a_sub_request_after_a_purge_is_asked_about_anew() {
    for remove in [false, true] {
        let names = Names::default();
        let keys = if remove { removing(&names, 60) } else { names.authenticator(60) };
        let purge = async |State(keys): State<Authenticator>, request: Request, next: Next| {
            keys.remove("user-1").unwrap();
            next.run(request).await
        };
        let app = batch(&keys, &keys, "/who").route_layer(from_fn_with_state(keys.clone(), purge));
        let app = app.route_layer(keys.require(Policy::any_key()));
        assert!(ask(&app, Some("Bearer user-1")).await.starts_with("1 "));
        assert_eq!(names.calls(), 2, "one before the purge, and one after it");
    }
}

#[tokio::test]
async fn another_authenticator_judges_a_sub_request_by_itself() {
    for (outer_removes, inner_removes) in [(false, false), (false, true), (true, false), (true, true)] {
        let (outer_names, inner_names) = (Names::default(), Names::default());
        let make = |names: &Names, removes| if removes { removing(names, 0) } else { names.authenticator(0) };
        let (outer, inner) = (make(&outer_names, outer_removes), make(&inner_names, inner_removes));
        let app = batch(&outer, &inner, "/layered");
        assert_eq!(ask(&app, None).await, MISSING);
        assert_eq!((outer_names.calls(), inner_names.calls()), (1, 0));
        assert!(ask(&app, Some("Bearer user-2")).await.starts_with("2 "));
        assert_eq!((outer_names.calls(), inner_names.calls()), (2, 1));
    }
}

#[tokio::test]
async fn a_key_that_changes_between_two_looks_is_judged_anew() {
    for cache_seconds in [0, 60] {
        let keys = Names::default().authenticator(cache_seconds);
        let app = |route| {
            let changing = Router::new().route("/", route).route_layer(from_fn(change));
            changing.route_layer(keys.require(Policy::any_key())).with_state(keys.clone())
        };
        let app = [app(get(who)), app(get(who).route_layer(keys.require(Policy::any_key())))];
        for _ in ["cold", "warm"] {
            for app in &app {
                assert_eq!(ask(app, Some("Bearer user-1")).await, "1 seen ");
                assert_eq!(ask(app, Some("Bearer user-2")).await, "2 seen ");
                assert_eq!(ask(app, Some("Bearer nobody")).await, INVALID);
                assert!(ask(app, Some("user-1")).await.contains("INVALID_FORMAT"));
            }
            assert_eq!(ask(&app[0], None).await, "nobody unseen ");
            assert_eq!(ask(&app[1], None).await, MISSING);
        }
    }
}

#[tokio::test]
async fn a_key_put_in_after_the_removal_is_judged_and_removed_too() {
    for cache_seconds in [0, 60] {
        let keys = removing(&Names::default(), cache_seconds);
        let app = Router::new().route("/", get(who)).route_layer(from_fn(change));
        let app = app.route_layer(keys.require(Policy::any_key())).with_state(keys.clone());
        for _ in ["cold", "warm"] {
            assert_eq!(ask(&app, Some("Bearer user-1")).await, "1 unseen ");
            assert_eq!(ask(&app, Some("Bearer user-2")).await, "2 unseen ");
            assert_eq!(ask(&app, Some("Bearer nobody")).await, INVALID);
            assert!(ask(&app, Some("user-1")).await.contains("INVALID_FORMAT"));
            // It is still the same request. Its key was taken out.
            assert_eq!(ask(&app, None).await, "1 unseen ");
        }
    }
}

#[tokio::test]
async fn a_sub_request_of_a_sub_request_is_judged_by_itself() {
    let keys = removing(&Names::default(), 0);
    let middle = batch(&keys, &keys, "/who");
    let handler = move |request: Request| async move {
        let mut sub_request = Request::builder().uri("/").body(Body::empty()).unwrap();
        *sub_request.extensions_mut() = request.extensions().clone();
        sub_request.headers_mut().insert("authorization", "Bearer user-2".parse().unwrap());
        present(sub_request.headers_mut(), request.headers().get("x-middle"));
        if let Some(then) = request.headers().get("x-then") {
            sub_request.headers_mut().insert("x-then", then.clone());
        }
        middle.oneshot(sub_request).await.into_response()
    };
    let app = Router::new().route("/", get(handler)).route_layer(keys.require(Policy::any_key()));
    let mut request = request("/", Some("user-1"));
    request.headers_mut().insert("x-middle", "Bearer user-2".parse().unwrap());
    assert_eq!(text(app.clone().oneshot(request).await.unwrap()).await, "nobody unseen ");
    assert_eq!(ask(&app, Some("Bearer user-3")).await, MISSING);
}

#[tokio::test]
async fn extensions_that_are_moved_count_for_the_same_key_alone() {
    let keys = Names::default().authenticator(0);
    let inner = Router::new().route("/who", get(async |key: ApiKey| key.key_id().to_owned()));
    let inner = inner.with_state(keys.clone());
    let handler = move |mut request: Request| async move {
        let mut sub_request = Request::builder().uri("/who").body(Body::empty()).unwrap();
        *sub_request.extensions_mut() = std::mem::take(request.extensions_mut());
        present(sub_request.headers_mut(), request.headers().get("x-then"));
        inner.oneshot(sub_request).await.into_response()
    };
    let app = Router::new().route("/", get(handler)).route_layer(keys.require(Policy::any_key()));
    assert_eq!(ask(&app, Some("Bearer user-1")).await, "1");
    assert_eq!(ask(&app, Some("Bearer user-2")).await, "2");
    assert_eq!(ask(&app, Some("Bearer nobody")).await, INVALID);
    assert_eq!(ask(&app, None).await, MISSING);
}
