//! `cargo xtask long`: the checks that take longer than the tests.

use std::process::{Command, ExitCode, Stdio};

use apikey_testkit::servers::Product;
use serde_json::Value;

use crate::{alerts, bench, fleet, openapi, soak, stores, tools};
use xtask::cargo::{cargo, exit_code, root, status};

/// How to install what the mutation check needs.
const ADVICE: &str = "the mutation check needs cargo-mutants. Install it with `cargo install cargo-mutants --locked` and run \
                      this again";

/// How many schedules of a fleet are simulated.
const SCHEDULES: &str = "10000";

/// Runs the soak with its table, the soak of a fleet, all faults and their alerts, the quick benchmarks, the schedules of a
/// fleet, the checks of the OpenAPI document, then the mutation check. It runs all of them, also after a failure. The exit code is 1 if one failed or could not run.
pub(crate) fn long(arguments: &[String]) -> Result<ExitCode, String> {
    let (install, rest) = tools::take_install(arguments);
    let is_quick = match rest.as_slice() {
        [] => false,
        [argument] if argument == "--quick" => true,
        _ => return Err("`cargo xtask long` takes --quick and --install".to_owned()),
    };
    tools::require(bench::PROGRAMS, install)?;
    let prometheus = alerts::Programs::find(install)?;
    stores::require(&Product::ALL)?;
    openapi::require(install)?;
    let quick = ["--quick"].into_iter().filter(|_| is_quick);
    let quick = quick.chain([tools::INSTALL].into_iter().filter(|_| install));
    let fleet_arguments: Vec<String> = quick.map(str::to_owned).collect();
    let soak_arguments: Vec<String> =
        if is_quick { ["--quick", "--seconds", "60"].map(str::to_owned).into() } else { Vec::new() };
    let mut failed = Vec::new();
    let mut run = |name: &'static str, part: &dyn Fn() -> Result<ExitCode, String>| {
        println!("\n{name}:");
        match part() {
            Ok(code) if code == ExitCode::SUCCESS => {}
            Ok(_) => failed.push(name),
            Err(message) => {
                eprintln!("{message}");
                failed.push(name);
            }
        }
    };
    run("the soak", &|| soak::soak(&soak_arguments));
    run("the soak of a fleet", &|| fleet::fleet(&fleet_arguments));
    run("the alerts", &|| alerts::all(&prometheus));
    run("the benchmarks", &benchmarks);
    run("the schedules of a fleet", &schedules);
    run("the OpenAPI document", &openapi::check);
    run("the mutation check", &mutants);
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("\nthese checks failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// The benchmarks report a broken bound and continue, because a busy machine can break one. Here it is a failure.
fn benchmarks() -> Result<ExitCode, String> {
    let ended = bench::run(&["--quick".to_owned()])?;
    if ended != ExitCode::SUCCESS {
        return Ok(ended);
    }
    let mut broken = Vec::new();
    for name in ["core.json", "fleet.json", "report.json"] {
        let file = root().join("target/bench").join(name);
        let text =
            std::fs::read(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let report: Value = serde_json::from_slice(&text)
            .map_err(|error| format!("{} is not a report: {error}", file.display()))?;
        broken_bounds(&report, &mut broken);
    }
    for what in &broken {
        eprintln!("this figure breaks its bound: {what}");
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The names of all figures, at any depth, that break their bound. The two reports use different names for that.
fn broken_bounds(report: &Value, broken: &mut Vec<String>) {
    match report {
        Value::Array(items) => items.iter().for_each(|item| broken_bounds(item, broken)),
        Value::Object(members) => {
            if ["kept", "is_kept"].iter().any(|name| members.get(*name) == Some(&Value::Bool(false))) {
                broken.push(report["what"].as_str().unwrap_or("a figure without a name").to_owned());
            }
            members.values().for_each(|member| broken_bounds(member, broken));
        }
        _ => {}
    }
}

/// The simulation of a fleet and the search through its schedules, each with its long tests.
fn schedules() -> Result<ExitCode, String> {
    let mut tests = cargo();
    tests.env("APIKEY_FLEET_SEEDS", SCHEDULES);
    tests.args(["test", "--package", "apikey-core", "--features", "fleet", "--lib"]);
    tests.args([
        "--config=profile.dev.package.apikey-core.opt-level=1",
        "fleet::",
        "--",
        "--include-ignored",
    ]);
    Ok(exit_code(status(&mut tests)?))
}

/// `.cargo/mutants.toml` says which code is mutated.
fn mutants() -> Result<ExitCode, String> {
    let mut version = cargo();
    version.args(["mutants", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !is_there(&mut version) {
        return Err(ADVICE.to_owned());
    }
    Ok(exit_code(status(cargo().args(["mutants", "--output", "target"]))?))
}

fn is_there(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_cargo_lacks_is_not_there() {
        let mut command = cargo();
        command.arg("apikey-no-such-command").stdout(Stdio::null()).stderr(Stdio::null());
        assert!(!is_there(&mut command));
        assert!(is_there(cargo().arg("--version").stdout(Stdio::null())));
    }

    #[test]
    fn broken_bounds_are_found_in_every_section() {
        let report = serde_json::json!({ "sections": [
            { "findings": [{ "what": "fast", "kept": true }, { "what": "slow", "kept": false }] },
            { "findings": [{ "what": "unjudged", "kept": null }, { "what": "late", "is_kept": false }] },
        ] });
        let mut broken = Vec::new();
        broken_bounds(&report, &mut broken);
        assert_eq!(broken, ["slow", "late"]);
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert!(long(&["--slow".to_owned()]).is_err());
    }
}
