//! What Kinde's import of a document would mix up.

use std::collections::BTreeMap;

use apikey_core::{UnnamedOperation, operation_scope};
use serde_json::{Map, Value};

/// The largest file that Kinde imports, in bytes. Kinde says 20 MB; this is the smaller reading of that.
pub const LARGEST_IMPORT: usize = 20_000_000;

/// The members of a path item that are operations (OpenAPI 3.2, section "Path Item Object").
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// Something in a document that Kinde's import does not take, or takes otherwise than its author expects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportProblem {
    /// It is no OpenAPI document in JSON.
    #[error("the file is no OpenAPI document in JSON: {0}")]
    NotADocument(String),
    /// It is larger than Kinde takes.
    #[error("the file has {0} bytes, and Kinde imports at most 20 MB: split the API, or drop examples")]
    TooLarge(usize),
    /// Two operations get one scope.
    #[error(
        "{first} and {second} get one scope, `{scope}`, so a key for one opens the other: rename one of the paths"
    )]
    SameScope {
        /// One operation.
        first: String,
        /// The other one.
        second: String,
        /// The scope.
        scope: String,
    },
    /// It is not known how Kinde names the operation's scope.
    #[error("{operation}: {reason}")]
    Unnamed {
        /// The operation.
        operation: String,
        /// Why.
        reason: UnnamedOperation,
    },
    /// An operation without an `operationId`, which names the tool that agents see.
    #[error("{0} has no operationId, so Kinde's agents get no name for it: add one")]
    NoOperationId(String),
    /// Two operations with one `operationId`.
    #[error("{first} and {second} have one operationId, `{id}`, so agents can't tell them apart: rename one")]
    SameOperationId {
        /// One operation.
        first: String,
        /// The other one.
        second: String,
        /// The `operationId`.
        id: String,
    },
    /// A path whose operations stand in another file or place, which is not read.
    #[error("the operations of {0} are a `$ref`, which is not followed: write them out")]
    Reference(String),
}

impl ImportProblem {
    /// Whether the problem lets keys open other operations than they are for, or none.
    #[must_use]
    pub fn concerns_scopes(&self) -> bool {
        !matches!(self, Self::NoOperationId(_) | Self::SameOperationId { .. })
    }
}

/// Everything that Kinde's import of this document would mix up, in the order of its paths. The document is JSON.
///
/// Kinde makes one scope for each operation ([`operation_scope`]), and agents see one tool for each `operationId`.
///
/// ```
/// use apikey_openapi::import_problems;
///
/// let document = r#"{"openapi": "3.1.0", "paths": {
///     "/users/{id}": {"get": {"operationId": "user"}},
///     "/users/id": {"get": {"operationId": "id"}}
/// }}"#;
/// let problems = import_problems(document);
/// assert_eq!(
///     problems[0].to_string(),
///     "GET /users/id and GET /users/{id} get one scope, `get:users_id`, so a key for one opens the other: rename one of the paths"
/// );
/// ```
#[must_use]
pub fn import_problems(document: &str) -> Vec<ImportProblem> {
    let mut problems = Vec::new();
    if document.len() > LARGEST_IMPORT {
        problems.push(ImportProblem::TooLarge(document.len()));
    }
    let paths = match paths(document) {
        Ok(paths) => paths,
        Err(reason) => {
            problems.push(ImportProblem::NotADocument(reason));
            return problems;
        }
    };
    let (mut scopes, mut ids) = (BTreeMap::<String, String>::new(), BTreeMap::<String, String>::new());
    // Other members are extensions.
    for (path, item) in paths.iter().filter(|(path, _)| path.starts_with('/')) {
        if item.get("$ref").is_some() {
            problems.push(ImportProblem::Reference(path.clone()));
        }
        let named =
            METHODS.into_iter().filter_map(|method| Some((method.to_ascii_uppercase(), item.get(method)?)));
        let others = item.get("additionalOperations").and_then(Value::as_object).into_iter().flatten();
        for (method, value) in named.chain(others.map(|(method, value)| (method.clone(), value))) {
            let operation = format!("{method} {path}");
            match operation_scope(&method, path) {
                Err(reason) => problems.push(ImportProblem::Unnamed { operation: operation.clone(), reason }),
                Ok(scope) => match scopes.get(&scope) {
                    Some(first) => {
                        let (first, second) = (first.clone(), operation.clone());
                        problems.push(ImportProblem::SameScope { first, second, scope });
                    }
                    None => drop(scopes.insert(scope, operation.clone())),
                },
            }
            match value.get("operationId").and_then(Value::as_str).filter(|id| !id.is_empty()) {
                None => problems.push(ImportProblem::NoOperationId(operation)),
                Some(id) => match ids.get(id) {
                    Some(first) => {
                        let (first, id) = (first.clone(), id.to_owned());
                        problems.push(ImportProblem::SameOperationId { first, second: operation, id });
                    }
                    None => drop(ids.insert(id.to_owned(), operation)),
                },
            }
        }
    }
    problems
}

fn paths(document: &str) -> Result<Map<String, Value>, String> {
    let document: Value = serde_json::from_str(document).map_err(|error| error.to_string())?;
    if document.get("openapi").or_else(|| document.get("swagger")).is_none() {
        return Err("it has neither `openapi` nor `swagger`".to_owned());
    }
    match document.get("paths") {
        None => Ok(Map::new()),
        Some(Value::Object(paths)) => Ok(paths.clone()),
        Some(_) => Err("`paths` is no object".to_owned()),
    }
}
