//! Fleets on a real Redis or Valkey: instances in this process, and the reference servers in front of them.

mod instances;
mod kinde;
mod servers;

pub use instances::{Builder, instance, store, until, until_linked};
pub use kinde::Kinde;
pub use servers::{Framework, Server};
