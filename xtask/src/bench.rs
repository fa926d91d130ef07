//! `cargo xtask bench`: builds the benchmarks with optimisation and runs them. They are programs of their own, so
//! this one does not depend on what they need.

use crate::{stores, tools};
use apikey_testkit::servers::Product;
use std::path::Path;
use std::process::{Command, ExitCode};
use xtask::cargo::{build, exit_code, root, status};

const PACKAGE: &str = "apikey-bench";
/// The programs that measurements over HTTP need.
pub(crate) const PROGRAMS: &[&str] = &["wrk"];
/// The filter for the core alone.
const CORE: &str = "core";
/// The filter for a fleet on Redis.
const FLEET: &str = "fleet";

const HELP: &str = "\
cargo xtask bench [--quick] [--rounds N] [--seconds N] [filter]...

Measures what a decision of the core costs (core), what a fleet on Redis costs Kinde and Redis (fleet), and what a guard
costs over HTTP, compared with the bare route, with a guard that only reads the header and the client's address (no-op),
with the least that a guard with a cache does (least-cached), and with a hand-written middleware. The measurements over
HTTP need wrk. With --install, this command installs it as root on Debian or Ubuntu. The fleet needs Redis, which is
downloaded into target if it is missing.

A filter is a part of a name such as cached/axum. The scenarios are core; fleet; cached, cold and stampede on every
framework; and flood, slow and zipf on axum. In cached, servers run on all cores, which the load shares. In the others,
they have a core to themselves. On two cores everything takes 27 minutes, --quick takes six.

The tables are also written to target/bench, as JSON and SVG. The report shows broken bounds. The exit code is 1 if
something could not be measured, or if a bound of the fleet is broken, because that counts calls and no time.
";

/// Builds and runs the benchmarks. The exit code is theirs.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let (install, arguments) = tools::take_install(arguments);
    let directory = root().join("target").join("bench");
    let is_filter = |argument: &str| argument.starts_with(char::is_alphabetic);
    let is_over_http = |argument: &str| argument != CORE && argument != FLEET;
    let measures_all = !arguments.iter().any(|argument| is_filter(argument));
    let measures = |name: &str| measures_all || arguments.iter().any(|argument| argument == name);
    let over_http: Vec<&String> = arguments.iter().filter(|argument| is_over_http(argument)).collect();
    let measures_http = measures_all || over_http.iter().any(|argument| is_filter(argument));
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    if measures_http {
        tools::require(PROGRAMS, install)?;
    }
    if measures(FLEET) {
        stores::require(&[Product::Redis])?;
    }
    for (name, package, command) in [(CORE, "decision-bench", Some("compare")), (FLEET, "fleet-bench", None)]
    {
        if measures(name) {
            let ended = in_process(package, command, &directory.join(format!("{name}.json")), is_quick)?;
            if ended != ExitCode::SUCCESS {
                return Ok(ended);
            }
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

/// Measures what needs no load over HTTP.
fn in_process(
    package: &str,
    command: Option<&str>,
    report: &Path,
    is_quick: bool,
) -> Result<ExitCode, String> {
    let mut bench = Command::new(build(package, &["--release"])?);
    let directory = report.parent().unwrap_or(report);
    std::fs::create_dir_all(directory)
        .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    bench.args(command).arg("--json").arg(report);
    if is_quick {
        bench.arg("--quick");
    }
    Ok(exit_code(status(&mut bench)?))
}
