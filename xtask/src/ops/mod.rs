//! Reads the files of `ops/`.

pub mod alert_rules;
pub mod dashboard;
pub mod faults;

use std::path::PathBuf;

use crate::cargo::root;

/// The path of a file in `ops/`.
#[must_use]
pub fn file(name: &str) -> PathBuf {
    root().join("ops").join(name)
}

/// The text of a file in `ops/`.
///
/// # Errors
/// If it can't be read.
pub fn read(name: &str) -> Result<String, String> {
    let file = file(name);
    std::fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}
