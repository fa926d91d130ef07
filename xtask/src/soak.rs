//! `cargo xtask soak`: builds the soak in release and runs it.

use std::process::ExitCode;
use xtask::cargo::{cargo, exit_code, status};

/// The arguments are the soak's. Its `--help` lists them.
pub(crate) fn soak(arguments: &[String]) -> Result<ExitCode, String> {
    let mut command = cargo();
    command.args(["run", "--release", "--package", "apikey-soak", "--", "--json", "target/soak.json"]);
    Ok(exit_code(status(command.args(arguments))?))
}
