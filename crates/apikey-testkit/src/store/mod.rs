//! For stores of a fleet: one in memory, and what every store must promise.
//!
//! - [`MemoryStore`] implements [`FleetStore`](apikey_core::fleet::FleetStore) with a clock that a test moves, and with
//!   faults.
//! - [`store_tests!`](crate::store_tests) makes a test of each promise of a store. [`promises`] says what they are.

mod faults;
mod line;
mod memory;
mod subject;
mod suite;

pub mod promises;

pub use memory::{MemoryStore, StoreCalls};
pub use subject::{StoreSubject, connected};
