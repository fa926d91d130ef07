//! Protect an axum API with API keys that [Kinde](https://kinde.com) issues: one value built once, extractors by type,
//! and a layer by policy.
//!
//! ```no_run
//! use apikey_axum::{ApiKey, Authenticator, MaybeApiKey, Policy, Scoped, scopes};
//! use axum::extract::FromRef;
//! use axum::{Router, routing::get};
//!
//! scopes! { pub ReadUsers = "read:users"; pub WriteUsers = "write:users"; } // checked at compile time
//!
//! #[derive(Clone, FromRef)]
//! struct AppState {
//!     keys: Authenticator, // your own state goes beside it
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     tracing_subscriber::fmt::init(); // without a subscriber nobody sees the log
//!     let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
//!     let app: Router = Router::new()
//!         .route("/me", get(me))
//!         .route("/users", get(list).post(create))
//!         .route("/public", get(public))
//!         .route("/admin", get(admin).route_layer(keys.require(Policy::all(["admin"]))))
//!         .with_state(AppState { keys });
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     // Attempts are counted per client, so the server must know its clients' addresses.
//!     axum::serve(listener, app.into_make_service_with_connect_info::<std::net::SocketAddr>()).await?;
//!     Ok(())
//! }
//!
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//! async fn list(_: Scoped<ReadUsers>) -> &'static str { "users" }
//! async fn create(_: Scoped<(ReadUsers, WriteUsers)>) -> &'static str { "created" }
//! async fn public(key: MaybeApiKey) -> &'static str { if key.key().is_some() { "hello again" } else { "hello" } }
//! async fn admin() -> &'static str { "for administrators" }
//! ```
//!
//! ```toml
//! [dependencies]
//! apikey-axum = { path = "…" } # not on a registry yet
//! axum = { version = "0.8", features = ["macros"] } # for `FromRef`
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
//! tracing-subscriber = "0.3" # or another subscriber: the log says what to change
//! ```
//!
//! # Decisions
//!
//! Extractors and layers decide nothing. The core decides, in the same way for every framework. An extractor without
//! an [`Authenticator`] in the router's state does not compile. A layer and the extractors of one authenticator
//! verify a request once.
//!
//! A request that [`require`](Authenticator::require) lets in carries its [`VerifiedKey`] in its extensions.
//! Handlers, inner layers and an access log find it there: `Extension<VerifiedKey>`, or
//! `request.extensions().get::<VerifiedKey>()`. An extractor does not put it there.
//!
//! # What a refusal looks like
//!
//! [`DenialCode`] has the table: status, stable code, message. [`Rejection`] is the response. A layer answers with
//! it, too, so layers outside of it see the refusal like any other response.
//!
//! # Recipes
//!
//! ## Your own state
//!
//! Derive `FromRef`, as above. If you need no other state, the authenticator can be the state itself:
//!
//! ```
//! use apikey_axum::{ApiKey, Authenticator};
//! use axum::{Router, routing::get};
//!
//! fn app(keys: Authenticator) -> Router {
//!     Router::new().route("/me", get(|key: ApiKey| async move { key.key_id().to_owned() })).with_state(keys)
//! }
//! ```
//!
//! ## A group of routes, and a route for one organization
//!
//! ```
//! use apikey_axum::{Authenticator, Policy};
//! use axum::{Router, routing::get};
//!
//! fn app(keys: &Authenticator) -> Router {
//!     let admin = Router::new()
//!         .route("/users", get(|| async { "all users" }))
//!         .route("/keys", get(|| async { "all keys" }))
//!         .route_layer(keys.require(Policy::all(["admin"])));
//!     let acme = get(|| async { "for Acme" }).route_layer(keys.require(Policy::organization("org_acme")));
//!     Router::new().nest("/admin", admin).route("/acme", acme)
//! }
//! ```
//!
//! ## An optional key, and an error body of your own
//!
//! ```
//! use apikey_axum::{ApiKey, MaybeApiKey, Rejection};
//! use axum::response::{Html, IntoResponse, Response};
//!
//! async fn greet(key: MaybeApiKey) -> &'static str {
//!     if key.key().is_some() { "hello again" } else { "hello" }
//! }
//!
//! async fn me(key: Result<ApiKey, Rejection>) -> Response {
//!     match key {
//!         Ok(key) => key.key_id().to_owned().into_response(),
//!         Err(rejection) if rejection.denial().status() == 401 => Html("<p>Who are you?").into_response(),
//!         Err(rejection) => rejection.into_response(),
//!     }
//! }
//! ```
//!
//! ## Revoke a key
//!
//! Revoke the key in Kinde. A process that has cached the key still lets it in until the cached answer expires: after
//! five minutes, unless [`cache_time_to_live`](AuthenticatorBuilder::cache_time_to_live) says otherwise. To end that
//! at once, tell each process to forget the key. `remove_user`, `remove_organization` and `clear` forget more.
//!
//! ```
//! use apikey_axum::{Authenticator, Scoped, scopes};
//! use axum::extract::{Path, State};
//! use axum::http::StatusCode;
//!
//! scopes! { Admin = "admin"; }
//!
//! async fn forget(State(keys): State<Authenticator>, _: Scoped<Admin>, Path(key_id): Path<String>) -> StatusCode {
//!     keys.remove_key_id(&key_id); // the next request with that key asks Kinde
//!     StatusCode::NO_CONTENT
//! }
//! # let app: axum::Router<Authenticator> = axum::Router::new().route("/keys/{id}", axum::routing::delete(forget));
//! ```
//!
//! ## Test a handler without any network
//!
//! With `apikey-testkit` and `tower` (feature `util`) among the dev-dependencies:
//!
//! ```
//! use apikey_axum::{ApiKey, Authenticator, Verification};
//! use apikey_testkit::FakeVerifier;
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use tower::ServiceExt as _;
//!
//! #[tokio::main(flavor = "current_thread")] // or `#[tokio::test]`
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let fake = FakeVerifier::new().with_key("k_live_reader", Verification::active("api_key_1"));
//!     let keys: Authenticator = Authenticator::builder(fake).build()?;
//!     let me = |key: ApiKey| async move { key.key_id().to_owned() };
//!     let app = Router::new().route("/me", get(me)).with_state(keys);
//!
//!     let request = Request::get("/me").header("authorization", "Bearer k_live_reader").body(Body::empty())?;
//!     assert_eq!(app.clone().oneshot(request).await?.status(), 200);
//!     let anonymous = Request::get("/me").body(Body::empty())?;
//!     assert_eq!(app.oneshot(anonymous).await?.status(), 401);
//!     Ok(())
//! }
//! ```
//!
//! ## CORS
//!
//! Browsers send pre-flights without credentials, so the CORS layer stands outside: add it last. If it must stand
//! inside, see [`RequireLayer::pass_preflight`]. With `tower-http`, feature `cors`:
//!
//! ```
//! use apikey_axum::{Authenticator, Policy};
//! use axum::{Router, routing::get};
//! use tower_http::cors::CorsLayer;
//!
//! fn app(keys: &Authenticator) -> Router {
//!     Router::new()
//!         .route("/users", get(|| async { "users" }))
//!         .route_layer(keys.require(Policy::all(["read:users"])))
//!         .layer(CorsLayer::permissive())
//! }
//! ```
//!
//! # Clients' addresses
//!
//! The authenticator limits verification attempts per client ([`attempt_limit`](AuthenticatorBuilder::attempt_limit)).
//! axum knows its clients' addresses only if you serve the app with
//! `app.into_make_service_with_connect_info::<std::net::SocketAddr>()`. Otherwise the authenticator limits nobody, and
//! the log says so once. Behind a proxy, set [`trusted_proxies`](AuthenticatorBuilder::trusted_proxies), too:
//! otherwise all callers count as one client, the proxy.
//!
//! # Limits
//!
//! - [`remove_credential`](AuthenticatorBuilder::remove_credential) changes the request's headers and URI. axum's own
//!   `OriginalUri` keeps the URI as it came in, with a key in its query. So let callers present the key in a header.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::string_slice
    )
)]

mod authenticator;
mod extract;
mod memo;
mod rejection;
mod request;
mod require;
mod uploads;

pub use apikey_core::application::*;
pub use authenticator::Authenticator;
pub use extract::{ApiKey, MaybeApiKey, Scoped};
pub use rejection::Rejection;
pub use require::{Require, RequireLayer, ResponseFuture};
pub use uploads::{ReadRefusedUploads, ReadRefusedUploadsFuture, ReadRefusedUploadsService};

/// The README's example is compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
