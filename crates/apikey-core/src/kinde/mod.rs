//! The client for Kinde's verify endpoint.

mod accepted;
mod age;
mod client;
mod config;
mod domain;
mod errors;
mod fetch;
mod http;
mod json;
mod moment;
mod pool;
mod proxy;
mod question;
mod secret;
mod tls;
mod token;
pub(crate) mod token_answer;
pub(crate) mod wire;

pub use client::KindeVerifier;
pub use config::{KindeSettings, MachineToMachine};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use {config::SettingNames, moment::Moment};
