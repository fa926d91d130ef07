//! A fleet: instances of one API that share verifications, limits of attempts, and removals through a store such as
//! Redis.
//!
//! The store holds sealed bytes under opaque names, and decides nothing. Everything that it says is proven here, or
//! counts as if it had said nothing. A request never waits for it longer than 50 ms, and without it each instance
//! works on its own.

mod store;

pub use store::{
    Entry, FleetStore, Looked, Name, Pulled, Record, StoreError, StoreTime, Taken, Tip, WindowId,
};
