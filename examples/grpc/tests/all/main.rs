//! Tests of the example over real sockets.

mod generated;
mod grpcio;
mod keys;
mod recipe;
mod refusals;
mod servers;
mod streams;
mod web;
mod world;
