//! A program that has only ring. README.md has this recipe, and its limit.

#[path = "../../kinde.rs"]
mod kinde;

use rustls::crypto::{CryptoProvider, ring};
use std::panic::catch_unwind;

fn main() {
    kinde::call();
    assert!(CryptoProvider::get_default().is_none(), "the adapter has claimed the provider of the process");
    // The limit: reqwest has TLS but no provider, unless one is installed.
    assert!(catch_unwind(reqwest::Client::new).is_err(), "README.md names a limit that is gone");
    ring::default_provider().install_default().expect("the provider of the process is free");
    let _ = reqwest::Client::new();
    let _ = rustls::ServerConfig::builder().with_no_client_auth();
    kinde::call();
}
