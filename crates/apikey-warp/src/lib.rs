//! Protect a warp API with API keys that [Kinde](https://kinde.com) issues: one value built once, and filters by policy or
//! by type.
//!
//! ```no_run
//! use apikey_warp::{ApiKey, Authenticator, MaybeApiKey, Policy, Scoped};
//! use apikey_warp::{answer_refusals, api_key, optional_api_key, scoped, scopes};
//! use warp::Filter;
//!
//! scopes! { pub ReadUsers = "read:users"; pub WriteUsers = "write:users"; } // checked at compile time
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     tracing_subscriber::fmt::init(); // without a subscriber nobody sees the log
//!     let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
//!
//!     let me = warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key())).then(me);
//!     let users = warp::path!("users");
//!     let list = users.and(warp::get()).and(scoped::<ReadUsers>(&keys)).then(list);
//!     let create = users.and(warp::post()).and(scoped::<(ReadUsers, WriteUsers)>(&keys)).then(create);
//!     let public = warp::path!("public").and(warp::get()).and(optional_api_key(&keys)).then(public);
//!
//!     let routes = answer_refusals(&keys, me.or(list).or(create).or(public));
//!     warp::serve(routes).run(([127, 0, 0, 1], 3000)).await;
//!     Ok(())
//! }
//!
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//! async fn list(_: Scoped<ReadUsers>) -> &'static str { "users" }
//! async fn create(_: Scoped<(ReadUsers, WriteUsers)>) -> &'static str { "created" }
//! async fn public(key: MaybeApiKey) -> &'static str { if key.key().is_some() { "hello again" } else { "hello" } }
//! ```
//!
//! ```toml
//! [dependencies]
//! apikey-warp = { path = "…" } # not on a registry yet
//! warp = { version = "0.4", features = ["server"] } # and `test` for tests
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! tracing-subscriber = "0.3" # or another subscriber: the log says what to change
//! ```
//!
//! # Decisions
//!
//! Filters decide nothing. The core decides, in the same way for every framework. Nobody can make a filter without an
//! [`Authenticator`], so no route can lack one.
//!
//! - Put path and method before the key filter. Otherwise a request looks up its key in every branch of `.or` that it
//!   reaches, and not only in the branch that it is meant for.
//! - Put [`answer_refusals`] around all routes. If you forget it, warp answers a refused request with a 500 that names the
//!   denial's code. That lets nobody in, but clients can't tell what is wrong.
//! - If several branches of `.or` refuse a request, [`recover()`] says which refusal the client sees. A 404 or 405 of
//!   another branch never hides a denial. But a branch that answers does: see the recipe "A fallback".
//! - Several key filters on one request verify its key one by one. With [`per_request()`] they verify it once.
//!
//! # What a refusal looks like
//!
//! [`DenialCode`] has the table: status, stable code, message. [`Denied`] is the reply. The response carries the
//! [`Denial`] in its extensions: a service around the routes finds it with `response.extensions().get::<Denial>()`.
//!
//! A gRPC request gets its refusal as `grpc-status` and `grpc-message`. To word bodies yourself, see
//! [`denial_renderer`](AuthenticatorBuilder::denial_renderer).
//!
//! # OpenAPI
//!
//! With the feature `openapi`, `guarded!` documents a route with what its guard asks. These are automatic: `security`, the refusals and the
//! security schemes, read from the handler's signature, from a policy that is named in it, and from the [`Authenticator`].
//! These are not: method and path, which stand in the filter and in utoipa's attribute, filters that you put in front elsewhere, checks
//! inside of a handler, and routes that you don't list. The module `openapi` has an example.
//!
//! # Recipes
//!
#![doc = include_str!("recipes.md")]
//!
//! # Clients' addresses
//!
//! The authenticator limits verification attempts per client ([`attempt_limit`](AuthenticatorBuilder::attempt_limit)).
//! `warp::serve` knows its clients' addresses. A service that hyper serves does not: tell it each connection's address
//! with [`PerRequest::with_peer`]. In tests, `RequestBuilder::remote_addr` stands in for that. If there is no address, the
//! authenticator limits nobody, and the log says so once. Behind a proxy, set
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
//! use apikey_warp::{ApiKey, Authenticator, Policy, TrustedProxies, Verifier, api_key, recover};
//! use std::path::Path;
//! use tokio::net::UnixListener;
//! use warp::Filter;
//!
//! async fn serve(verifier: impl Verifier, socket: &Path) -> Result<(), Box<dyn std::error::Error>> {
//!     let keys = Authenticator::builder(verifier)
//!         .trusted_proxies(TrustedProxies::parse("unix")?) // TrustedProxies says when that is safe
//!         # .attempt_limit(apikey_warp::AttemptLimit::new(1, std::time::Duration::from_secs(60)))
//!         .build()?;
//!     let me = warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key()));
//!     let me = me.map(|key: ApiKey| key.key_id().to_owned()).recover(recover);
//!     let _ = std::fs::remove_file(socket); // the last run has left it
//!     warp::serve(me).incoming(UnixListener::bind(socket)?).run().await;
//!     Ok(())
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! #     use apikey_testkit::raw::{Connection, get};
//! #     let socket = std::env::temp_dir().join(format!("apikey-warp-recipe-{}.sock", std::process::id()));
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
//! If other code knows the address, it supplies it as a [`PeerAddress`] in the request's extensions. A filter can't do that,
//! but every service in front of the filters can:
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, PeerAddress, Policy, api_key, recover};
//! use std::net::IpAddr;
//! use warp::Filter;
//! use warp::http::Request;
//!
//! /// For a layer around `warp::service(routes)`, such as `tower::util::MapRequestLayer::new(...)`.
//! fn supply_peer<B>(mut request: Request<B>, peer: IpAddr) -> Request<B> {
//!     request.extensions_mut().insert(PeerAddress(peer));
//!     request
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! #     use tower_service::Service as _;
//! #     let limit = apikey_warp::AttemptLimit::new(1, std::time::Duration::from_secs(60));
//! #     let keys = Authenticator::builder(apikey_testkit::FakeVerifier::new()).attempt_limit(limit).build().unwrap();
//! #     let me = api_key(&keys, Policy::any_key()).map(|key: ApiKey| key.key_id().to_owned()).recover(recover);
//! #     let mut service = warp::service(me);
//! #     for (peer, status) in [(1, 401), (1, 429), (2, 401)] {
//! #         let request = Request::builder().header("authorization", "Bearer k_live_guess").body(String::new()).unwrap();
//! #         let request = supply_peer(request, [192, 0, 2, peer].into());
//! #         assert_eq!(service.call(request).await.unwrap().status(), status);
//! #     }
//! # }
//! ```
//!
//! # Limits
//!
//! - A function that returns a filter takes the [`Authenticator`] by value, as above, because `impl Filter` would borrow from
//!   a reference and warp serves only what borrows nothing. Clones are cheap.
//! - Filters hand the key on by extraction, because warp lets no filter write to a request. If a service around the routes
//!   needs the key, for example an access log, the route can put it into its response:
//!   `response.extensions_mut().insert(key.into_key())`.
//! - An authenticator with [`remove_credential`](AuthenticatorBuilder::remove_credential) needs [`per_request()`], and so does one
//!   with [`web_socket_protocol`](CredentialSource::web_socket_protocol). Without it, every request that asks for a key gets a
//!   500, and the log says what to change.
//! - An [`Observer`] hears no route ([`DecisionRecord::route`] is `None`), because warp matches filters and has no templates of
//!   routes. It hears the policy.
//! - If several branches of `.or` ask about one request, an [`Observer`] hears each of these decisions, and
//!   [`Statistics`] count each.
//! - `warp::ws()` names no protocol in its reply. So a route whose clients offer protocols sets that header, as above.
//! - A client that sends its whole body before it reads sees a broken pipe instead of its refusal, if a filter for the body
//!   stands before the key filter, if you use `.recover(recover)` in place of [`answer_refusals`], or if the upload is larger
//!   than [`refused_uploads`](AuthenticatorBuilder::refused_uploads) allows.
//! - Each key filter copies the request's headers, because warp shows a filter all values of a name in no other way. It copies
//!   the query, too, if a key may stand in it.
//! - A route that has accepted a key may still reject, for example because of the body. If a later branch of `.or` then
//!   denies, the client sees that denial. To avoid it, let the branches differ in path or method, or put `.recover` on the
//!   single route.
//! - `HEAD` is a method of its own in warp: `warp::get().or(warp::head()).unify()` answers both.

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

mod filters;
mod key;
mod memo;
#[cfg(feature = "openapi")]
pub mod openapi;
mod per_request;
mod refusals;
mod rejection;
mod request;

pub use apikey_core::application::*;
pub use filters::{api_key, optional_api_key, preflight, require, scoped};
pub use key::{ApiKey, MaybeApiKey, Scoped};
pub use per_request::{PerRequest, per_request};
pub use refusals::answer_refusals;
pub use rejection::{Denied, recover};
