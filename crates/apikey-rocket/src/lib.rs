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
//! Fairings and catchers take no guards. [`verified_key`] tells them which key was let in. [`denial`] tells them why the
//! request was refused. Rocket's responses have no extensions, so a response fairing asks these two.
//!
//! # What a refusal looks like
//!
//! [`DenialCode`] has the table: status, stable code, message. [`Rejection`] is the response. [`ApiKeys`] says which catcher
//! sends it if you have some of your own. A catch-all (`#[catch(default)]`) of yours gets no denials.
//!
//! A gRPC request gets its refusal as `grpc-status` and `grpc-message`. To word bodies yourself, see
//! [below](#an-optional-key-and-an-error-body-of-your-own).
//!
//! # OpenAPI
//!
//! With the feature `openapi`, `guarded!` documents a route with what its guard asks. These are automatic: `security`, the refusals and the
//! security schemes, read from the handler's signature, from a group that is made with it, and from the [`Authenticator`].
//! Method and path come from Rocket's attribute, and a function names the routes that the document lacks. These are not automatic: groups around
//! routes of `routes!`, and checks inside of a handler. The module `openapi` has an example.
//!
//! # Recipes
//!
#![doc = include_str!("recipes.md")]
//!
//! # Clients' addresses
//!
//! The authenticator limits verification attempts per client ([`attempt_limit`](AuthenticatorBuilder::attempt_limit)).
//! Rocket knows its clients' addresses without any setting. In tests, `LocalRequest::remote` stands in for that. If there is
//! no address, the authenticator limits nobody, and the log says so once. Behind a proxy, set
//! [`trusted_proxies`](AuthenticatorBuilder::trusted_proxies), too: otherwise all callers count as one client, the
//! proxy. The authenticator ignores Rocket's own `ip_header`, because a client may write that header itself.
//!
//! Rocket drops a line of a forwarding header that is not UTF-8, with all that a proxy appended to it. Then the attempt
//! counts for the proxy, or for the address in another line, and the client may have written that line. So let the
//! proxy replace that header, or add a line of its own. It must not append to what the client sent.
//!
//! ## An address that you supply
//!
//! If other code knows the address, a request fairing supplies it with `set_remote`. Then all of Rocket sees that address:
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator};
//! use rocket::fairing::AdHoc;
//! use rocket::{Build, Rocket, get, routes};
//! use std::net::SocketAddr;
//!
//! #[get("/me")]
//! fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//!
//! fn rocket(keys: Authenticator, peer: SocketAddr) -> Rocket<Build> {
//!     let supply_peer = AdHoc::on_request("peer", move |request, _| {
//!         request.set_remote(peer);
//!         Box::pin(async {})
//!     });
//!     rocket::build().attach(supply_peer).attach(ApiKeys::fairing(keys)).mount("/", routes![me])
//! }
//! # #[rocket::main]
//! # async fn main() {
//! #     let limit = apikey_rocket::AttemptLimit::new(1, std::time::Duration::from_secs(60));
//! #     let keys = Authenticator::builder(apikey_testkit::FakeVerifier::new()).attempt_limit(limit).build().unwrap();
//! #     for (host, status) in [(1, 401), (1, 429), (2, 401)] {
//! #         let rocket = rocket(keys.clone(), ([192, 0, 2, host], 4711).into());
//! #         let client = rocket::local::asynchronous::Client::untracked(rocket).await.unwrap();
//! #         let request = client.get("/me").header(rocket::http::Header::new("Authorization", "Bearer k_live_guess"));
//! #         assert_eq!(request.dispatch().await.status().code, status);
//! #     }
//! # }
//! ```
//!
//! # Limits
//!
//! - Rocket 0.5 can't listen on a Unix socket. Let the reverse proxy connect over TCP, and name its address in
//!   [`trusted_proxies`](AuthenticatorBuilder::trusted_proxies).
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
//!   request. [`ApiKeys::fairing`] refuses to launch with it, and with
//!   [`web_socket_protocol`](CredentialSource::web_socket_protocol), which implies it.
//! - With `log_level = "debug"` Rocket itself logs whole requests, and with them the keys that they present. At `normal`
//!   it logs their URIs: prefer header sources to a query parameter.
//! - `Option<ApiKey>` makes every refused caller anonymous. Take [`MaybeApiKey`].
//! - A client that sends its whole body before it reads (Python's `http.client`, node's `fetch`) sees a broken connection and no
//!   answer if a guard refuses its upload. Put the route into a group: see [Uploads](#uploads). Larger uploads than
//!   [`refused_uploads`](AuthenticatorBuilder::refused_uploads) allows see it in a group, too.
//! - Rocket asks for the body of a request with `Expect: 100-continue` before any guard runs.
//! - A Rocket has one attached authenticator. A group may have another.

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
#[cfg(feature = "openapi")]
pub mod openapi;
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
