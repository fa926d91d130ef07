//! The soak: does the library keep its promises for minutes, under everything at once, in a release build?
//!
//! `cargo xtask soak` runs it. The Kinde emulator, the reference server on axum and their clients are all in one
//! process, connected by loopback sockets.
//!
//! - [`oracle`] knows the right answer to each request.
//! - [`mixed`] makes all kinds of traffic at once, and the oracle judges every answer.
//! - [`cases`] measures the lines of the resilience table, each with its bound.
//! - [`log`] listens to the log for a case that judges it.

pub mod cases;
pub mod log;
pub mod memory;
pub mod mixed;
pub mod oracle;
pub mod report;
mod switch;
mod world;
