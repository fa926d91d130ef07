//! Test doubles for APIs that Kinde API keys protect.
//!
//! - [`FakeVerifier`] answers from a list. Use it to test handlers without a network.
//! - [`emulator`] serves Kinde's verify, token and management endpoints on a loopback socket, with or without TLS, and
//!   signs webhooks.
//!   Tests script its faults: latency, hangs, resets, floods of 429, bodies that are not JSON, for all calls or for
//!   single keys, connections and backends. The binary `kinde-emulator` serves the same without TLS, for people who
//!   develop without a Kinde account.
//! - [`raw`] is an HTTP/1.1 client that sends exactly the bytes that a test gives it. Use it for requests that a
//!   well-behaved client does not make.
//! - [`probe`] checks that a running server, in any language, guards its routes as its OpenAPI document says.
//! - `store` (feature `fleet`): a store of a fleet in memory with scripted faults, and tests of what every store must
//!   promise. `servers` starts Redis and Valkey for such tests.
//!
//! A protected API needs nothing of this at run time.

pub mod emulator;
pub mod probe;
pub mod raw;
#[cfg(feature = "fleet")]
pub mod servers;
#[cfg(feature = "fleet")]
pub mod store;
mod verifier;

pub use verifier::FakeVerifier;
