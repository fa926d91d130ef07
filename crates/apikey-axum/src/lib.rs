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
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
//! let app: Router = Router::new()
//!     .route("/me", get(me))
//!     .route("/users", get(list).post(create))
//!     .route("/public", get(public))
//!     .route("/admin", get(admin).route_layer(keys.require(Policy::all(["admin"]))))
//!     .with_state(AppState { keys });
//! # let listener: tokio::net::TcpListener = unreachable!();
//! # axum::serve(listener, app).await?;
//! # Ok(()) }
//!
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//! async fn list(key: Scoped<ReadUsers>) -> &'static str { "users" }
//! async fn create(key: Scoped<(ReadUsers, WriteUsers)>) -> &'static str { "created" }
//! async fn public(key: MaybeApiKey) -> &'static str { if key.key().is_some() { "hello again" } else { "hello" } }
//! async fn admin() -> &'static str { "for administrators" }
//! ```
//!
//! # Decisions
//!
//! Extractors and layers decide nothing: the core does, the same for every framework. An extractor without an
//! [`Authenticator`] in the router's state does not compile. A layer and extractors of one authenticator on one request
//! verify once.
//!
//! # What a refusal looks like
//!
//! [`DenialCode`] has the table: status, stable code, message. [`Rejection`] is the response.
//!
//! # Recipes
//!
//! - Your own state: derive `FromRef`, as above, or use [`Authenticator`] itself as the state.
//! - A group of routes: `Router::route_layer(keys.require(policy))`.
//! - An optional key: [`MaybeApiKey`], or `Option<ApiKey>`.
//! - A route for one organization: `keys.require(Policy::organization("org_acme"))`.
//! - An error body of your own: take `Result<ApiKey, Rejection>` in the handler.
//! - CORS: put `tower_http::cors::CorsLayer` outside, that is, add it after [`require`](Authenticator::require); or see
//!   [`RequireLayer::pass_preflight`].
//!
//! # Limits
//!
//! - [`remove_credential`](AuthenticatorBuilder::remove_credential) changes the request's headers and URI. axum's own
//!   `OriginalUri` keeps the URI as it came in; prefer header sources.

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
mod rejection;
mod request;
mod require;

pub use apikey_core::{
    AnyOf, AuthenticatorBuilder, ConfigError, CredentialSource, Denial, DenialCode, OrganizationKey, Policy,
    TypedPolicy, UserKey, Verification, VerifiedKey, Verifier, scopes,
};
#[cfg(feature = "kinde")]
pub use apikey_core::{KindeSettings, KindeVerifier, MachineToMachine};
pub use authenticator::Authenticator;
pub use extract::{ApiKey, MaybeApiKey, Scoped};
pub use rejection::Rejection;
pub use require::{Require, RequireLayer, ResponseFuture};

/// The README's example is compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
