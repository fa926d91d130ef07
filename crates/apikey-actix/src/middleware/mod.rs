//! The middleware that lets only requests with a sufficient key pass, and the one that only takes credentials out.

mod future;
mod remove;
mod require;

pub use future::ResponseFuture;
pub use remove::{RemoveCredentials, RemoveCredentialsMiddleware};
pub use require::{RequireKey, RequireKeyMiddleware};
