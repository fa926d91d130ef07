//! The soak: does the library keep its promises for minutes on end, under everything at once, and in release?
//!
//! `cargo xtask soak` runs it. All of it happens in one process and over loopback sockets: the Kinde emulator, the reference
//! server on axum, and their clients.
//!
//! - [`oracle`] knows which request deserves which answer;
//! - [`mixed`] makes all sorts of traffic at once, and has the oracle judge every answer;
//! - [`cases`] are the lines of the resilience table, each with its bound and what was measured.

pub mod cases;
pub mod memory;
pub mod mixed;
pub mod oracle;
pub mod report;
mod switch;
mod world;
