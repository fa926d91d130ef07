//! The client for Kinde's verify endpoint.

mod accepted;
mod age;
mod client_factory;
mod config;
mod dial;
mod domain;
mod endpoint;
mod errors;
mod fetch;
mod health_check;
mod http;
mod json;
mod moment;
mod pool;
mod proxy;
mod secret;
mod setting_names;
mod tls;
mod token;
pub(crate) mod token_answer;
mod verifier;
pub(crate) mod wire;

pub use config::{KindeSettings, MachineToMachine};
pub use verifier::KindeVerifier;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use {moment::Moment, setting_names::SettingNames};
