//! A conformance suite for framework adapters: the same requests over raw sockets must get the same answers, byte for
//! byte.
//!
//! A server with the adapter listens on a real socket, and the [emulator](apikey_testkit::emulator) behind it on
//! another one. Each case compares the status, the exact body and every header that the contract names, present or
//! absent. It counts the calls that reach Kinde, and it searches every denial for secrets.
//!
//! # How to run it on an adapter
//!
//! Serve the routes of [`routes`], implement [`Adapter`], and let [`conformance_tests!`] make one test of each case.
//! Except for the routes, this is a whole `tests/conformance.rs`:
//!
//! ```
//! use apikey_core::Authenticator;
//! use apikey_conformance::{Adapter, RunningServer};
//!
//! struct MyFramework;
//!
//! impl Adapter for MyFramework {
//!     async fn start(authenticator: Authenticator) -> RunningServer {
//!         let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
//!         let address = listener.local_addr().unwrap();
//!         let server = tokio::spawn(async move {
//!             // Serve `listener` with the routes of `apikey_conformance::routes`, protected by ...
//!             drop((listener, authenticator));
//!         });
//!         RunningServer::new(address, move || server.abort())
//!     }
//! }
//!
//! apikey_conformance::conformance_tests!(MyFramework);
//! ```
//!
//! `tests/all/reference.rs` of this crate is a complete adapter over plain hyper.
//!
//! # Settings
//!
//! The environment variable `APIKEY_CONFORMANCE_SEED`, a number, replaces the fixed seed of the cases that generate
//! header values. A failed case prints the seed and the value.

mod adapter;
#[doc(hidden)]
pub mod cases;
mod client;
mod expected;
mod grammar;
mod key;
pub mod routes;
mod secrets;
mod steps;
mod suite;
mod world;

pub use adapter::{Adapter, Differences, RunningServer, Subject, run};
