//! The soak of a fleet: does it keep its promises while its store, its network and its instances fail?
//!
//! `cargo xtask fleet` runs it. Three reference applications, each on another framework and in a process of its own, share a
//! real Redis. Each reaches it through a proxy that can fail. The Kinde emulator, the clients and the proxies are in the
//! tool's process. Every instance notes each decision, on one monotonic clock. When a case has ended, the [`checker`]
//! reads all that and says what was wrong.

pub mod cases;
pub mod checker;
pub mod clock;
mod faketime;
pub mod history;
mod instance;
mod proxy;
pub mod report;
mod secrecy;
pub mod server;
mod traffic;
mod world;
