//! What the project tests itself with, and what its users can test against.
//!
//! - [`FakeVerifier`]: answers from a list, for tests of handlers without any network.
//! - [`emulator`]: Kinde's key verification, token and management endpoints on a loopback socket, with or without TLS,
//!   and with faults that tests script: latency, hangs, resets, floods of 429, bodies that are no JSON, for all calls or
//!   for single keys, connections and backends. The binary `kinde-emulator` serves the same thing, without TLS, to
//!   people who develop without a Kinde account.
//! - [`raw`]: an HTTP/1.1 client that sends exactly the bytes it is given, for requests no well-behaved client makes.
//!
//! Nothing here is needed at run time by a protected API.

pub mod emulator;
pub mod raw;
mod verifier;

pub use verifier::FakeVerifier;
