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
//! tracing-subscriber = "0.3" # or another subscriber: the log names what to mend
//! ```
//!
//! # Decisions
//!
//! Filters decide nothing: the core does, the same for every framework. A filter can't be made without an
//! [`Authenticator`], so a route can't lack one.
//!
//! - Path and method stand before the key filter. Behind it, every branch of `.or` that the request reaches looks at the key,
//!   whether the request is meant for it or not.
//! - [`recover()`] stands outside of all routes. Without it a refused request is a 500 that names the denial's code: nobody
//!   is let in, but nobody is told what is wrong either.
//! - Where several branches of `.or` refuse, [`denied`] says which refusal the client sees. A 404 or 405 of another branch
//!   never hides a denial.
//! - Several key filters on one request look at the key one by one. [`per_request()`] makes that one look.
//!
//! # What a refusal looks like
//!
//! [`DenialCode`] has the table: status, stable code, message. [`Denied`] is the reply.
//!
//! # Recipes
//!
//! Your own state goes into a filter beside the key's:
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
//! A group of routes: [`require`]. An optional key: [`optional_api_key`].
//!
//! A route for one organization, fixed or named in the path:
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Denied, Policy, api_key};
//! use warp::{Filter, Rejection, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
//!     let acme = warp::path!("acme").and(api_key(&keys, Policy::organization("org_acme"))).map(|_: ApiKey| "acme");
//!     let any = warp::path!("organizations" / String)
//!         .and(api_key(&keys, Policy::organization_key()))
//!         .and_then(move |code: String, key: ApiKey| {
//!             let authorized = keys.authorize(&key, &Policy::organization(code));
//!             async move { authorized.map(|()| "yours").map_err(|denial| Rejection::from(Denied::from(denial))) }
//!         });
//!     acme.or(any).recover(apikey_warp::recover)
//! }
//! ```
//!
//! `Authenticator::authorize`, as above, is also how a handler asks more of a key that it has already.
//!
//! An error body of your own: [`try_api_key`], or [`denied`] in a `recover` of your own.
//!
//! Testing a handler, with `apikey-testkit` among the dev-dependencies:
//!
//! ```
//! use apikey_testkit::FakeVerifier;
//! use apikey_warp::{ApiKey, Authenticator, Policy, Verification, api_key};
//! use warp::{Filter, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let users = warp::path!("users").and(api_key(&keys, Policy::all(["read:users"]))).map(|_: ApiKey| "users");
//!     users.recover(apikey_warp::recover)
//! }
//!
//! #[tokio::main(flavor = "current_thread")] // or `#[tokio::test]`
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let reader = Verification::active("api_key_1").with_scopes(["read:users"]);
//!     let keys = Authenticator::builder(FakeVerifier::new().with_key("k_reader", reader)).build()?;
//!
//!     let routes = routes(keys);
//!
//!     let request = warp::test::request().path("/users").header("authorization", "Bearer k_reader");
//!     assert_eq!(request.reply(&routes).await.body(), "users");
//!
//!     let response = warp::test::request().path("/users").reply(&routes).await;
//!     assert_eq!(response.status(), 401);
//!     Ok(())
//! }
//! ```
//!
//! CORS stands outside of [`recover()`], so that it answers pre-flights before any key is asked for, and refusals carry its
//! headers, too. Elsewhere, see [`preflight`].
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
//! `HEAD` is a method of its own in warp: `warp::get().or(warp::head()).unify()` answers both.
//!
//! # Limits
//!
//! - A function that returns a filter takes the [`Authenticator`] by value, as above (clones are cheap): `impl Filter` would
//!   borrow from a reference, and warp serves only what borrows nothing.
//! - Without [`per_request()`], an authenticator with [`remove_credential`](AuthenticatorBuilder::remove_credential) answers
//!   500 to every request that asks for a key, and logs what to change.
//! - Without it, too, each key filter copies the request's headers, for warp shows a filter all values of a name in no other
//!   way, and the query where a key may stand in it.
//! - A route whose key was accepted may still reject, for example for its body. If a later branch of `.or` then denies, the
//!   client sees that denial. Branches that differ in path or method avoid it; so does `.recover` on the single route.

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
mod rejection;
mod request;

pub use apikey_core::application::*;
pub use filters::{api_key, optional_api_key, preflight, require, scoped, try_api_key};
pub use key::{ApiKey, MaybeApiKey, Scoped};
pub use per_request::{PerRequest, per_request};
pub use rejection::{Denied, denied, recover};
