//! The layer that lets a request pass only if its key satisfies a policy.

mod future;
mod layer;
mod service;

pub use future::ResponseFuture;
pub use layer::RequireLayer;
pub use service::Require;
