//! Runs the soak of a fleet, or one instance of it. `cargo xtask fleet` builds and starts it.

fn main() {}
