//! Bytes that stay what they are: another release, and another provider, must read them and find the same names.

use super::*;

#[test]
fn print_vectors() {
    let sealer = sealer(&[OLD, NEW]);
    let name = sealer.entry_names(&key("k_live_1234567890abcdef")).first;
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    println!("entry name {}", digits(&name.0));
}
