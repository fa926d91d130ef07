//! The client for Kinde's verify endpoint.

mod accepted;
mod addresses;
mod age;
mod api_id;
mod api_key_response;
mod api_keys_url;
mod binding;
mod client_factory;
mod config;
mod dial;
mod domain;
mod endpoint;
mod environment;
mod errors;
mod fetch;
mod health_check;
mod http;
mod inspection;
pub(crate) mod json;
#[cfg(feature = "webhooks")]
mod key_set_fetch;
pub(crate) mod meaning;
mod noted_call;
mod pool;
mod proxy;
mod retry_after;
mod secret;
mod setting_names;
pub(crate) mod status;
mod tls;
mod token;
pub(crate) mod token_response;
pub(crate) mod variables;
mod verifier;
pub(crate) mod verify_response;

pub use config::{KindeSettings, MachineToMachine};
pub use inspection::{InspectionToken, KindeInspection, KindeResponse};
#[cfg(feature = "webhooks")]
pub(crate) use key_set_fetch::KeySetFetcher;
pub use verifier::KindeVerifier;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use {retry_after::RetryAfter, setting_names::SettingNames};
