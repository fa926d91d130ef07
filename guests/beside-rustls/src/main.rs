//! A server that takes rustls as it comes.

#[path = "../../kinde.rs"]
mod kinde;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

fn main() {
    kinde::call();
    assert!(CryptoProvider::get_default().is_none(), "the adapter has claimed the provider of the process");
    // Both panic if rustls has two providers and the program has not chosen one.
    let _ = ServerConfig::builder().with_no_client_auth();
    let _ = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    kinde::call();
}
