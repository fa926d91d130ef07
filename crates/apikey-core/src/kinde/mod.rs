//! The client for Kinde's verify endpoint.

mod client;
mod config;
mod domain;
mod http;
mod proxy;
mod secret;
mod token;
pub(crate) mod wire;

pub use client::KindeVerifier;
pub use config::{KindeSettings, MachineToMachine};
