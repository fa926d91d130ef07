//! Protect a warp API with API keys that [Kinde](https://kinde.com) issues: one value built once, and filters by policy or
//! by type.
//!
//! ```no_run
//! use apikey_warp::{ApiKey, Authenticator, MaybeApiKey, Policy, Scoped, api_key, optional_api_key, scoped, scopes};
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
//!     let routes = me.or(list).or(create).or(public).recover(apikey_warp::recover);
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
//! - Put [`recover()`] outside of all routes. If you forget it, warp answers a refused request with a 500 that names the
//!   denial's code. That lets nobody in, but clients can't tell what is wrong.
//! - If several branches of `.or` refuse a request, [`denied`] says which refusal the client sees. A 404 or 405 of another
//!   branch never hides a denial.
//! - Several key filters on one request verify its key one by one. With [`per_request()`] they verify it once.
//!
//! # What a refusal looks like
//!
//! [`DenialCode`] has the table: status, stable code, message. [`Denied`] is the reply.
//!
//! # Recipes
//!
//! ## Your own state
//!
//! It goes into a filter beside the key's:
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Policy, api_key};
//! use warp::{Filter, Reply};
//!
//! fn routes(keys: Authenticator, greeting: String) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let state = warp::any().map(move || greeting.clone());
//!     warp::path!("greet")
//!         .and(warp::get())
//!         .and(api_key(&keys, Policy::any_key()))
//!         .and(state)
//!         .map(|key: ApiKey, greeting: String| format!("{greeting}, {}", key.key_id()))
//!         .recover(apikey_warp::recover)
//! }
//! ```
//!
//! ## A group of routes, and a route for one organization
//!
//! The path can name the organization, too. `Authenticator::authorize` asks more of a key that a handler has already.
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Denied, Policy, api_key, require};
//! use warp::{Filter, Rejection, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
//!     let group = warp::path!("users").map(|| "all users").or(warp::path!("keys").map(|| "all keys"));
//!     let admin = warp::path("admin").and(require(&keys, Policy::all(["admin"]))).and(group);
//!     let acme = warp::path!("acme").and(require(&keys, Policy::organization("org_acme"))).map(|| "for Acme");
//!     let any = warp::path!("organizations" / String)
//!         .and(api_key(&keys, Policy::organization_key()))
//!         .and_then(move |code: String, key: ApiKey| {
//!             let authorized = keys.authorize(&key, &Policy::organization(code));
//!             async move { authorized.map(|()| "yours").map_err(|denial| Rejection::from(Denied::from(denial))) }
//!         });
//!     admin.or(acme).or(any).recover(apikey_warp::recover)
//! }
//! ```
//!
//! ## An optional key, and an error body of your own
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Denied, MaybeApiKey, Policy, optional_api_key, try_api_key};
//! use warp::{Filter, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let greet = warp::path!("greet").and(warp::get()).and(optional_api_key(&keys));
//!     let greet = greet.map(|key: MaybeApiKey| if key.key().is_some() { "hello again" } else { "hello" });
//!     let me = warp::path!("me").and(warp::get()).and(try_api_key(&keys, Policy::any_key()));
//!     let me = me.map(|key: Result<ApiKey, Denied>| match key {
//!         Ok(key) => key.key_id().to_owned().into_response(),
//!         Err(denied) if denied.denial().status() == 401 => warp::reply::html("<p>Who are you?").into_response(),
//!         Err(denied) => denied.into_response(),
//!     });
//!     greet.or(me).recover(apikey_warp::recover)
//! }
//! ```
//!
//! To write the refusals of all routes in one place, call [`denied`] in a `recover` of your own.
//!
//! ## Revoke a key
//!
//! Revoke the key in Kinde. A process that has cached the key still lets it in until the cached answer expires: after
//! five minutes, unless [`cache_time_to_live`](AuthenticatorBuilder::cache_time_to_live) says otherwise. To end that at
//! once, tell each process to forget the key. `remove_user`, `remove_organization` and `clear` forget more.
//!
//! ```
//! use apikey_warp::{Authenticator, Policy, require};
//! use warp::http::StatusCode;
//! use warp::{Filter, Reply};
//!
//! /// `DELETE /keys/<id>`: call it when Kinde has revoked the key with this id.
//! fn revoked(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let path = warp::path!("keys" / String).and(warp::delete());
//!     path.and(require(&keys, Policy::all(["admin"]))).map(move |key_id: String| {
//!         keys.remove_key_id(&key_id); // the next request with that key asks Kinde
//!         StatusCode::NO_CONTENT
//!     })
//! }
//! ```
//!
//! ## Test a handler without any network
//!
//! A handler by itself takes a key from [`VerifiedKey::assume_verified`]. For routes, put `apikey-testkit` among the
//! dev-dependencies:
//!
//! ```
//! use apikey_testkit::FakeVerifier;
//! use apikey_warp::{ApiKey, Authenticator, Policy, Verification, VerifiedKey, api_key};
//! use warp::{Filter, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     warp::path!("me").and(api_key(&keys, Policy::any_key())).then(me).recover(apikey_warp::recover)
//! }
//!
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//!
//! #[tokio::main(flavor = "current_thread")] // or `#[tokio::test]`
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let reader = Verification::active("api_key_1");
//!     assert_eq!(me(VerifiedKey::assume_verified(reader.clone()).into()).await, "api_key_1");
//!
//!     let routes = routes(Authenticator::builder(FakeVerifier::new().with_key("k_reader", reader)).build()?);
//!     let request = warp::test::request().path("/me").header("authorization", "Bearer k_reader");
//!     assert_eq!(request.reply(&routes).await.body(), "api_key_1");
//!     assert_eq!(warp::test::request().path("/me").reply(&routes).await.status(), 401);
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
//! use apikey_warp::{ApiKey, Authenticator, Policy, Verification, api_key};
//! use apikey_warp::{Judgement, PresentedKey, Refusal, Verifier, VerifierError, async_trait};
//! use warp::Filter;
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
//!     let keys = Authenticator::builder(Directory).build()?;
//!     let me = warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key()));
//!     let routes = me.map(|key: ApiKey| key.key_id().to_owned()).recover(apikey_warp::recover);
//!     for (key, status) in [("k_own", 200), ("k_unknown", 401)] {
//!         let request = warp::test::request().path("/me").header("authorization", format!("Bearer {key}"));
//!         assert_eq!(request.reply(&routes).await.status(), status);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! ## CORS
//!
//! Put the CORS wrapper outside of [`recover()`]. There it answers pre-flights before any filter asks for a key, and it
//! adds its headers to refusals, too. If it must stand inside of the key filters, see [`preflight`].
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Policy, api_key};
//! use warp::{Filter, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let me = warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key()));
//!     let cors = warp::cors().allow_any_origin().allow_method("GET").allow_header("authorization");
//!     me.map(|key: ApiKey| key.key_id().to_owned()).recover(apikey_warp::recover).with(cors)
//! }
//! ```
//!
//! # Clients' addresses
//!
//! The authenticator limits verification attempts per client ([`attempt_limit`](AuthenticatorBuilder::attempt_limit)).
//! `warp::serve` knows its clients' addresses. A service that hyper serves does not: tell it each connection's address
//! with [`PerRequest::with_peer`]. Otherwise the authenticator limits nobody, and the log says so once. Behind a proxy,
//! set [`trusted_proxies`](AuthenticatorBuilder::trusted_proxies), too: otherwise all callers count as one client, the
//! proxy.
//!
//! # Limits
//!
//! - A function that returns a filter takes the [`Authenticator`] by value, as above, because `impl Filter` would borrow from
//!   a reference and warp serves only what borrows nothing. Clones are cheap.
//! - Filters hand the key on by extraction, because warp lets no filter write to a request. If a service around the routes
//!   needs the key, for example an access log, the route can put it into its response:
//!   `response.extensions_mut().insert(key.into_key())`.
//! - An authenticator with [`remove_credential`](AuthenticatorBuilder::remove_credential) needs [`per_request()`]. Without it,
//!   every request that asks for a key gets a 500, and the log says what to change.
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
