//! An adapter for [poem](https://docs.rs/poem), written by the page "Write an adapter" of `CONTRIBUTING.md` and held to the
//! conformance suite. It proves the page. It does not ship.
//!
//! ```
//! use adapter_poem::{ApiKey, Authenticator, Policy, Scoped, Verifier, scopes};
//! use poem::{Endpoint, EndpointExt as _, Route, get, handler};
//!
//! scopes! { ReadUsers = "read:users"; }
//!
//! #[handler]
//! fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//!
//! #[handler]
//! fn users(_: Scoped<ReadUsers>) -> &'static str { "users" }
//!
//! #[handler]
//! fn admin() -> &'static str { "for administrators" }
//!
//! fn app(verifier: impl Verifier) -> Result<impl Endpoint, adapter_poem::ConfigError> {
//!     let keys = Authenticator::builder(verifier).build()?;
//!     Ok(Route::new()
//!         .at("/me", get(me))
//!         .at("/users", get(users))
//!         .at("/admin", get(admin).with(keys.require(Policy::all(["admin"]))))
//!         .with(keys)) // gives every request its memo, so that extractors find the authenticator
//! }
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod extract;
mod memo;
mod rejection;
mod request;
mod require;

pub use apikey_core::application::*;
pub use extract::{ApiKey, MaybeApiKey, Scoped};
pub use rejection::Rejection;
pub use require::{Require, RequireEndpoint};

apikey_core::adapter_authenticator! {
    /// The value that every extractor and middleware asks. Build it once.
    ///
    /// It is a middleware itself: give it to `with` around the whole app, so that extractors find it.
    Authenticator;
}
