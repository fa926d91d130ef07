//! A program with both providers. It chooses one itself.

#[path = "../../kinde.rs"]
mod kinde;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};

fn main() {
    kinde::call();
    let _ = reqwest::Client::new();
    assert!(CryptoProvider::get_default().is_none(), "the adapter has claimed the provider of the process");
    ring::default_provider().install_default().expect("the provider of the process is still free");
    let _ = ServerConfig::builder().with_no_client_auth();
    let _ = reqwest::Client::new();
    kinde::call();
}
