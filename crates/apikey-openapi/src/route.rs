//! A route's entry in a document, for frameworks without a router that collects them.

use std::collections::BTreeMap;

use apikey_core::{RouteRequirement, path_template};
use utoipa::openapi::path::{HttpMethod, Operation, Paths};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Components, OpenApi, RefOr};

use crate::complete::{asks, note_conflict, protect};
use crate::operations;

/// What `#[utoipa::path]` says about a handler, and what the handler asks of callers.
#[derive(Clone)]
pub struct DocumentedRoute {
    path: String,
    methods: Vec<HttpMethod>,
    operation: Operation,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl DocumentedRoute {
    /// The route of `P`, which `#[utoipa::path]` generates for a handler.
    #[must_use]
    pub fn of<'t, P>() -> Self
    where
        P: utoipa::Path + utoipa::__dev::Tags<'t> + utoipa::__dev::SchemaReferences,
    {
        let (mut operation, mut schemas) = (P::operation(), Vec::new());
        // A document may have `security` for all operations, which would make this one look guarded.
        operation.security.get_or_insert_default();
        let tags: Vec<String> = P::tags().into_iter().map(str::to_owned).collect();
        if !tags.is_empty() {
            operation.tags.get_or_insert_default().extend(tags);
        }
        P::schemas(&mut schemas);
        Self { path: P::path(), methods: P::methods(), operation, schemas }
    }

    /// The same route, which asks this of callers.
    #[must_use]
    pub fn guarded(mut self, requirement: &RouteRequirement) -> Self {
        protect(&mut self.operation, requirement);
        self
    }

    /// The template of the path, such as `/users/{id}`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The methods, such as `GET`.
    pub fn methods(&self) -> impl Iterator<Item = &'static str> {
        self.methods.iter().map(|method| match method {
            HttpMethod::Get => "GET",
            HttpMethod::Post => "POST",
            HttpMethod::Put => "PUT",
            HttpMethod::Delete => "DELETE",
            HttpMethod::Options => "OPTIONS",
            HttpMethod::Head => "HEAD",
            HttpMethod::Patch => "PATCH",
            HttpMethod::Trace => "TRACE",
        })
    }

    /// The same route at the method and the path of the framework's own route. The path is a template in its words. `None` if OpenAPI has
    /// no such method.
    #[must_use]
    pub fn at(mut self, method: &str, path: &str) -> Option<Self> {
        let method = match method {
            "GET" => HttpMethod::Get,
            "POST" => HttpMethod::Post,
            "PUT" => HttpMethod::Put,
            "DELETE" => HttpMethod::Delete,
            "OPTIONS" => HttpMethod::Options,
            "HEAD" => HttpMethod::Head,
            "PATCH" => HttpMethod::Patch,
            "TRACE" => HttpMethod::Trace,
            _ => return None,
        };
        (self.methods, self.path) = (vec![method], path_template(path));
        Some(self)
    }

    /// Adds the entry to these paths. If they have an entry with its method and path that asks something else of callers,
    /// [`complete`](crate::complete) refuses the document.
    pub fn add_to_paths(&self, paths: &mut Paths) {
        let mut operation = self.operation.clone();
        if let Some(item) = paths.paths.get_mut(&self.path) {
            let mine: Vec<&str> = self.methods().collect();
            let differs = |(method, other): (String, &mut Operation)| {
                mine.contains(&method.as_str()) && asks(other) != asks(&operation)
            };
            if operations::of(item).any(differs) {
                note_conflict(&mut operation);
            }
        }
        paths.add_path_operation(&self.path, self.methods.clone(), operation);
    }

    /// The schemas that the entry names.
    #[must_use]
    pub fn schemas(&self) -> &[(String, RefOr<Schema>)] {
        &self.schemas
    }

    /// Adds the route to a document.
    pub fn add_to(&self, document: &mut OpenApi) {
        self.add_to_paths(&mut document.paths);
        let schemas: BTreeMap<_, _> = self.schemas.iter().cloned().collect();
        document.components.get_or_insert_with(Components::new).schemas.extend(schemas);
    }
}

impl std::fmt::Debug for DocumentedRoute {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "DocumentedRoute({})", self.path)
    }
}

/// The [`DocumentedRoute`] of a handler with `#[utoipa::path]`. Adapters build on it.
#[doc(hidden)]
#[macro_export]
macro_rules! documented_route {
    ($handler:path) => { $crate::documented_route!(@flat $handler) };
    (@flat $($handler:tt)+) => {
        $crate::paste! { $crate::documented_route!(@module [] $($handler)+) }
    };
    (@module [$($module:tt)*] $segment:ident :: $($rest:tt)+) => {
        $crate::documented_route!(@module [$($module)* $segment ::] $($rest)+)
    };
    (@module [$($module:tt)*] $handler:ident) => {
        $crate::paste! { $crate::DocumentedRoute::of::<$($module)* [<__path_ $handler>]>() }
    };
}
