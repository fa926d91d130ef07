//! No code: `cargo xtask msrv` builds the dependencies.
