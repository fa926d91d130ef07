//! An OpenAPI document that says what guards each route, because it is read from the guards (feature `openapi`, on
//! [`utoipa`](https://docs.rs/utoipa) 6).
//!
//! [`guarded!`](crate::guarded) stands in for `routes!`. It reads the policy from the handler's signature, so the policy is entered
//! once. Method and path come from Rocket's own attribute:
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator, ConfigError, Policy, Scoped, guarded, open, openapi, scopes};
//! use rocket::{Build, Rocket, delete, get};
//! use utoipa::OpenApi;
//!
//! scopes! { ReadUsers = "read:users"; }
//!
//! #[derive(OpenApi)]
//! #[openapi(info(title = "Users", version = "1.0.0"))]
//! struct Api;
//!
//! // utoipa's attribute stands in front. It asks for a method and a path, but those of Rocket's attribute count.
//! #[utoipa::path(get, path = "", responses((status = 200, description = "The user")), params(("id" = String, Path)))]
//! #[get("/users/<id>")]
//! fn user(id: &str, key: Scoped<ReadUsers>) -> &'static str { let _ = (id, key); "a user" }
//!
//! #[utoipa::path(delete, path = "", responses((status = 200, description = "Gone")))]
//! #[delete("/users")]
//! fn remove_all(key: ApiKey) -> &'static str { let _ = key; "gone" }
//!
//! #[utoipa::path(get, path = "", responses((status = 200, description = "It runs")))]
//! #[get("/health")]
//! fn health() -> &'static str { "it runs" }
//!
//! fn app(keys: Authenticator) -> Result<(Rocket<Build>, utoipa::openapi::OpenApi), ConfigError> {
//!     let mut document = Api::openapi();
//!     let rocket = rocket::build().attach(ApiKeys::fairing(keys.clone()));
//!     let rocket = guarded![user].mount(rocket, "/v1", &mut document);
//!     // A policy by value, for a group. The group guards the routes, and the document says what the policy asks for.
//!     let rocket = guarded![remove_all].require(Policy::all(["admin"])).mount(rocket, "/v1", &mut document);
//!     let rocket = open![health].mount(rocket, "/", &mut document); // open to everybody, also in the document
//!     openapi::complete(&mut document, &keys)?;
//!     assert!(openapi::undocumented(&rocket, &document).is_empty());
//!     Ok((rocket, document))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let keys: Authenticator = Authenticator::builder(apikey_testkit::FakeVerifier::new()).build()?;
//! let (rocket, document) = app(keys)?;
//! let document: serde_json::Value = serde_json::from_str(&document.to_json()?)?;
//! assert_eq!(document["paths"]["/v1/users/{id}"]["get"]["security"][0]["apiKey"][0], "read:users");
//! assert_eq!(document["paths"]["/v1/users"]["delete"]["x-apikey-policy"], "admin");
//! assert_eq!(document["paths"]["/health"]["get"]["security"], serde_json::json!([]));
//! # Ok(()) }
//! ```
//!
//! # What is automatic, and what is not
//!
//! - `security`, `x-apikey-policy` and the responses of refusals come from the guard in the handler's signature and from the group that you
//!   make with [`Routes::require`]. One of the handler's at most eight arguments is the key; anything else does not
//!   compile.
//! - Method and path come from Rocket's attribute and from the base where you mount.
//! - [`undocumented`] names the routes that Rocket has and the document lacks.
//! - The security schemes and the examples come from the [`Authenticator`](crate::Authenticator): its locations for keys, its realm and its form of
//!   denials.
//! - Nothing reads [`ApiKeys::require`](crate::ApiKeys::require) around routes of Rocket's `routes!`, or what a handler or a fairing checks itself.
//! - Parameters, bodies and answers of your own are utoipa's matter.
//!
//! `apikey-check openapi` and `apikey_testkit::probe` compare a document with the server that runs. Given the list of routes that
//! [`mounted`] makes, they find all of that.

use apikey_core::{Policy, path_template};
pub use apikey_openapi::*;
use rocket::{Build, Phase, Rocket, Route};
use utoipa::openapi::OpenApi;

use crate::ApiKeys;

/// The routes of handlers with `#[utoipa::path]` in front of Rocket's own attribute. The document says what the handlers'
/// signatures ask of callers. See [`openapi`](crate::openapi).
///
/// A handler that takes no key does not compile:
///
/// ```compile_fail
/// #[utoipa::path(get, path = "")]
/// #[rocket::get("/health")]
/// fn health() -> &'static str { "it runs" }
///
/// let routes = apikey_rocket::guarded![health];
/// ```
///
/// Neither does `Option<ApiKey>`: Rocket turns a refusal into `None`, so it is no guard. `MaybeApiKey` is one.
///
/// ```compile_fail,E0277
/// use apikey_rocket::ApiKey;
///
/// #[utoipa::path(get, path = "")]
/// #[rocket::get("/me")]
/// fn me(_key: Option<ApiKey>) -> &'static str { "me" }
///
/// let routes = apikey_rocket::guarded![me];
/// ```
#[macro_export]
macro_rules! guarded {
    ($($handler:path),+ $(,)?) => {
        $crate::openapi::Routes::new([$((
            ::rocket::routes![$handler],
            $crate::openapi::documented_route!($handler),
            ::core::option::Option::Some($crate::openapi::RouteRequirement::of(&$handler)),
        )),+])
    };
}

/// The routes of handlers with `#[utoipa::path]` that take no key. The document says that they are open to everybody.
#[macro_export]
macro_rules! open {
    ($($handler:path),+ $(,)?) => {
        $crate::openapi::Routes::new([$((
            ::rocket::routes![$handler],
            $crate::openapi::documented_route!($handler),
            ::core::option::Option::None,
        )),+])
    };
}

/// Routes with their entries in a document. [`guarded!`](crate::guarded) and [`open!`](crate::open) make them.
#[derive(Debug)]
#[must_use = "routes do nothing until they are mounted"]
pub struct Routes {
    routes: Vec<(Route, DocumentedRoute, Option<RouteRequirement>)>,
    policy: Option<Policy>,
}

impl Routes {
    #[doc(hidden)]
    pub fn new(
        handlers: impl IntoIterator<Item = (Vec<Route>, DocumentedRoute, Option<RouteRequirement>)>,
    ) -> Self {
        let routes = handlers.into_iter().flat_map(|(routes, documented, requirement)| {
            routes.into_iter().map(move |route| (route, documented.clone(), requirement.clone()))
        });
        Self { routes: routes.collect(), policy: None }
    }

    /// The same routes as a group that lets a request pass only if its key satisfies this policy, as
    /// [`ApiKeys::require`](crate::ApiKeys::require) makes it.
    pub fn require(mut self, policy: impl Into<Policy>) -> Self {
        let policy = policy.into();
        self.policy = Some(match self.policy.take() {
            None => policy,
            Some(outer) => outer.and(policy),
        });
        self
    }

    /// Mounts the routes at a base path, and adds them to the document there.
    pub fn mount(self, rocket: Rocket<Build>, base: &str, document: &mut OpenApi) -> Rocket<Build> {
        let Self { routes, policy } = self;
        let mut documented = Vec::new();
        let mut mounted = Vec::new();
        for (route, entry, requirement) in routes {
            let requirement = match (requirement, &policy) {
                (requirement, None) => requirement,
                (Some(requirement), Some(policy)) => Some(requirement.behind(policy)),
                (None, Some(policy)) => Some(RouteRequirement::from(policy.clone())),
            };
            documented.push(match requirement {
                None => entry,
                Some(requirement) => entry.guarded(&requirement),
            });
            mounted.push(route);
        }
        let before = rocket.routes().count();
        let rocket = match policy {
            None => rocket.mount(base, mounted),
            Some(policy) => rocket.mount(base, ApiKeys::require(policy, mounted)),
        };
        // Rocket itself says where the routes are: it joins bases and paths in its own way.
        for (route, entry) in rocket.routes().skip(before).zip(documented) {
            if let Some(entry) = entry.at(route.method.as_str(), route.uri.path()) {
                entry.add_to(document);
            }
        }
        rocket
    }
}

/// The method and the path of every route that Rocket has, as templates of OpenAPI. A probe compares them with a document.
pub fn mounted<P: Phase>(rocket: &Rocket<P>) -> Vec<(String, String)> {
    rocket.routes().map(|route| (route.method.to_string(), path_template(route.uri.path()))).collect()
}

/// The routes that Rocket has and the document lacks, such as `GET /health`.
pub fn undocumented<P: Phase>(rocket: &Rocket<P>, document: &OpenApi) -> Vec<String> {
    let known = documented(document);
    let missing = mounted(rocket).into_iter().filter(|route| !known.contains(route));
    missing.map(|(method, path)| format!("{method} {path}")).collect()
}

#[cfg(test)]
mod tests {
    use rocket::{get, routes};
    use utoipa::openapi::{Info, Paths};

    use super::*;
    use crate::{ApiKey, MaybeApiKey};

    #[utoipa::path(get, path = "", responses((status = 200, description = "The first page")))]
    #[get("/")]
    fn index(_key: ApiKey) -> &'static str {
        "index"
    }

    #[utoipa::path(get, path = "", responses((status = 200, description = "An item")))]
    #[get("/items/<id>?<page>")]
    fn item(id: &str, page: Option<&str>, _key: MaybeApiKey) -> &'static str {
        let _ = (id, page);
        "item"
    }

    #[get("/hidden")]
    fn hidden() -> &'static str {
        "hidden"
    }

    fn document() -> OpenApi {
        OpenApi::new(Info::new("Test", "1"), Paths::new())
    }

    #[test]
    fn routes_are_documented_where_rocket_mounts_them() {
        for (base, paths) in [
            ("/", ["/", "/items/{id}"]),
            ("/v1", ["/v1", "/v1/items/{id}"]),
            ("/v1/", ["/v1", "/v1/items/{id}"]),
        ] {
            let mut document = document();
            let rocket = guarded![index, item].mount(rocket::build(), base, &mut document);
            assert_eq!(undocumented(&rocket, &document), [""; 0], "{base}");
            let mut documented: Vec<String> =
                apikey_openapi::documented(&document).into_iter().map(|(_, path)| path).collect();
            documented.sort();
            assert_eq!(documented, paths, "{base}");
        }
    }

    #[test]
    fn a_route_of_rocket_s_own_list_is_undocumented() {
        let mut document = document();
        let rocket = open![index].mount(rocket::build(), "/", &mut document).mount("/", routes![hidden]);
        assert_eq!(undocumented(&rocket, &document), ["GET /hidden"]);
    }
}
