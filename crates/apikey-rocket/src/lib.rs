//! Protect a Rocket API with API keys that [Kinde](https://kinde.com) issues: one fairing, guards by type, and groups of
//! routes by policy.
//!
//! ```no_run
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator, MaybeApiKey, Policy, Scoped, scopes};
//! use rocket::{get, post, routes};
//!
//! scopes! { pub ReadUsers = "read:users"; pub WriteUsers = "write:users"; } // checked at compile time
//!
//! #[rocket::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     tracing_subscriber::fmt::init(); // without a subscriber nobody sees this crate's log
//!     let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
//!     rocket::build()
//!         .attach(ApiKeys::fairing(keys))
//!         .mount("/", routes![me, list, create, public])
//!         .mount("/admin", ApiKeys::require(Policy::all(["admin"]), routes![report]))
//!         .launch()
//!         .await?;
//!     Ok(())
//! }
//!
//! #[get("/me")]
//! fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//! #[get("/users")]
//! fn list(_key: Scoped<ReadUsers>) -> &'static str { "users" }
//! #[post("/users")]
//! fn create(_key: Scoped<(ReadUsers, WriteUsers)>) -> &'static str { "created" }
//! #[get("/public")]
//! fn public(key: MaybeApiKey) -> &'static str { if key.key().is_some() { "hello again" } else { "hello" } }
//! #[get("/report")]
//! fn report() -> &'static str { "for administrators" }
//! ```
//!
//! ```toml
//! [dependencies]
//! apikey-rocket = { path = "…" } # not on a registry yet
//! rocket = "0.5"
//! tracing-subscriber = "0.3" # or another subscriber: the log says what to change
//! ```
//!
//! # Decisions
//!
//! Guards and groups decide nothing. The core decides, in the same way for every framework. All guards and groups on
//! one request verify its key once, even if Rocket tries several routes for it. A guard that refuses ends the request.
//! It never forwards, so no route of lower rank answers instead. A guard without the fairing stops the launch.
//!
//! Fairings and catchers take no guards. [`verified_key`] tells them which key was let in, for an access log. [`denial`] tells
//! them why the request was refused.
//!
//! # What a refusal looks like
//!
//! [`DenialCode`] has the table: status, stable code, message. [`Rejection`] is the response. [`ApiKeys`] says which catcher
//! sends it if you have some of your own.
//!
//! # Recipes
//!
//! ## Your own state
//!
//! Manage it as usual, beside the fairing. For a handler that purges keys, manage a clone of the authenticator, too:
//! see [below](#revoke-a-key).
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator};
//! use rocket::{Build, Rocket, State, get, routes};
//!
//! struct Greeting(&'static str);
//!
//! #[get("/")]
//! fn greet(key: ApiKey, greeting: &State<Greeting>) -> String {
//!     format!("{} {}", greeting.0, key.key_id())
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     rocket::build().manage(Greeting("Hello,")).attach(ApiKeys::fairing(keys)).mount("/", routes![greet])
//! }
//! ```
//!
//! ## A group of routes, and a route for one organization
//!
//! [`ApiKeys::require`] takes a policy by value, so it may come from a configuration. The guards in the handlers use
//! the group's verification.
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Policy};
//! use rocket::{Build, Rocket, get, routes};
//!
//! #[get("/tickets")]
//! fn tickets(key: ApiKey) -> String {
//!     format!("tickets for {}", key.key_id())
//! }
//!
//! #[get("/report")]
//! fn report() -> &'static str {
//!     "for administrators"
//! }
//!
//! fn mount(rocket: Rocket<Build>, organization: String) -> Rocket<Build> {
//!     let of_organization = Policy::organization(organization).and("read:tickets");
//!     rocket
//!         .mount("/admin", ApiKeys::require(Policy::all(["admin"]), routes![report]))
//!         .mount("/acme", ApiKeys::require(of_organization, routes![tickets]))
//! }
//! ```
//!
//! ## An optional key, and an error body of your own
//!
//! An optional key is a [`MaybeApiKey`], *never* an `Option<ApiKey>`: [`ApiKey`] says why. For an error body of your own in one
//! route, take the guard's `Result`. For all routes, register a catcher for the status.
//!
//! ```
//! use apikey_rocket::{ApiKey, MaybeApiKey, Rejection, denial};
//! use rocket::http::Status;
//! use rocket::{Request, catch, get};
//!
//! #[get("/greeting")]
//! fn greet(key: MaybeApiKey) -> &'static str {
//!     if key.key().is_some() { "hello again" } else { "hello" }
//! }
//!
//! #[get("/me")]
//! fn me(key: Result<ApiKey, Rejection>) -> Result<String, (Status, String)> {
//!     match key {
//!         Ok(key) => Ok(key.key_id().to_owned()),
//!         Err(rejection) => {
//!             let denial = rejection.denial();
//!             Err((Status::new(denial.status()), format!("No entry: {denial}")))
//!         }
//!     }
//! }
//!
//! #[catch(403)]
//! fn forbidden(request: &Request<'_>) -> String {
//!     denial(request).map_or_else(|| "Forbidden".to_owned(), |denial| format!("No entry: {denial}"))
//! }
//! ```
//!
//! ## Revoke a key
//!
//! Revoke the key in Kinde. A process that has cached the key still lets it in until the cached answer expires: after
//! five minutes, unless [`cache_time_to_live`](AuthenticatorBuilder::cache_time_to_live) says otherwise. To end that at
//! once, tell each process to forget the key. `remove_user`, `remove_organization` and `clear` forget more.
//!
//! ```
//! use apikey_rocket::{ApiKeys, Authenticator, Policy};
//! use rocket::{Build, Rocket, State, post, routes};
//!
//! #[post("/keys/<key_id>/revoked")]
//! fn revoked(keys: &State<Authenticator>, key_id: &str) {
//!     keys.remove_key_id(key_id);
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     rocket::build()
//!         .manage(keys.clone())
//!         .attach(ApiKeys::fairing(keys))
//!         .mount("/admin", ApiKeys::require(Policy::all(["admin"]), routes![revoked]))
//! }
//! ```
//!
//! ## Test a handler without any network
//!
//! A handler is a function, and a test can call it with a key from [`VerifiedKey::assume_verified`]. To test the route
//! with its guard, too, let a fake verifier answer. With `apikey-testkit` among the dev-dependencies:
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator, Verification, VerifiedKey};
//! use apikey_testkit::FakeVerifier;
//! use rocket::http::{Header, Status};
//! use rocket::local::asynchronous::Client;
//! use rocket::{Build, Rocket, get, routes};
//!
//! #[get("/me")]
//! fn me(key: ApiKey) -> String {
//!     key.key_id().to_owned()
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![me])
//! }
//!
//! #[rocket::main] // or `#[rocket::async_test]`
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let key = VerifiedKey::assume_verified(Verification::active("api_key_1"));
//!     assert_eq!(me(key.into()), "api_key_1");
//!
//!     let fake = FakeVerifier::new().with_key("k_test", Verification::active("api_key_1"));
//!     let client = Client::tracked(rocket(Authenticator::builder(fake).build()?)).await?;
//!     let request = client.get("/me").header(Header::new("Authorization", "Bearer k_test"));
//!     assert_eq!(request.dispatch().await.into_string().await.as_deref(), Some("api_key_1"));
//!     assert_eq!(client.get("/me").dispatch().await.status(), Status::Unauthorized);
//!     Ok(())
//! }
//! ```
//!
//! Make a new request for every dispatch. Clones of a `LocalRequest` share their local cache, and so they share the
//! verification.
//!
//! ## A verifier of your own
//!
//! If keys don't come from Kinde, implement [`Verifier`]. The authenticator caches its answers, limits how often one client
//! may cause a call, and bounds the time of each call. If a key was *not* judged, return a [`VerifierError`]: the caller
//! gets a 5xx, and is never told that the key is bad. For a test of what expires, give the builder a [`ManualClock`].
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator, Verification};
//! use apikey_rocket::{Judgement, PresentedKey, Refusal, Verifier, VerifierError, async_trait};
//! use rocket::http::Header;
//! use rocket::local::asynchronous::Client;
//! use rocket::{get, routes};
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
//! #[get("/me")]
//! fn me(key: ApiKey) -> String {
//!     key.key_id().to_owned()
//! }
//!
//! #[rocket::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let keys = Authenticator::builder(Directory).build()?;
//!     let rocket = rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![me]);
//!     let client = Client::tracked(rocket).await?;
//!     for (key, status) in [("k_own", 200), ("k_unknown", 401)] {
//!         let request = client.get("/me").header(Header::new("Authorization", format!("Bearer {key}")));
//!         assert_eq!(request.dispatch().await.status().code, status);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! ## CORS
//!
//! Browsers send pre-flights without credentials. Answer them by a route outside of every group, and set the headers in a
//! response fairing, which sees denials, too. If the `OPTIONS` routes must stand within a group, see
//! [`Require::pass_preflight`].
//!
//! ```
//! use apikey_rocket::{ApiKeys, Authenticator};
//! use rocket::fairing::AdHoc;
//! use rocket::http::{Header, Status};
//! use rocket::{Build, Rocket, get, options, routes};
//!
//! #[options("/<_..>")]
//! fn preflight() -> Status {
//!     Status::NoContent
//! }
//!
//! #[get("/users")]
//! fn list() -> &'static str {
//!     "users"
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     let cors = AdHoc::on_response("CORS", |_, response| {
//!         Box::pin(async move {
//!             response.set_header(Header::new("Access-Control-Allow-Origin", "https://app.example"));
//!             response.set_header(Header::new("Access-Control-Allow-Headers", "authorization"));
//!         })
//!     });
//!     rocket::build()
//!         .attach(cors)
//!         .attach(ApiKeys::fairing(keys))
//!         .mount("/", routes![preflight])
//!         .mount("/", ApiKeys::require("read:users", routes![list]))
//! }
//! ```
//!
//! # Clients' addresses
//!
//! The authenticator limits verification attempts per client ([`attempt_limit`](AuthenticatorBuilder::attempt_limit)).
//! Rocket knows its clients' addresses without any setting. Behind a proxy, set
//! [`trusted_proxies`](AuthenticatorBuilder::trusted_proxies), too: otherwise all callers count as one client, the
//! proxy. The authenticator ignores Rocket's own `ip_header`, because a client may write that header itself.
//!
//! Rocket drops a line of a forwarding header that is not UTF-8, with all that a proxy appended to it. Then the attempt
//! counts for the proxy, or for the address in another line, and the client may have written that line. So let the
//! proxy replace that header, or add a line of its own. It must not append to what the client sent.
//!
//! # Limits
//!
//! - Rocket drops header values that are not UTF-8 before any guard runs. Such a value counts as nothing presented,
//!   while other frameworks' adapters call it malformed. If there is a good value, too, the header does not count as
//!   repeated.
//! - A form in the body of a POST may choose another method: if its first field is `_method`, Rocket uses that value as
//!   the method before any guard runs. The policies of that method's route apply, but rules by method in front of
//!   Rocket don't see it.
//! - A body that breaks off within its first 14 bytes looks whole. If that matters, compare its length with `Content-Length`, as
//!   the reference server does.
//! - Rocket waits for the first 14 bytes of a body, or its end, before any guard runs. It reads nothing more of the body before
//!   the key is judged.
//! - [`remove_credential`](AuthenticatorBuilder::remove_credential) does not work, because no fairing can take a header out of a
//!   request. [`ApiKeys::fairing`] refuses to launch with it.
//! - With `log_level = "debug"` Rocket itself logs whole requests, and with them the keys that they present. At `normal`
//!   it logs their URIs: prefer header sources to a query parameter.
//! - `Option<ApiKey>` makes every refused caller anonymous. Take [`MaybeApiKey`].
//! - A Rocket has one authenticator.

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

mod catchers;
mod fairing;
mod guard;
mod memo;
mod rejection;
mod request;
mod require;
mod uploads;

pub use apikey_core::application::*;
pub use fairing::ApiKeys;
pub use guard::{ApiKey, MaybeApiKey, Scoped};
pub use memo::{denial, verified_key};
pub use rejection::Rejection;
pub use require::Require;
