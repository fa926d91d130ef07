//! `cargo xtask fleet`: builds the soak of a fleet and runs it.

use std::process::ExitCode;

use apikey_testkit::servers::Product;
use xtask::cargo::{cargo, exit_code, root, status};

use crate::{stores, tools};

/// Debian's package of a library that gives a server another clock.
const FAKETIME: &str = "libfaketime";

/// The arguments are the soak's. Its `--help` lists them. If Redis, Valkey or `libfaketime` is missing, it is downloaded into
/// `target`.
pub(crate) fn fleet(arguments: &[String]) -> Result<ExitCode, String> {
    stores::require(&Product::ALL)?;
    let folder = root().join("target/faketime");
    if tools::can_install() && !folder.exists() {
        tools::unpack(&[FAKETIME.to_owned()], &folder)?;
    }
    // It judges decisions and seconds, so that a build without optimisations is fast enough.
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "apikey-fleet-soak", "--"]);
    Ok(exit_code(status(command.args(arguments))?))
}
