//! The promises about axum and tower. The conformance suite has those that all adapters share.

mod addresses;
mod allocations;
mod attached;
mod conformance;
mod guest;
mod layer;
mod routes;
mod state;
mod sub_requests;
mod web_socket;
mod world;
