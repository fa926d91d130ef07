//! A fleet: instances of one API that share verifications, limits of attempts, and removals through a store such as
//! Redis.
//!
//! The store holds sealed bytes under opaque names, and decides nothing. Everything that it says is proven here, or
//! counts as if it had said nothing. A request never waits for it longer than 50 ms, and without it each instance
//! works on its own.
//!
//! [`AuthenticatorBuilder::shared`](crate::AuthenticatorBuilder::shared) makes an authenticator one of a fleet.
//! `docs/fleet.md` in the repository says what it promises, and with which bounds.
//!
//! What the modules do:
//!
//! - `instance` has the tasks that read and write the log of removals, and answers the questions of verifications.
//! - `link` has the rules: whether this instance is up to date, and whether an entry may be believed. It does no I/O.
//! - `seal`, `wire`, `keys` and `secrets` name and seal what is stored.

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("the feature `fleet` seals with the provider of TLS: turn on `aws-lc-rs` or `ring`, too");

#[cfg(test)]
mod broken;
mod health;
mod instance;
mod keys;
mod link;
#[cfg(test)]
mod model;
mod provider;
pub(crate) mod seal;
mod secrets;
#[cfg(test)]
mod simulation;
mod store;
mod wire;

pub(crate) use instance::Instance;
pub(crate) use seal::Sealer;
pub use secrets::SharedSecrets;
pub use store::{
    Entry, FleetStore, Looked, Name, Pulled, Record, StoreError, StoreTime, Taken, Tip, WindowId,
};
