//! An OpenAPI document that says what guards each route, because it is read from the guards (feature `openapi`, on
//! [`utoipa`](https://docs.rs/utoipa) 6).
//!
//! [`guarded!`](crate::guarded) makes a service of a handler, and reads the policy from the handler's signature. So the policy is
//! entered once. The services go into the app of [`utoipa_actix_web`], which collects the document:
//!
//! ```
//! use actix_web::{App, HttpResponse, web};
//! use apikey_actix::{ApiKey, Authenticator, ConfigError, Policy, Scoped, guarded, open, openapi, scopes};
//! use utoipa::OpenApi;
//! use utoipa_actix_web::AppExt as _;
//!
//! scopes! { ReadUsers = "read:users"; WriteUsers = "write:users"; }
//!
//! #[derive(OpenApi)]
//! #[openapi(info(title = "Users", version = "1.0.0"))]
//! struct Api;
//!
//! #[utoipa::path(get, path = "/users/{id}", responses((status = 200, description = "The user")), params(("id" = String, Path)))]
//! async fn user(id: web::Path<String>, key: Scoped<ReadUsers>) -> HttpResponse { HttpResponse::Ok().finish() }
//!
//! #[utoipa::path(put, path = "/users/{id}", responses((status = 200, description = "Done")), params(("id" = String, Path)))]
//! async fn change(id: web::Path<String>, key: Scoped<(ReadUsers, WriteUsers)>) -> HttpResponse { HttpResponse::Ok().finish() }
//!
//! #[utoipa::path(delete, path = "/users", responses((status = 200, description = "Gone")))]
//! async fn remove_all(key: ApiKey) -> HttpResponse { HttpResponse::Ok().finish() }
//!
//! #[utoipa::path(get, path = "/health", responses((status = 200, description = "It runs")))]
//! async fn health() -> HttpResponse { HttpResponse::Ok().finish() }
//!
//! fn document(keys: Authenticator) -> Result<utoipa::openapi::OpenApi, ConfigError> {
//!     let (app, mut document) = App::new()
//!         .app_data(keys.clone())
//!         .into_utoipa_app()
//!         .openapi(Api::openapi())
//!         // One path with two methods is one service.
//!         .service(guarded!(user).and(guarded!(change)))
//!         // A policy by value: the middleware guards the route, and the document says what the middleware asks.
//!         .service(guarded!(remove_all, keys.require(Policy::all(["admin"]))))
//!         .service(open!(health)) // open to everybody, also in the document
//!         .split_for_parts();
//!     # drop(app);
//!     openapi::complete(&mut document, &keys)?;
//!     Ok(document)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let keys: Authenticator = Authenticator::builder(apikey_testkit::FakeVerifier::new()).build()?;
//! let document: serde_json::Value = serde_json::from_str(&document(keys)?.to_json()?)?;
//! assert_eq!(document["paths"]["/users/{id}"]["get"]["security"][0]["apiKey"][0], "read:users");
//! assert_eq!(document["paths"]["/users"]["delete"]["x-apikey-policy"], "admin");
//! assert_eq!(document["paths"]["/health"]["get"]["security"], serde_json::json!([]));
//! # Ok(()) }
//! ```
//!
//! # What is automatic, and what is not
//!
//! - `security`, `x-apikey-policy` and the responses of refusals come from the guard of the handler and from the middleware that you name
//!   in `guarded!`. One of the handler's at most eight arguments is the key; anything else does not compile.
//! - The path and the method are utoipa's, and the route is made from them. `GET` also answers `HEAD`.
//! - The security schemes and the examples come from the [`Authenticator`](crate::Authenticator): its locations for keys, its realm and its form of
//!   denials.
//! - The handler is a plain function. One with actix's own `#[get(..)]` is a type, whose signature nobody can read.
//! - Nothing reads a middleware that you add elsewhere (`App::wrap`, a scope's `wrap`), or what a handler checks itself. A route that is
//!   added with `route` or `web::resource` is not in the document.
//! - Parameters, bodies and answers of your own are utoipa's matter.
//!
//! `apikey-check openapi` and `apikey_testkit::probe` compare a document with the server that runs. They find all of
//! that if you give them a list of the server's routes. Without one, they do not see a route that the document lacks.

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::{Route, guard, web};
pub use apikey_openapi::*;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Paths;
use utoipa::openapi::schema::Schema;
use utoipa_actix_web::OpenApiFactory;

use crate::middleware::RequireKey;

/// The service of a handler with `#[utoipa::path]`, for the app of `utoipa_actix_web`. The document says what the handler's
/// signature asks of callers.
///
/// With a middleware as the second argument, such as `keys.require(policy)`, the middleware guards the route, too, and the
/// document says what both ask for. See [`openapi`](crate::openapi).
///
/// A handler that takes no key does not compile:
///
/// ```compile_fail
/// #[utoipa::path(get, path = "/health")]
/// async fn health() -> &'static str { "it runs" }
///
/// let routes = apikey_actix::guarded!(health);
/// ```
///
/// Neither does `Option<ApiKey>`: actix-web turns a refusal into `None`, so it is no guard. `MaybeApiKey` is one.
///
/// ```compile_fail,E0277
/// use apikey_actix::ApiKey;
///
/// #[utoipa::path(get, path = "/me")]
/// async fn me(_: Option<ApiKey>) -> &'static str { "me" }
///
/// let routes = apikey_actix::guarded!(me);
/// ```
#[macro_export]
macro_rules! guarded {
    ($handler:path $(,)?) => {
        $crate::openapi::Routes::guarded(
            $crate::openapi::documented_route!($handler),
            &$crate::openapi::RouteRequirement::of(&$handler),
            |route| route.to($handler),
        )
    };
    ($handler:path, $middleware:expr $(,)?) => {
        $crate::openapi::Routes::behind(
            $crate::openapi::documented_route!($handler),
            $crate::openapi::RouteRequirement::of(&$handler),
            $middleware,
            |route| route.to($handler),
        )
    };
}

/// The service of a handler with `#[utoipa::path]` that takes no key. The document says that it is open to everybody.
#[macro_export]
macro_rules! open {
    ($handler:path $(,)?) => {
        $crate::openapi::Routes::open($crate::openapi::documented_route!($handler), |route| {
            route.to($handler)
        })
    };
}

/// Routes with their entries in a document. [`guarded!`](crate::guarded) and [`open!`](crate::open) make them.
#[must_use = "routes do nothing until they are a service of an app"]
pub struct Routes(Vec<(DocumentedRoute, Route)>);

impl Routes {
    /// These routes and the others. Routes with one path must be one service, because actix-web answers from the first service with a path.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The entries in the document.
    pub fn documented(&self) -> impl Iterator<Item = &DocumentedRoute> {
        self.0.iter().map(|(documented, _)| documented)
    }

    #[doc(hidden)]
    pub fn open(documented: DocumentedRoute, to: impl FnOnce(Route) -> Route) -> Self {
        // Guards for methods, and not a function, because actix-web's 405 names their methods in `Allow`.
        let names = documented.methods().flat_map(|name| match name {
            "GET" => [Some(Method::GET), Some(Method::HEAD)],
            name => [Method::from_bytes(name.as_bytes()).ok(), None],
        });
        let none = guard::Any(guard::fn_guard(|_| false));
        let methods = names.flatten().fold(none, |methods, method| methods.or(guard::Method(method)));
        let route = to(web::route().guard(methods));
        Self(vec![(documented, route)])
    }

    #[doc(hidden)]
    pub fn guarded(
        documented: DocumentedRoute,
        requirement: &RouteRequirement,
        to: impl FnOnce(Route) -> Route,
    ) -> Self {
        Self::open(documented.guarded(requirement), to)
    }

    #[doc(hidden)]
    pub fn behind(
        documented: DocumentedRoute,
        requirement: RouteRequirement,
        middleware: RequireKey,
        to: impl FnOnce(Route) -> Route,
    ) -> Self {
        let requirement = requirement.behind(middleware.policy());
        Self::guarded(documented, &requirement, |route| to(route).wrap(middleware))
    }
}

impl HttpServiceFactory for Routes {
    fn register(self, config: &mut AppService) {
        let mut resources: Vec<(String, Vec<Route>)> = Vec::new();
        for (documented, route) in self.0 {
            match resources.iter_mut().find(|(path, _)| path == documented.path()) {
                Some((_, routes)) => routes.push(route),
                None => resources.push((documented.path().to_owned(), vec![route])),
            }
        }
        for (path, routes) in resources {
            routes.into_iter().fold(web::resource(path), actix_web::Resource::route).register(config);
        }
    }
}

impl OpenApiFactory for Routes {
    fn paths(&self) -> Paths {
        self.documented().fold(Paths::new(), |mut paths, documented| {
            documented.add_to_paths(&mut paths);
            paths
        })
    }

    fn schemas(&self, schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.extend(self.documented().flat_map(DocumentedRoute::schemas).cloned());
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.documented()).finish()
    }
}
