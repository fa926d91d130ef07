//! A fleet's store on Redis or Valkey.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::string_slice
    )
)]

mod address;
mod builder;
mod check;
mod client;
mod cluster;
mod dial;
mod fault;
mod hints;
mod kept;
mod names;
mod replies;
mod scripts;
mod sentinel;
mod server;
mod servers;
mod slots;
mod store;
mod tls;
mod url;

pub use builder::RedisStoreBuilder;
pub use store::RedisStore;
