//! Tests on real servers. `cargo xtask test --install` downloads them.

mod suite;
