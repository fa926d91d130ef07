//! `cargo xtask test`, which needs curl and jq besides the toolchain, and `cargo xtask ci`, which checks more.

use crate::python_tests::{FASTAPI, GRPCIO};
use crate::{alerts, demo, instructions, msrv, openapi, stores, tools};
use apikey_testkit::servers::Product;
use std::process::ExitCode;
use xtask::cargo::{cargo, exit_code, status};

/// The programs that the tests need.
const PROGRAMS: &[&str] = &["curl", "jq"];

/// The cargo commands that `cargo xtask ci` runs before the tests.
const CHECKS: &[&[&str]] = &[
    &["fmt", "--all", "--check"],
    &["fmt", "--all", "--check", "--manifest-path", "guests/Cargo.toml"],
    &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    &["doc", "--workspace", "--no-deps"],
];

/// The crates that must build alone and without their default features, and the features that they then need.
const ALONE: &[(&str, &str)] = &[
    ("apikey-core", ""),
    ("apikey-core", "metrics"),
    ("apikey-core", "ring,webhooks"),
    ("apikey-axum", ""),
    ("apikey-axum", "openapi"),
    ("apikey-actix", ""),
    ("apikey-rocket", ""),
    ("apikey-warp", ""),
    ("apikey-redis", "ring"),
    ("apikey-testkit", "ring"),
    ("apikey-conformance", "ring"),
];

/// Runs every test of the workspace with the examples in its documentation, then the walk through every reference
/// server. Arguments go to `cargo test`, and then there are no walks. If the programs are there, it also checks the OpenAPI
/// document with them.
///
/// Redis and Valkey are downloaded if they are missing.
pub(crate) fn test(arguments: &[String]) -> Result<ExitCode, String> {
    stores::require(&Product::ALL)?;
    let tested = status(cargo().args(["test", "--workspace"]).args(arguments))?;
    if !tested.success() || !arguments.is_empty() {
        return Ok(exit_code(tested));
    }
    let walked = demo::walk_through_all()?;
    if walked != ExitCode::SUCCESS {
        return Ok(walked);
    }
    openapi::check_if_possible()
}

/// Checks formatting, lints, documentation, the promised Rust versions, instructions, another gRPC client, the probe
/// against FastAPI and the alerts, then runs [`test()`]. It ends at the first failure, and at the start if a package, the older
/// compiler, grpcio, FastAPI, Prometheus, Chromium or what checks the OpenAPI document is missing.
pub(crate) fn ci(arguments: &[String]) -> Result<ExitCode, String> {
    let (install, rest) = tools::take_install(arguments);
    if let Some(argument) = rest.first() {
        return Err(format!("`cargo xtask ci` has the flag --install, but not '{argument}'"));
    }
    tools::require(&[PROGRAMS, instructions::PROGRAMS].concat(), install)?;
    let compiler = msrv::Compiler::find(install)?;
    let (grpcio, fastapi) = (GRPCIO.find(install)?, FASTAPI.find(install)?);
    stores::require(&Product::ALL)?;
    let prometheus = alerts::Programs::find(install)?;
    openapi::require(install)?;
    for check in CHECKS {
        // Only `cargo doc` reads the variable.
        let ended = status(cargo().args(*check).env("RUSTDOCFLAGS", "-D warnings"))?;
        if !ended.success() {
            return Ok(exit_code(ended));
        }
    }
    for (package, features) in ALONE {
        let alone = ["clippy", "--package", package, "--no-default-features", "--features", features];
        let ended = status(cargo().args(alone).args(["--", "-D", "warnings"]))?;
        if !ended.success() {
            return Ok(exit_code(ended));
        }
    }
    let checked = compiler.check()?;
    if checked != ExitCode::SUCCESS {
        return Ok(checked);
    }
    let counted = instructions::gate()?;
    if counted != ExitCode::SUCCESS {
        return Ok(counted);
    }
    for (tests, python) in [(GRPCIO, &grpcio), (FASTAPI, &fastapi)] {
        let called = tests.test(python)?;
        if called != ExitCode::SUCCESS {
            return Ok(called);
        }
    }
    let alerted = alerts::short(&prometheus)?;
    if alerted != ExitCode::SUCCESS {
        return Ok(alerted);
    }
    test(&[])
}
