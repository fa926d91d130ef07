//! An OpenAPI document that says what guards each route, because it is read from the guards (feature `openapi`, on
//! [`utoipa`](https://docs.rs/utoipa) 6 and the router of [`utoipa_axum`]).
//!
//! [`guarded!`](crate::guarded) stands in for utoipa's `routes!`. It reads the policy from the handler's signature, so the policy is entered once:
//!
//! ```
//! use apikey_axum::{ApiKey, Authenticator, ConfigError, Policy, Scoped, guarded, openapi, scopes};
//! use axum::{Router, extract::FromRef};
//! use utoipa::OpenApi;
//! use utoipa_axum::{router::OpenApiRouter, routes};
//!
//! scopes! { ReadUsers = "read:users"; }
//!
//! #[derive(Clone, FromRef)]
//! struct AppState { keys: Authenticator }
//!
//! #[derive(OpenApi)]
//! #[openapi(info(title = "Users", version = "1.0.0"))]
//! struct Api;
//!
//! #[utoipa::path(get, path = "/users/{id}", responses((status = 200, description = "The user")), params(("id" = String, Path)))]
//! async fn user(id: axum::extract::Path<String>, key: Scoped<ReadUsers>) -> &'static str { "a user" }
//!
//! #[utoipa::path(delete, path = "/users", responses((status = 200, description = "Gone")))]
//! async fn remove_all(key: ApiKey) -> &'static str { "gone" }
//!
//! #[utoipa::path(get, path = "/health", responses((status = 200, description = "It runs")))]
//! async fn health() -> &'static str { "it runs" }
//!
//! fn app(keys: Authenticator) -> Result<(Router, utoipa::openapi::OpenApi), ConfigError> {
//!     let (router, mut document) = OpenApiRouter::with_openapi(Api::openapi())
//!         .routes(guarded!(user))
//!         // A policy by value: the layer guards the route, and the document says what the layer asks.
//!         .routes(guarded!(remove_all, keys.require(Policy::all(["admin"]))))
//!         .routes(routes!(health)) // open to everybody, also in the document
//!         .split_for_parts();
//!     openapi::complete(&mut document, &keys)?;
//!     Ok((router.with_state(AppState { keys }), document))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let keys: Authenticator = Authenticator::builder(apikey_testkit::FakeVerifier::new()).build()?;
//! let (router, document) = app(keys)?;
//! let document: serde_json::Value = serde_json::from_str(&document.to_json()?)?;
//! assert_eq!(document["paths"]["/users/{id}"]["get"]["security"][0]["apiKey"][0], "read:users");
//! assert_eq!(document["paths"]["/users"]["delete"]["x-apikey-policy"], "admin");
//! assert!(document["paths"]["/health"]["get"]["security"].is_null());
//! # Ok(()) }
//! ```
//!
//! # What is automatic, and what is not
//!
//! - `security`, `x-apikey-policy` and the responses of refusals come from the guard of the handler and from the layer that you name in
//!   `guarded!`. One of the handler's at most eight arguments is the key; anything else does not compile.
//! - The security schemes and the examples come from the [`Authenticator`](crate::Authenticator): its locations for keys, its realm and its form of
//!   denials.
//! - Nothing reads a layer that you add elsewhere (`route_layer`, `layer`), or what a handler checks itself. If a guarded handler
//!   is registered with `routes!` or `route`, the document says that it is open, or does not know it.
//! - Parameters, bodies and answers of your own are utoipa's matter.
//!
//! `apikey-check openapi` and `apikey_testkit::probe` compare a document with the server that runs. They find all of
//! that if you give them a list of the server's routes. Without one, they do not see a route that the document lacks.

pub use apikey_openapi::*;
#[doc(hidden)]
pub use utoipa_axum;
use utoipa_axum::router::UtoipaMethodRouter;

use crate::require::RequireLayer;

/// The route of a handler with `#[utoipa::path]`, for `OpenApiRouter::routes`. The document says what the handler's
/// signature asks of callers.
///
/// With a layer as the second argument, such as `keys.require(policy)`, the layer guards the route, too, and the document says what both
/// ask for. See [`openapi`](crate::openapi).
///
/// A handler that takes no key does not compile:
///
/// ```compile_fail
/// #[utoipa::path(get, path = "/health")]
/// async fn health() {}
///
/// let routes: utoipa_axum::router::UtoipaMethodRouter = apikey_axum::guarded!(health);
/// ```
#[macro_export]
macro_rules! guarded {
    ($handler:path $(,)?) => {
        $crate::openapi::with_requirement(
            $crate::openapi::utoipa_axum::routes!($handler),
            &$crate::openapi::RouteRequirement::of(&$handler),
        )
    };
    ($handler:path, $layer:expr $(,)?) => {
        $crate::openapi::with_layer(
            $crate::openapi::utoipa_axum::routes!($handler),
            $crate::openapi::RouteRequirement::of(&$handler),
            $layer,
        )
    };
}

/// What [`guarded!`](crate::guarded) makes of a handler.
#[doc(hidden)]
pub fn with_requirement<S>(
    routes: UtoipaMethodRouter<S>,
    requirement: &RouteRequirement,
) -> UtoipaMethodRouter<S> {
    let (schemas, mut paths, router) = routes;
    protect_all(&mut paths, requirement);
    (schemas, paths, router)
}

/// What [`guarded!`](crate::guarded) makes of a handler behind a layer.
#[doc(hidden)]
pub fn with_layer<S>(
    routes: UtoipaMethodRouter<S>,
    requirement: RouteRequirement,
    layer: RequireLayer,
) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let requirement = requirement.behind(layer.policy());
    let (schemas, paths, router) = with_requirement(routes, &requirement);
    (schemas, paths, router.route_layer(layer))
}
