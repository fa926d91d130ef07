//! A fleet: instances of one API that share verifications, limits of attempts, and removals through a store such as
//! Redis.
//!
//! The store holds sealed bytes under opaque names, and decides nothing. Everything that it says is proven here, or
//! counts as if it had said nothing. A request never waits for it longer than 50 ms, and without it each instance
//! works on its own.

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("the feature `fleet` seals with the provider of TLS: turn on `aws-lc-rs` or `ring`, too");

#[cfg_attr(not(test), allow(dead_code))]
mod currency;
mod instance;
mod keys;
#[cfg_attr(not(test), allow(dead_code))]
mod link;
mod provider;
pub(crate) mod seal;
mod secrets;
mod store;
mod wire;

pub(crate) use instance::Instance;
pub(crate) use seal::Sealer;
pub use secrets::SharedSecrets;
pub use store::{
    Entry, FleetStore, Looked, Name, Pulled, Record, StoreError, StoreTime, Taken, Tip, WindowId,
};
