//! `cargo xtask grpcio`: calls the gRPC example with Python's `grpcio`, a client that shares no code with tonic.

use std::process::ExitCode;

use crate::python::Python;
use crate::tools;
use xtask::cargo::{cargo, exit_code, root, status};

/// The version that is installed.
const PACKAGE: &str = "grpcio==1.85.3";
/// What it brings.
const MODULE: &str = "grpc";
/// Keeps a virtual environment of Python's with the package.
const ENVIRONMENT: &str = "target/grpcio";
/// The environment variable that names another Python with the package. The tests read it, too.
const VARIABLE: &str = "GRPCIO_PYTHON";

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let (install, rest) = tools::take_install(arguments);
    if let Some(argument) = rest.first() {
        return Err(format!("`cargo xtask grpcio` has the flag --install, but not '{argument}'"));
    }
    Caller::find(install)?.test()
}

/// Runs the tests with a Python that has the package.
pub(crate) struct Caller(Python);

impl Caller {
    /// With the Python that [`VARIABLE`] names, or that of [`ENVIRONMENT`]. The environment is made if `install` allows it.
    pub(crate) fn find(install: bool) -> Result<Self, String> {
        if let Some(python) = std::env::var_os(VARIABLE) {
            let python = Python(python.into());
            let missing = || format!("{VARIABLE} names {}, which has no grpcio", python.0.display());
            return if python.has(MODULE) { Ok(Self(python)) } else { Err(missing()) };
        }
        let folder = root().join(ENVIRONMENT);
        let mut python = Python::of_environment(&folder);
        if !python.has(MODULE) && install {
            python = Python::make_environment(&folder);
            python.install(PACKAGE, &[]);
        }
        if python.has(MODULE) { Ok(Self(python)) } else { Err(advice()) }
    }

    /// Runs the tests that need the package.
    pub(crate) fn test(&self) -> Result<ExitCode, String> {
        let tests = ["test", "--package", "example-grpc", "--test", "all", "grpcio::", "--", "--ignored"];
        Ok(exit_code(status(cargo().args(tests).env(VARIABLE, &self.0.0))?))
    }
}

fn advice() -> String {
    format!(
        "This command needs Python's grpcio. Install it (`python3 -m venv {ENVIRONMENT} && {ENVIRONMENT}/bin/pip install \
         {PACKAGE}`), or let the environment variable {VARIABLE} name a Python that has it, and run this again. Or run \
         it again with {}, which downloads it into {ENVIRONMENT}",
        tools::INSTALL
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_the_package_and_the_variable() {
        let advice = advice();
        assert!([PACKAGE, VARIABLE, "--install"].iter().all(|name| advice.contains(name)), "{advice}");
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert!(run(&["--now".to_owned()]).is_err());
    }
}
