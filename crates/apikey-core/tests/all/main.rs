//! What the core promises, tested over real sockets against the Kinde emulator.

mod support;

mod allocations;
mod batch;
mod binding;
mod cache;
mod calls;
mod config;
mod flights;
mod gate;
mod generations;
mod health_check;
mod inspection;
mod kinde_client;
mod memo;
mod network;
mod observers;
mod operations;
mod overload;
mod resilience;
mod route_options;
mod statistics;
mod tokens;
mod worker;
