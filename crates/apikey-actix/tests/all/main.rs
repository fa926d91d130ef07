//! What all adapters have in common, as the conformance suite has it, and what is actix's own.

mod addresses;
mod allocations;
mod attached;
mod changed_keys;
mod conformance;
mod extractors;
mod guest;
mod middleware;
mod operations;
mod removal;
mod server;
mod workers;
mod world;
