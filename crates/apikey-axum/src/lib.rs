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
//! # OpenAPI
//!
//! With the feature `openapi`, `guarded!` documents a route with what its guard asks. These are automatic: `security`, the refusals and the
//! security schemes, read from the handler's signature, from a layer that is named in it, and from the [`Authenticator`].
//! These are not: layers that you add elsewhere, checks inside of a handler, and routes that are not registered with `guarded!`. The module
//! `openapi` has an example.
//!
//! # Recipes
//!
#![doc = include_str!("recipes.md")]
//!
//! # Clients' addresses
//!
//! The authenticator limits verification attempts per client ([`attempt_limit`](AuthenticatorBuilder::attempt_limit)).
//! axum knows its clients' addresses only if you serve the app with
//! `app.into_make_service_with_connect_info::<std::net::SocketAddr>()`. In tests, axum's layer `MockConnectInfo` stands in
//! for that. If there is no address, the authenticator limits nobody, and the log says so once. Behind a proxy, set
//! [`trusted_proxies`](AuthenticatorBuilder::trusted_proxies), too: otherwise all callers count as one client, the proxy.
//!
//! ## A reverse proxy over a Unix socket
//!
//! A connection over a Unix socket has no address. Trust the word `unix`, and let the proxy name the client in every
//! request. nginx does it with these lines:
//!
//! ```text
//! proxy_pass http://unix:/run/api.sock;
//! proxy_set_header X-Forwarded-For $remote_addr;
//! ```
//!
//! ```ignore-windows
//! use apikey_axum::{ApiKey, Authenticator, TrustedProxies, Verifier};
//! use axum::{Router, routing::get};
//! use std::path::Path;
//! use tokio::net::UnixListener;
//!
//! async fn serve(verifier: impl Verifier, socket: &Path) -> Result<(), Box<dyn std::error::Error>> {
//!     let keys: Authenticator = Authenticator::builder(verifier)
//!         .trusted_proxies(TrustedProxies::parse("unix")?) // TrustedProxies says when that is safe
//!         # .attempt_limit(apikey_axum::AttemptLimit::new(1, std::time::Duration::from_secs(60)))
//!         .build()?;
//!     let app = Router::new().route("/me", get(|key: ApiKey| async move { key.key_id().to_owned() })).with_state(keys);
//!     let _ = std::fs::remove_file(socket); // the last run has left it
//!     axum::serve(UnixListener::bind(socket)?, app).await?;
//!     Ok(())
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! #     use apikey_testkit::raw::{Connection, get};
//! #     let socket = std::env::temp_dir().join(format!("apikey-axum-recipe-{}.sock", std::process::id()));
//! #     let path = socket.clone();
//! #     tokio::spawn(async move { serve(apikey_testkit::FakeVerifier::new(), &path).await.unwrap() });
//! #     for (client, status) in [("192.0.2.1", 401), ("192.0.2.1", 429), ("192.0.2.2", 401)] {
//! #         let stream = loop {
//! #             match tokio::net::UnixStream::connect(&socket).await {
//! #                 Ok(stream) => break stream,
//! #                 Err(_) => tokio::task::yield_now().await,
//! #             }
//! #         };
//! #         let mut proxy = Connection::over(stream);
//! #         let headers = [("Authorization", "Bearer k_live_guess"), ("X-Forwarded-For", client)];
//! #         proxy.send(&get("/me", &headers)).await.unwrap();
//! #         assert_eq!(proxy.read_response(false).await.unwrap().status, status);
//! #     }
//! #     std::fs::remove_file(socket).unwrap();
//! # }
//! ```
//!
//! ## An address that you supply
//!
//! A layer may stand in another server than axum's. tonic's server, for example, records addresses in its own way. Then
//! supply them as a [`PeerAddress`], in a layer in front of [`require`](Authenticator::require):
//!
//! ```
//! use apikey_axum::PeerAddress;
//! # mod tonic { pub mod transport { pub mod server {
//! #     #[derive(Clone)]
//! #     pub struct TcpConnectInfo(pub std::net::SocketAddr);
//! #     impl TcpConnectInfo { pub fn remote_addr(&self) -> Option<std::net::SocketAddr> { Some(self.0) } }
//! # } } }
//! use tonic::transport::server::TcpConnectInfo;
//!
//! /// `Server::builder().layer(tower::util::MapRequestLayer::new(supply_peer)).layer(keys.require(policy))`
//! fn supply_peer<B>(mut request: http::Request<B>) -> http::Request<B> {
//!     let recorded = request.extensions().get().and_then(TcpConnectInfo::remote_addr);
//!     if let Some(peer) = recorded {
//!         request.extensions_mut().insert(PeerAddress(peer.ip()));
//!     }
//!     request
//! }
//! # fn main() {
//! #     let mut request = http::Request::new(());
//! #     request.extensions_mut().insert(TcpConnectInfo(([192, 0, 2, 1], 4711).into()));
//! #     let supplied = supply_peer(request).extensions().get::<PeerAddress>().copied();
//! #     assert_eq!(supplied, Some(PeerAddress([192, 0, 2, 1].into())));
//! # }
//! ```
//!
//! # Limits
//!
//! - [`remove_credential`](AuthenticatorBuilder::remove_credential) takes the key out before the next extractor runs. In
//!   `async fn handler(headers: HeaderMap, key: ApiKey)` the first one still shows it. Put the key first, or protect the
//!   route with [`require`](Authenticator::require), which runs before all extractors.
//! - A client that sends its whole body before it reads sees a broken pipe if an extractor refuses its upload. Add the
//!   layer [`read_refused_uploads`](Authenticator::read_refused_uploads). `require` needs no help. Larger uploads than
//!   [`refused_uploads`](AuthenticatorBuilder::refused_uploads) allows see the broken pipe.
//! - An [`Observer`] hears the route from extractors and from layers of a router or a route. A layer around a whole router,
//!   such as `keys.require(policy).layer(router)`, decides before axum has found the route, so it tells none.
//! - In the reply to a WebSocket, name the protocol `apikey` alone, as above. An extractor that runs before the key's still sees the
//!   key among the protocols.
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
#[cfg(feature = "openapi")]
pub mod openapi;
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
