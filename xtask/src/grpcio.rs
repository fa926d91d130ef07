//! `cargo xtask grpcio`: calls the gRPC example with Python's `grpcio`, a client that shares no code with tonic.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::tools;
use xtask::cargo::{cargo, exit_code, root, status};

/// The version that is installed.
const PACKAGE: &str = "grpcio==1.85.3";
/// Keeps a virtual environment of Python's with the package.
const ENVIRONMENT: &str = "target/grpcio";
/// The environment variable that names another Python with the package. The tests read it, too.
const VARIABLE: &str = "GRPCIO_PYTHON";

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let (install, rest) = tools::take_install(arguments);
    if let Some(argument) = rest.first() {
        return Err(format!("`cargo xtask grpcio` has the flag --install, but not '{argument}'"));
    }
    Python::find(install)?.test()
}

/// A Python that has the package.
pub(crate) struct Python(PathBuf);

impl Python {
    /// The Python that [`VARIABLE`] names, or that of [`ENVIRONMENT`]. The environment is made if `install` allows it.
    pub(crate) fn find(install: bool) -> Result<Self, String> {
        if let Some(python) = std::env::var_os(VARIABLE) {
            let python = Self(python.into());
            let missing = || format!("{VARIABLE} names {}, which has no grpcio", python.0.display());
            return if python.has_package() { Ok(python) } else { Err(missing()) };
        }
        let folder = root().join(ENVIRONMENT);
        let python = Self(folder.join("bin/python"));
        if python.has_package() {
            return Ok(python);
        }
        if !install {
            return Err(advice());
        }
        eprintln!("installing with pip: {PACKAGE}");
        if !make_environment(&folder) && tools::can_install() {
            // Debian's Python can make an environment only with these packages.
            tools::install(&["python3-venv"]);
            make_environment(&folder);
        }
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary=:all:",
            PACKAGE,
        ];
        succeeds(Command::new(&python.0).args(pip));
        if python.has_package() { Ok(python) } else { Err(advice()) }
    }

    fn has_package(&self) -> bool {
        succeeds(Command::new(&self.0).args(["-c", "import grpc"]).stderr(Stdio::null()))
    }

    /// Runs the tests that need the package.
    pub(crate) fn test(&self) -> Result<ExitCode, String> {
        let tests = ["test", "--package", "example-grpc", "--test", "all", "grpcio::", "--", "--ignored"];
        Ok(exit_code(status(cargo().args(tests).env(VARIABLE, &self.0))?))
    }
}

fn make_environment(folder: &Path) -> bool {
    succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
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
    fn a_program_without_the_package_is_not_taken() {
        for program in ["apikey-no-such-program", "cargo"] {
            assert!(!Python(program.into()).has_package(), "{program}");
        }
    }

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
