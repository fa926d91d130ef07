//! A program that takes reqwest without features, as for plain HTTP. The adapter turns on TLS in reqwest.

#[path = "../../kinde.rs"]
mod kinde;

fn main() {
    // It panics if reqwest has TLS without a provider.
    let _ = reqwest::Client::new();
    kinde::call();
    let _ = reqwest::Client::new();
}
