//! `cargo xtask test`, which needs the toolchain and nothing else, and `cargo xtask ci`, which also counts instructions.

use crate::cargo::{cargo, exit_code, status};
use crate::{demo, instructions, tools};
use std::process::ExitCode;

/// What `cargo xtask ci` has cargo do before the tests.
const CHECKS: &[&[&str]] = &[
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    &["doc", "--workspace", "--no-deps"],
];

/// The crates that build alone, and without their default features.
const ALONE: &[&str] = &[
    "apikey-core",
    "apikey-axum",
    "apikey-actix",
    "apikey-rocket",
    "apikey-warp",
    "apikey-testkit",
    "apikey-conformance",
];

/// Every test of the workspace, documentation examples included, as `cargo test` runs them; then the walk through every
/// reference server. With arguments, which go to `cargo test`, the walks are left out.
pub(crate) fn test(arguments: &[String]) -> Result<ExitCode, String> {
    let tested = status(cargo().args(["test", "--workspace"]).args(arguments))?;
    if !tested.success() || !arguments.is_empty() {
        return Ok(exit_code(tested));
    }
    demo::walk_through_all()
}

/// Formatting, lints, documentation, instructions, then [`test()`]; the first that fails ends it. Missing packages end it
/// before it has begun.
pub(crate) fn ci(arguments: &[String]) -> Result<ExitCode, String> {
    let (install, rest) = tools::take_install(arguments);
    if let Some(argument) = rest.first() {
        return Err(format!("`cargo xtask ci` takes --install, but not '{argument}'"));
    }
    tools::require(instructions::PROGRAMS, install)?;
    for check in CHECKS {
        // Only `cargo doc` reads the variable.
        let ended = status(cargo().args(*check).env("RUSTDOCFLAGS", "-D warnings"))?;
        if !ended.success() {
            return Ok(exit_code(ended));
        }
    }
    for package in ALONE {
        let alone = ["clippy", "--package", package, "--no-default-features", "--", "-D", "warnings"];
        let ended = status(cargo().args(alone))?;
        if !ended.success() {
            return Ok(exit_code(ended));
        }
    }
    let counted = instructions::gate()?;
    if counted != ExitCode::SUCCESS {
        return Ok(counted);
    }
    test(&[])
}
