//! `cargo xtask bench`: builds the benchmarks with optimisation and runs them. They are programs of their own, so
//! this one does not depend on what they need.

use crate::tools;
use std::path::Path;
use std::process::{Command, ExitCode};
use xtask::cargo::{build, exit_code, root, status};

const PACKAGE: &str = "apikey-bench";
/// The programs that measurements over HTTP need.
pub(crate) const PROGRAMS: &[&str] = &["wrk"];
/// The filter for the core alone.
const CORE: &str = "core";

const HELP: &str = "\
cargo xtask bench [--quick] [--rounds N] [--seconds N] [filter]...

Measures what a decision of the core costs (core), and what a guard costs over HTTP, compared with the bare route, with
a guard that only reads the header and the client's address (no-op), with the least that a guard with a cache does
(least-cached), and with a hand-written middleware. The measurements over HTTP need wrk. With --install, this command
installs it as root on Debian or Ubuntu.

A filter is a part of a name such as cached/axum. The scenarios are core; cached, cold and stampede on every framework;
and flood, slow and zipf on axum. In cached, servers run on all cores, which the load shares. In the others, they have a
core to themselves. On two cores everything takes 23 minutes, --quick takes four.

The tables are also written to target/bench, as JSON and SVG. The report shows broken bounds. The exit code is 1 only if
something could not be measured.
";

/// Builds and runs the benchmarks. The exit code is theirs.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let (install, arguments) = tools::take_install(arguments);
    let directory = root().join("target").join("bench");
    let over_http: Vec<&String> = arguments.iter().filter(|argument| *argument != CORE).collect();
    let is_filter = |argument: &str| argument.starts_with(char::is_alphabetic);
    let measures_core = over_http.len() < arguments.len() || !arguments.iter().any(|a| is_filter(a));
    let measures_http = over_http.len() == arguments.len() || over_http.iter().any(|a| is_filter(a));
    if measures_http {
        tools::require(PROGRAMS, install)?;
    }
    if measures_core {
        let ended = core(&directory, arguments.iter().any(|argument| argument == "--quick"))?;
        if ended != ExitCode::SUCCESS {
            return Ok(ended);
        }
    }
    if !measures_http {
        return Ok(ExitCode::SUCCESS);
    }
    let program = build(PACKAGE, &["--release"])?;
    let mut bench = Command::new(program);
    bench.arg("run").arg("--directory").arg(directory).args(over_http);
    Ok(exit_code(status(&mut bench)?))
}

fn core(directory: &Path, is_quick: bool) -> Result<ExitCode, String> {
    let program = build("decision-bench", &["--release"])?;
    std::fs::create_dir_all(directory)
        .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    let mut compare = Command::new(program);
    compare.arg("compare").arg("--json").arg(directory.join("core.json"));
    if is_quick {
        compare.arg("--quick");
    }
    Ok(exit_code(status(&mut compare)?))
}
