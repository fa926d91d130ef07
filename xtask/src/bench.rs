//! `cargo xtask bench`: builds the benchmarks with optimisation and has them run. What they need is no part of this program.

use crate::cargo::{build, exit_code, root, status};
use std::process::{Command, ExitCode};

const PACKAGE: &str = "apikey-bench";

const HELP: &str = "\
cargo xtask bench [--quick] [--rounds N] [--seconds N] [filter]...

Measures over HTTP what a guard costs, against the bare route and a middleware written by hand. It needs wrk, which it
installs as root on a Debian-like system. A filter is a part of a name such as cached/axum: the scenarios are cached,
flood, slow, zipf (on axum), cold and stampede. --quick takes three minutes on two cores, everything about ten. The table
is also written as JSON and SVG to target/bench. Bounds that are broken are shown; the exit code is 1 only where
something could not be measured.
";

/// Builds and runs; the exit code is the benchmarks'.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let program = build(PACKAGE, &["--release"])?;
    let directory = root().join("target").join("bench");
    let mut bench = Command::new(program);
    bench.arg("run").arg("--directory").arg(directory).args(arguments);
    Ok(exit_code(status(&mut bench)?))
}
