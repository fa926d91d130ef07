//! The layer that lets only requests with a sufficient key pass.

mod future;
mod layer;
mod service;

pub use future::ResponseFuture;
pub use layer::RequireLayer;
pub use service::Require;
