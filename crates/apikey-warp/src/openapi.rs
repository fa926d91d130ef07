//! An OpenAPI document that says what guards each route, because it is read from the handlers' signatures (feature `openapi`, on
//! [`utoipa`](https://docs.rs/utoipa) 6).
//!
//! warp has no list of its routes. So you list the handlers once more, and [`guarded!`](crate::guarded) reads the policy from
//! each signature. [`scoped`](crate::scoped) infers the same policy from the same signature, so the policy is entered once:
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, ConfigError, Policy, Scoped, api_key, guarded, open, openapi, scoped, scopes};
//! use utoipa::OpenApi;
//! use warp::Filter;
//!
//! scopes! { ReadUsers = "read:users"; }
//!
//! #[derive(OpenApi)]
//! #[openapi(info(title = "Users", version = "1.0.0"))]
//! struct Api;
//!
//! #[utoipa::path(get, path = "/users/{id}", responses((status = 200, description = "The user")), params(("id" = String, Path)))]
//! async fn user(id: String, key: Scoped<ReadUsers>) -> &'static str { "a user" }
//!
//! #[utoipa::path(delete, path = "/users", responses((status = 200, description = "Gone")))]
//! async fn remove_all(key: ApiKey) -> &'static str { "gone" }
//!
//! #[utoipa::path(get, path = "/health", responses((status = 200, description = "It runs")))]
//! async fn health() -> &'static str { "it runs" }
//!
//! fn app(
//!     keys: Authenticator,
//! ) -> Result<(impl Filter<Extract = (impl warp::Reply,)> + Clone, utoipa::openapi::OpenApi), ConfigError> {
//!     let user_route = warp::path!("users" / String).and(warp::get()).and(scoped(&keys)).then(user);
//!     // A policy by value: the filter and the document get the same one.
//!     let admin = Policy::all(["admin"]);
//!     let documented = [guarded!(user), guarded!(remove_all, &admin), open!(health)];
//!     let remove_route = warp::path!("users").and(warp::delete()).and(api_key(&keys, admin)).then(remove_all);
//!     let health_route = warp::path!("health").and(warp::get()).then(health);
//!     let document = openapi::document(Api::openapi(), &documented, &keys)?;
//!     Ok((user_route.or(remove_route).or(health_route), document))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let keys: Authenticator = Authenticator::builder(apikey_testkit::FakeVerifier::new()).build()?;
//! let (routes, document) = app(keys)?;
//! # let _ = routes;
//! let document: serde_json::Value = serde_json::from_str(&document.to_json()?)?;
//! assert_eq!(document["paths"]["/users/{id}"]["get"]["security"][0]["apiKey"][0], "read:users");
//! assert_eq!(document["paths"]["/users"]["delete"]["x-apikey-policy"], "admin");
//! assert_eq!(document["paths"]["/health"]["get"]["security"], serde_json::json!([]));
//! # Ok(()) }
//! ```
//!
//! # What is automatic, and what is not
//!
//! - `security`, `x-apikey-policy` and the responses of refusals come from the handler's signature, and from the policy that you name in
//!   `guarded!`. One of the handler's at most eight arguments is the key; anything else does not compile.
//! - The security schemes and the examples come from the [`Authenticator`]: its locations for keys, its realm and its form of
//!   denials.
//! - Method and path stand twice: in utoipa's attribute and in the filter. Nothing compares the two, and nothing knows a route whose handler you
//!   don't list. [`Policy::kinde_operation`](crate::Policy::kinde_operation) does not work on warp, because warp tells no filter which route matched.
//! - A filter that you put in front elsewhere ([`require`](crate::require)) is not read.
//! - Parameters, bodies and answers of your own are utoipa's matter.
//!
//! `apikey-check openapi` and `apikey_testkit::probe` compare a document with the server that runs. Given a list of the routes, they
//! find all of that.

use apikey_core::{Authenticator, ConfigError};
pub use apikey_openapi::*;
use utoipa::openapi::OpenApi;

/// The entry of a handler with `#[utoipa::path]` in a document, with what the handler's signature asks of callers.
///
/// With a policy as the second argument, the entry says what both ask for. Give the same policy to
/// [`api_key`](crate::api_key). See [`openapi`](crate::openapi).
///
/// A handler that takes no key does not compile:
///
/// ```compile_fail
/// #[utoipa::path(get, path = "/health")]
/// async fn health() -> &'static str { "it runs" }
///
/// let documented = apikey_warp::guarded!(health);
/// ```
#[macro_export]
macro_rules! guarded {
    ($handler:path $(,)?) => {
        $crate::openapi::documented_route!($handler)
            .guarded(&$crate::openapi::RouteRequirement::of(&$handler))
    };
    ($handler:path, $policy:expr $(,)?) => {
        $crate::openapi::documented_route!($handler)
            .guarded(&$crate::openapi::RouteRequirement::of(&$handler).behind($policy))
    };
}

/// The entry of a handler with `#[utoipa::path]` that takes no key. The document says that it is open to everybody.
#[macro_export]
macro_rules! open {
    ($handler:path $(,)?) => {
        $crate::openapi::documented_route!($handler)
    };
}

/// A document with these routes, [completed](complete).
///
/// # Errors
/// [`ConfigError`], as [`complete`] says.
pub fn document<'a>(
    mut document: OpenApi,
    routes: impl IntoIterator<Item = &'a DocumentedRoute>,
    keys: &Authenticator,
) -> Result<OpenApi, ConfigError> {
    routes.into_iter().for_each(|route| route.add_to(&mut document));
    complete(&mut document, keys)?;
    Ok(document)
}
