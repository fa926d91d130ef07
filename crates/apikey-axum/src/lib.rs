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
//! it, too, so layers outside of it see the refusal like any other response. The response carries the [`Denial`] in its
//! extensions: `response.extensions().get::<Denial>()`.
//!
//! A gRPC request gets its refusal as `grpc-status` and `grpc-message`. To word bodies yourself, see
//! [`denial_renderer`](AuthenticatorBuilder::denial_renderer).
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
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     check(app, "/me", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! #     check(app, "/me", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 api_key_reader");
//! # }
//! ```
//!
//! ## A group of routes, and a route for one organization
//!
//! ```
//! use apikey_axum::{Authenticator, Policy};
//! use axum::{Router, routing::get};
//!
//! fn app(keys: Authenticator) -> Router {
//!     let admin = Router::new()
//!         .route("/users", get(|| async { "all users" }))
//!         .route("/keys", get(|| async { "all keys" }))
//!         .route_layer(keys.require(Policy::all(["admin"])));
//!     let acme = get(|| async { "for Acme" }).route_layer(keys.require(Policy::organization("org_acme")));
//!     Router::new().nest("/admin", admin).route("/acme", acme)
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     check(app, "/admin/users", &[("authorization", "Bearer k_admin")], "200 text/plain; charset=utf-8 all users");
//! #     check(app, "/admin/keys", &[("authorization", "Bearer k_reader")], "403 application/json {\"error\":\"Insufficient scope. Required: admin\",\"code\":\"INSUFFICIENT_SCOPE\",\"required_scopes\":[\"admin\"],\"available_scopes\":[\"read:users\"]}");
//! #     check(app, "/acme", &[("authorization", "Bearer k_acme")], "200 text/plain; charset=utf-8 for Acme");
//! #     check(app, "/acme", &[("authorization", "Bearer k_globex")], "403 application/json {\"error\":\"API key belongs to another organization\",\"code\":\"ORGANIZATION_MISMATCH\"}");
//! # }
//! ```
//!
//! `route_layer` protects routes, and not the fallback. To protect it, too, use `layer`. Then a request for an unknown
//! path is also verified:
//!
//! ```
//! use apikey_axum::{Authenticator, Policy};
//! use axum::{Router, routing::get};
//!
//! fn app(keys: Authenticator) -> Router {
//!     Router::new()
//!         .route("/users", get(|| async { "all users" }))
//!         .fallback(|| async { "some other page" })
//!         .layer(keys.require(Policy::any_key()))
//! }
//! # fn open(keys: Authenticator) -> Router {
//! #     Router::new().route("/users", get(|| async { "" })).fallback(|| async { "some other page" })
//! #         .route_layer(keys.require(Policy::any_key()))
//! # }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     check(app, "/other", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! #     check(app, "/other", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 some other page");
//! #     check(open, "/other", &[], "200 text/plain; charset=utf-8 some other page");
//! # }
//! ```
//!
//! ## An organization in the path
//!
//! ```
//! use apikey_axum::{ApiKey, Authenticator, Policy, Rejection};
//! use axum::extract::{Path, State};
//! use axum::{Router, routing::get};
//!
//! async fn tickets(
//!     State(keys): State<Authenticator>,
//!     key: ApiKey,
//!     Path(organization): Path<String>,
//! ) -> Result<String, Rejection> {
//!     keys.authorize(&key, &Policy::organization(organization.clone()))?; // 403 ORGANIZATION_MISMATCH
//!     Ok(format!("tickets of {organization}"))
//! }
//!
//! fn app(keys: Authenticator) -> Router {
//!     Router::new().route("/organizations/{organization}/tickets", get(tickets)).with_state(keys)
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let path = "/organizations/org_acme/tickets";
//! #     check(app, path, &[("authorization", "Bearer k_acme")], "200 text/plain; charset=utf-8 tickets of org_acme");
//! #     check(app, path, &[("authorization", "Bearer k_globex")], "403 application/json {\"error\":\"API key belongs to another organization\",\"code\":\"ORGANIZATION_MISMATCH\"}");
//! #     check(app, path, &[("authorization", "Bearer k_reader")], "403 application/json {\"error\":\"An organization API key is required\",\"code\":\"ORGANIZATION_KEY_REQUIRED\"}");
//! # }
//! ```
//!
//! ## An optional key, and an error body of your own
//!
//! [`MaybeApiKey`] lets a request without a key pass. One function words the bodies of all refusals, those of extractors
//! and those of groups. Status and headers stay:
//!
//! ```
//! use apikey_axum::{Audience, Authenticator, AuthenticatorBuilder, ConfigError, Denial, DenialBody, MaybeApiKey};
//! use axum::{Router, routing::get};
//!
//! fn page(denial: &Denial, audience: &Audience) -> DenialBody {
//!     if audience.accept().is_some_and(|accept| accept.contains("text/html")) {
//!         DenialBody::new("text/html; charset=utf-8", format!("<h1>{}</h1>", denial.code()))
//!     } else {
//!         denial.default_body()
//!     }
//! }
//!
//! fn keys(builder: AuthenticatorBuilder<Authenticator>) -> Result<Authenticator, ConfigError> {
//!     builder.denial_renderer(page).build()
//! }
//!
//! async fn greet(key: MaybeApiKey) -> &'static str {
//!     if key.key().is_some() { "hello again" } else { "hello" }
//! }
//! # fn app(_: Authenticator) -> Router {
//! #     let keys = keys(Authenticator::builder(fake())).unwrap();
//! #     Router::new().route("/", get(greet)).with_state(keys)
//! # }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let html = ("accept", "text/html,*/*");
//! #     check(app, "/", &[html], "200 text/plain; charset=utf-8 hello");
//! #     check(app, "/", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 hello again");
//! #     check(app, "/", &[("authorization", "Bearer bad"), html], "401 text/html; charset=utf-8 <h1>INVALID_KEY</h1>");
//! #     check(app, "/", &[("authorization", "Bearer bad")], "401 application/json {\"error\":\"Invalid API key\",\"code\":\"INVALID_KEY\"}");
//! # }
//! ```
//!
//! ## Who called
//!
//! Each decision records `apikey.outcome`, `apikey.code` and `apikey.key_id` in the current span, if the span declares
//! them. With `tower-http`, feature `trace`, every line of the request then names its key:
//!
//! ```
//! use apikey_axum::{ApiKey, Authenticator};
//! use axum::{Router, extract::Request, routing::get};
//! use tower_http::trace::TraceLayer;
//! use tracing::field::Empty;
//!
//! fn app(keys: Authenticator) -> Router {
//!     let span = |request: &Request| {
//!         let path = request.uri().path(); // without the query, which may hold a key
//!         tracing::info_span!("request", path, apikey.outcome = Empty, apikey.code = Empty, apikey.key_id = Empty)
//!     };
//!     Router::new()
//!         .route("/me", get(|key: ApiKey| async move { key.key_id().to_owned() }))
//!         .layer(TraceLayer::new_for_http().make_span_with(span).on_response(log_access))
//!         .with_state(keys)
//! }
//!
//! fn log_access<B>(response: &axum::http::Response<B>, took: std::time::Duration, _: &tracing::Span) {
//!     tracing::info!(status = response.status().as_u16(), ?took, "answered");
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let log = logged(|| {
//! #         check(app, "/me", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 api_key_reader");
//! #         check(app, "/me", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! #     });
//! #     let [accepted, denied] = log.lines().filter(|line| line.contains("answered")).collect::<Vec<_>>()[..] else { panic!("{log}") };
//! #     assert!(accepted.contains("apikey.outcome=\"accepted\" apikey.key_id=\"api_key_reader\"}: "), "{log}");
//! #     assert!(denied.contains("apikey.outcome=\"denied\" apikey.code=\"MISSING_KEY\"}: "), "{log}");
//! # }
//! ```
//!
//! ## Two Kinde businesses in one program
//!
//! Build an authenticator for each, and give each router its own as its state. Each has its own cache and limits.
//!
//! ```
//! use apikey_axum::{ApiKey, Authenticator};
//! use axum::{Router, routing::get};
//!
//! fn app(customers: Authenticator, partners: Authenticator) -> Router {
//!     let me = || get(|key: ApiKey| async move { key.key_id().to_owned() });
//!     Router::new()
//!         .nest("/customers", Router::new().route("/me", me()).with_state(customers))
//!         .nest("/partners", Router::new().route("/me", me()).with_state(partners))
//! }
//! # use apikey_testkit::FakeVerifier;
//! # fn both(customers: Authenticator) -> Router {
//! #     let fake = FakeVerifier::new().with_key("k_partner", apikey_axum::Verification::active("api_key_partner"));
//! #     app(customers, Authenticator::builder(fake).build().unwrap())
//! # }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let refused = "401 application/json {\"error\":\"Invalid API key\",\"code\":\"INVALID_KEY\"}";
//! #     let (reader, partner) = (("authorization", "Bearer k_reader"), ("authorization", "Bearer k_partner"));
//! #     check(both, "/customers/me", &[reader], "200 text/plain; charset=utf-8 api_key_reader");
//! #     check(both, "/customers/me", &[partner], refused);
//! #     check(both, "/partners/me", &[partner], "200 text/plain; charset=utf-8 api_key_partner");
//! #     check(both, "/partners/me", &[reader], refused);
//! # }
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
//! A handler by itself takes a key from [`VerifiedKey::assume_verified`]. For routes, put `apikey-testkit` and `tower`
//! (feature `util`) among the dev-dependencies:
//!
//! ```
//! use apikey_axum::{ApiKey, Authenticator, Verification, VerifiedKey};
//! use apikey_testkit::FakeVerifier;
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use tower::ServiceExt as _;
//!
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//!
//! #[tokio::main(flavor = "current_thread")] // or `#[tokio::test]`
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let key = VerifiedKey::assume_verified(Verification::active("api_key_1"));
//!     assert_eq!(me(key.into()).await, "api_key_1");
//!
//!     let fake = FakeVerifier::new().with_key("k_live_reader", Verification::active("api_key_1"));
//!     let keys: Authenticator = Authenticator::builder(fake).build()?;
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
//! ## A verifier of your own
//!
//! If keys don't come from Kinde, implement [`Verifier`]. The authenticator caches its answers, limits how often one client
//! may cause a call, and bounds the time of each call. If a key was *not* judged, return a [`VerifierError`]: the caller
//! gets a 5xx, and is never told that the key is bad. For a test of what expires, give the builder a [`ManualClock`].
//!
//! ```
//! use apikey_axum::{ApiKey, Authenticator, Verification};
//! use apikey_axum::{Judgement, PresentedKey, Refusal, Verifier, VerifierError, async_trait};
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use tower::ServiceExt as _;
//!
//! struct Directory;
//!
//! impl Directory {
//!     /// Asks your own store of keys.
//!     async fn find(&self, key: &str) -> std::io::Result<Option<Verification>> {
//!         Ok((key == "k_own").then(|| Verification::active("api_key_1").with_scopes(["read:users"])))
//!     }
//! }
//!
//! #[async_trait]
//! impl Verifier for Directory {
//!     async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
//!         let unreachable = |error| VerifierError::outage("the directory can't be reached").with_source(error);
//!         Ok(match self.find(key.expose()).await.map_err(unreachable)? {
//!             Some(key) => Judgement::accepted(key),
//!             None => Judgement::refused(Refusal::Invalid),
//!         })
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let keys: Authenticator = Authenticator::builder(Directory).build()?;
//!     let me = |key: ApiKey| async move { key.key_id().to_owned() };
//!     let app = Router::new().route("/me", get(me)).with_state(keys);
//!     for (key, status) in [("k_own", 200), ("k_unknown", 401)] {
//!         let request = Request::get("/me").header("authorization", format!("Bearer {key}")).body(Body::empty())?;
//!         assert_eq!(app.clone().oneshot(request).await?.status(), status);
//!     }
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
//! ## gRPC with tonic
//!
//! The layer refuses a gRPC request in gRPC's own way: the caller sees a status such as `UNAUTHENTICATED` with the same
//! message, and `retry-after` in its metadata. tonic's `LayerExt` puts the layer around one service. A service without
//! it, such as health checks, stays open. This is code of `examples/grpc`, a whole server with tests:
//!
//! ```ignore
//! Routes::new(keys.require(Policy::any_key()).named_layer(users))
//!     .add_service(keys.require(Policy::scope("admin")).named_layer(administration))
//! ```
//!
//! A method finds the key in the request's extensions. If it asks for more than its layer,
//! [`authorize`](apikey_core::Authenticator::authorize) decides without a call, and
//! [`grpc_status`](DenialCode::grpc_status) is the code of the status:
//!
//! ```ignore
//! let key = request.extensions().get::<VerifiedKey>();
//!
//! keys.authorize(key, policy).map_err(|denial| status(&denial))
//!
//! fn status(denial: &Denial) -> Status {
//!     Status::new(Code::from_i32(denial.code().grpc_status().into()), denial.message())
//! }
//! ```
//!
//! `axum::serve` serves `routes.into_axum_router()` with its clients' addresses, as in the next section. It needs axum's
//! feature `http2`. tonic's own server works, too. It tells an address as `TcpConnectInfo`, so a layer outside of this
//! one must insert it as `ConnectInfo<SocketAddr>`. In a browser, gRPC-Web reads the status from headers: the CORS layer
//! must expose `grpc-status` and `grpc-message`.
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
//! - [`remove_credential`](AuthenticatorBuilder::remove_credential) takes the key out before the next extractor runs. In
//!   `async fn handler(headers: HeaderMap, key: ApiKey)` the first one still shows it. Put the key first, or protect the
//!   route with [`require`](Authenticator::require), which runs before all extractors.
//! - A client that sends its whole body before it reads sees a broken pipe if an extractor refuses its upload. Add the
//!   layer [`read_refused_uploads`](Authenticator::read_refused_uploads). `require` needs no help. Larger uploads than
//!   [`refused_uploads`](AuthenticatorBuilder::refused_uploads) allows see the broken pipe.
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

pub use apikey_core::PeerAddress;
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
