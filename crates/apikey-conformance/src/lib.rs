//! One suite that every framework adapter runs: the same requests over raw sockets, the same answers byte for byte.
//!
//! A server built with the adapter stands on a real socket, the [emulator](apikey_testkit::emulator) behind it on
//! another. Each case compares the status, the exact body and every header that the contract names, present or absent;
//! it counts the calls that reached Kinde; and on every denial it looks for leaked secrets.
//!
//! # Running it on an adapter
//!
//! Serve the routes of [`routes`], implement [`Adapter`], and let [`conformance_tests!`] make
//! one test of each case. This is the whole of a `tests/conformance.rs`, but for the routes:
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
//! `tests/all/reference.rs` of this crate is an adapter over plain hyper to read as a model.
//!
//! # What can be set
//!
//! `APIKEY_CONFORMANCE_SEED`, a number, replaces the fixed seed of the cases that generate header values; a failure
//! names the seed and the value.

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
