//! The conformance suite on warp, and what is warp's own.

mod addresses;
mod allocations;
mod branches;
mod conformance;
mod once;
mod recovery;
mod refusals;
mod removal;
mod state;
mod sub_requests;
mod world;
