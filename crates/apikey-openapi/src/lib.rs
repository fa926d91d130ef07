//! What API keys and their policies mean in an OpenAPI document, for [`utoipa`]. The feature `openapi` of the adapters has all of
//! it, together with what its framework needs. An application does not name this crate.
//!
//! - [`protect`] notes in an operation what its route asks of callers. A [`RouteRequirement`] is read from the
//!   handler's signature, or from the policy of a layer. So it can't differ from what guards the route.
//! - [`complete`] turns the notes into `security`, and adds the security schemes and the denials. A document that is not completed
//!   names a scheme that it lacks, so tools refuse it.
//! - [`import_problems`] says what Kinde's import of a document would mix up.
//!
//! # What stands in the document
//!
//! Each operation that needs a key has:
//!
//! - `security`: the alternatives of scopes ([`Policy::alternatives`]), each with every place where the authenticator reads keys.
//!   If the key is optional, `{}` is one of them.
//! - `x-apikey-policy`: the policy in words, with what `security` can't say. The code of an organization is not in it, because
//!   documents are public.
//! - `x-apikey-owner`: `organization` and `user`, if no other key satisfies the policy, and `certain-organization`, if
//!   it is bound to one.
//! - `x-apikey-scopes`: what `required_scopes` of a refusal lists, if that is more than the scopes in `security`.
//! - the responses 400, 401, 403, 429, 500 and 503, with an example for each code in the words of the authenticator. If
//!   the operation describes such a status itself, its own description stays.
//!
//! [`Policy::alternatives`]: apikey_core::Policy::alternatives

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

mod complete;
mod denials;
mod import;
mod operations;
mod route;

pub use apikey_core::RouteRequirement;
pub use complete::{complete, protect, protect_all};
pub use import::{ImportProblem, LARGEST_IMPORT, import_problems};
pub use operations::documented;
#[doc(hidden)]
pub use pastey::paste;
pub use route::DocumentedRoute;
