//! Tests that need packages of Python's: `cargo xtask grpcio` calls the gRPC example with a client that shares no code with
//! tonic. `cargo xtask fastapi` probes a server on FastAPI.

use std::process::ExitCode;

use crate::python::Python;
use crate::tools;
use xtask::cargo::{cargo, exit_code, root, status};

/// Tests that need packages of Python's.
pub(crate) struct PythonTests {
    /// The command that runs them.
    command: &'static str,
    /// The packages that are installed, with their versions.
    packages: &'static [&'static str],
    /// What they bring.
    modules: &'static [&'static str],
    /// The environment variable that names another Python with the packages. The tests read it, too.
    variable: &'static str,
    /// The arguments of `cargo test`.
    tests: &'static [&'static str],
}

/// The calls from another gRPC client.
pub(crate) const GRPCIO: PythonTests = PythonTests {
    command: "grpcio",
    packages: &["grpcio==1.85.3"],
    modules: &["grpc"],
    variable: "GRPCIO_PYTHON",
    tests: &["--package", "example-grpc", "--test", "all", "grpcio::"],
};

/// The probe against a server on FastAPI.
pub(crate) const FASTAPI: PythonTests = PythonTests {
    command: "fastapi",
    packages: &["fastapi==0.165.0", "uvicorn==0.54.0"],
    modules: &["fastapi", "uvicorn"],
    variable: "FASTAPI_PYTHON",
    tests: &["--package", "apikey-testkit", "--test", "fastapi"],
};

impl PythonTests {
    pub(crate) fn run(&self, arguments: &[String]) -> Result<ExitCode, String> {
        let (install, rest) = tools::take_install(arguments);
        if let Some(argument) = rest.first() {
            return Err(format!(
                "`cargo xtask {}` has the flag --install, but not '{argument}'",
                self.command
            ));
        }
        self.test(&self.find(install)?)
    }

    /// The Python that [`variable`](Self::variable) names, or that of the virtual environment in `target`. The environment is
    /// made if `install` allows it.
    pub(crate) fn find(&self, install: bool) -> Result<Python, String> {
        if let Some(python) = std::env::var_os(self.variable) {
            let python = Python(python.into());
            let path = python.0.display();
            let missing =
                || format!("{} names {path}, which has no {}", self.variable, self.modules.join(", "));
            return if self.has_all(&python) { Ok(python) } else { Err(missing()) };
        }
        let folder = root().join(self.environment());
        let mut python = Python::of_environment(&folder);
        if !self.has_all(&python) && install {
            python = Python::make_environment(&folder);
            for package in self.packages {
                python.install(package, &[]);
            }
        }
        if self.has_all(&python) { Ok(python) } else { Err(self.advice()) }
    }

    /// Runs the tests that need the packages.
    pub(crate) fn test(&self, python: &Python) -> Result<ExitCode, String> {
        let mut command = cargo();
        command.arg("test").args(self.tests).args(["--", "--ignored"]).env(self.variable, &python.0);
        Ok(exit_code(status(&mut command)?))
    }

    fn has_all(&self, python: &Python) -> bool {
        self.modules.iter().all(|module| python.has(module))
    }

    /// The folder of the virtual environment.
    fn environment(&self) -> String {
        format!("target/{}", self.command)
    }

    fn advice(&self) -> String {
        let (environment, packages) = (self.environment(), self.packages.join(" "));
        format!(
            "This command needs packages of Python's: {packages}. Install them (`python3 -m venv {environment} && \
             {environment}/bin/pip install {packages}`), or let the environment variable {} name a Python that has them, and \
             run this again. Or run it again with {}, which downloads them into {environment}",
            self.variable,
            tools::INSTALL
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_the_package_and_the_variable() {
        for (tests, environment) in [(GRPCIO, "target/grpcio"), (FASTAPI, "target/fastapi")] {
            let advice = tests.advice();
            let mut named = tests.packages.iter().chain([&tests.variable, &"--install", &environment]);
            assert!(named.all(|name| advice.contains(name)), "{advice}");
        }
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert!(GRPCIO.run(&["--now".to_owned()]).is_err());
    }
}
