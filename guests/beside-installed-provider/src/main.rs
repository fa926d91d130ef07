//! A program that has installed a provider of its own.

#[path = "../../kinde.rs"]
mod kinde;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::Arc;

fn main() {
    // Nobody can connect with it, so the call below proves that the adapter has its own.
    let installed = CryptoProvider { cipher_suites: Vec::new(), ..aws_lc_rs::default_provider() };
    installed.install_default().expect("the provider of the process is free");
    let before = Arc::clone(CryptoProvider::get_default().expect("a provider is installed"));
    kinde::call();
    let after = CryptoProvider::get_default().expect("a provider is installed");
    assert!(Arc::ptr_eq(&before, after), "the adapter has replaced the provider of the process");
}
