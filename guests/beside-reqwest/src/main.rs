//! A program that takes reqwest as it comes.

#[path = "../../kinde.rs"]
mod kinde;

fn main() {
    let _ = reqwest::Client::new();
    kinde::call();
    let _ = reqwest::Client::new();
}
