//! The scope that Kinde makes for an operation of an imported OpenAPI document.

use std::borrow::Cow;

use super::{Policy, Requirement};
use crate::config_error::ConfigError;

/// Kinde shortens a longer name, in a way that it does not document.
pub const LONGEST_OPERATION_SCOPE: usize = 64;

/// What stands for the scope of [`Policy::kinde_operation`] while the operation is not known. No key carries it, because
/// it is no scope (RFC 6749, section 3.3).
pub const UNNAMED_OPERATION: &str = "{kinde operation}";

/// Why it is not known how Kinde names the scope of an operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnnamedOperation {
    /// The name is longer than 64 characters.
    #[error(
        "the scope `{0}` has more than 64 characters, and Kinde does not document how it shortens such names: shorten the path"
    )]
    TooLong(String),
    /// The path has a character that is not ASCII.
    #[error("the path `{0}` is not ASCII, and Kinde does not document how it names such operations")]
    NotAscii(String),
    /// Nothing of the path is left in the name.
    #[error(
        "the path `{0}` has neither a letter nor a digit, and Kinde does not document how it names such operations"
    )]
    NoLetter(String),
}

impl Policy {
    /// The key carries the scope that Kinde makes for the operation that the request asks for, when it imports the OpenAPI
    /// document of this API. For `GET /users/{userId}` that is `get:users_userid` (Kinde's documentation of imports).
    ///
    /// The operation is the method and the template of the route whose handler answers. axum, actix-web and Rocket tell the route
    /// to extractors, and to a layer around one route. actix-web tells it neither to a middleware around a scope or an app, nor for the
    /// second of several patterns of one resource. `HEAD` asks for the scope of `GET`.
    ///
    /// If the route is not certain, or if it is not known how Kinde names its scope, a good key gets a 500, and the log says what
    /// to change. For warp, which tells no route, use [`kinde_operation_of`](Self::kinde_operation_of).
    ///
    /// Two operations can get one name, such as `/a-b` and `/a_b`. Then a key for one opens the other. The
    /// feature `openapi` of the adapters refuses such a document at start-up.
    ///
    /// ```
    /// use apikey_core::Policy;
    ///
    /// let policy = Policy::kinde_operation().for_operation("GET", "/users/{userId}")?;
    /// assert_eq!(policy, Policy::scope("get:users_userid"));
    /// # Ok::<(), apikey_core::UnnamedOperation>(())
    /// ```
    #[must_use]
    pub const fn kinde_operation() -> Self {
        Self(Requirement::KindeOperation)
    }

    /// The key carries the scope that Kinde makes for this operation. The path is as in the OpenAPI document, such as
    /// `/users/{userId}`.
    ///
    /// # Errors
    /// [`ConfigError`], if it is not known how Kinde names the scope.
    ///
    /// ```
    /// use apikey_core::Policy;
    ///
    /// assert_eq!(Policy::kinde_operation_of("POST", "/users")?, Policy::scope("post:users"));
    /// # Ok::<(), apikey_core::ConfigError>(())
    /// ```
    pub fn kinde_operation_of(method: &str, path: &str) -> Result<Self, ConfigError> {
        let scope = operation_scope(method, path)
            .map_err(|unnamed| ConfigError::new("kinde_operation_of", unnamed.to_string()))?;
        Ok(Self::scope(scope))
    }

    /// Whether the policy, or a part of it, is [`kinde_operation`](Self::kinde_operation).
    #[must_use]
    pub fn asks_for_operation(&self) -> bool {
        match &self.0 {
            Requirement::KindeOperation => true,
            Requirement::All(policies) | Requirement::Any(policies) => {
                policies.iter().any(Self::asks_for_operation)
            }
            _ => false,
        }
    }

    /// This policy with the scope of this operation, or of its `GET` for `HEAD`, in place of each [`kinde_operation`](Self::kinde_operation). The path
    /// is a template in the words of any of the frameworks.
    ///
    /// # Errors
    /// [`UnnamedOperation`], if the policy needs the scope, and it is not known how Kinde names it.
    pub fn for_operation(&self, method: &str, path: &str) -> Result<Self, UnnamedOperation> {
        let parts = |policies: &[Self]| -> Result<Cow<'static, [Self]>, UnnamedOperation> {
            policies.iter().map(|policy| policy.for_operation(method, path)).collect()
        };
        Ok(Self(match &self.0 {
            Requirement::KindeOperation => {
                let method = if method.eq_ignore_ascii_case("HEAD") { "GET" } else { method };
                Requirement::Scope(operation_scope(method, &path_template(path))?.into())
            }
            Requirement::All(policies) => Requirement::All(parts(policies)?),
            Requirement::Any(policies) => Requirement::Any(parts(policies)?),
            other => other.clone(),
        }))
    }
}

/// The scope that Kinde makes for an operation (Kinde's documentation of imports): `{method}:{path}` in lower case. Braces
/// and slashes at the beginning are dropped, and `_` stands for every other character that is not a letter or a digit.
///
/// The path is as in the document. [`path_template`] makes it of a framework's own template.
///
/// # Errors
/// [`UnnamedOperation`], if Kinde's documentation does not say what the name is.
pub fn operation_scope(method: &str, path: &str) -> Result<String, UnnamedOperation> {
    if !path.is_ascii() {
        return Err(UnnamedOperation::NotAscii(path.to_owned()));
    }
    let name: String = path
        .chars()
        .filter(|character| !matches!(character, '{' | '}'))
        .map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' })
        .collect();
    let name = name.trim_start_matches('_');
    if name.is_empty() {
        return Err(UnnamedOperation::NoLetter(path.to_owned()));
    }
    let scope = format!("{}:{name}", method.to_ascii_lowercase());
    if scope.len() > LONGEST_OPERATION_SCOPE { Err(UnnamedOperation::TooLong(scope)) } else { Ok(scope) }
}

/// A framework's template in the words of OpenAPI: `{*rest}` (axum), `{id:[0-9]+}` (actix-web), `<id>` and `<rest..>` (Rocket),
/// `:id` and `*rest` become `{rest}`, `{id}`, `{id}`, `{rest}`, `{id}` and `{rest}`. A query is dropped.
#[must_use]
pub fn path_template(route: &str) -> String {
    let mut template = String::with_capacity(route.len());
    let mut rest = route.chars();
    while let Some(character) = rest.next() {
        match character {
            // A `{` in the pattern of a parameter has its own `}`.
            '{' => {
                let mut depth = 1_usize;
                let parameter: String = rest
                    .by_ref()
                    .take_while(|character| {
                        match character {
                            '{' => depth += 1,
                            '}' => depth -= 1,
                            _ => {}
                        }
                        depth > 0
                    })
                    .collect();
                push_parameter(&mut template, parameter.split(':').next().unwrap_or_default());
            }
            '<' => {
                let parameter: String = rest.by_ref().take_while(|character| *character != '>').collect();
                push_parameter(&mut template, &parameter);
            }
            // A parameter in older templates, such as poem's.
            ':' | '*' if template.ends_with('/') => {
                let name: String = rest.clone().take_while(|character| *character != '/').collect();
                let _ = rest.by_ref().take(name.chars().count()).count();
                push_parameter(&mut template, &name);
            }
            '?' => break,
            other => template.push(other),
        }
    }
    template
}

fn push_parameter(template: &mut String, name: &str) {
    let name = name.trim().trim_start_matches('*').trim_end_matches("..");
    template.push('{');
    template.push_str(name);
    template.push('}');
}

#[cfg(test)]
mod tests;
