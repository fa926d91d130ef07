//! The program, as people run it, against an emulated Kinde over sockets.

mod support;

mod config;
mod key;
mod openapi;
mod server;
mod tenant;
