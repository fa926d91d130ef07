//! Tests of the example over real sockets.

mod generated;
mod keys;
mod refusals;
mod servers;
mod streams;
mod web;
mod world;
