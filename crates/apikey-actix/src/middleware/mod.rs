//! The middleware that lets only requests with a sufficient key pass, and the one that only takes credentials out.

mod removal;
mod remove;
mod require;
mod service;

pub use remove::RemoveCredentials;
pub use require::RequireKey;
