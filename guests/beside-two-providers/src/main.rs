//! A program with both providers. Without a choice of its own, rustls panics, with or without an adapter.

#[path = "../../kinde.rs"]
mod kinde;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use std::panic::catch_unwind;

fn main() {
    kinde::call();
    let _ = reqwest::Client::new();
    assert!(CryptoProvider::get_default().is_none(), "the adapter has claimed the provider of the process");
    assert!(catch_unwind(ServerConfig::builder).is_err(), "README.md names a limit that is gone");
    ring::default_provider().install_default().expect("the provider of the process is still free");
    let _ = ServerConfig::builder().with_no_client_auth();
    let _ = reqwest::Client::new();
    kinde::call();
}
