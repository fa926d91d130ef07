//! What is axum's and tower's own; what all adapters have in common is in the conformance suite.

mod allocations;
mod attached;
mod conformance;
mod layer;
mod state;
mod sub_requests;
mod world;
