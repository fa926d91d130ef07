//! The conformance suite, and what is Rocket's own.

mod allocations;
mod catchers;
mod changed_keys;
mod conformance;
mod group_options;
mod guards;
mod guest;
mod launch;
mod require;
mod server;
mod uploads;
mod verified_key;
mod world;
