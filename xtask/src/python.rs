//! Virtual environments of Python's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::tools;

/// A Python with packages of its own.
pub(crate) struct Python(pub(crate) PathBuf);

impl Python {
    /// That of the environment in this folder, which may not exist.
    pub(crate) fn of_environment(folder: &Path) -> Self {
        Self(folder.join("bin/python"))
    }

    /// Makes an environment in this folder. It replaces the folder. On Debian it installs what Python needs for this.
    pub(crate) fn make_environment(folder: &Path) -> Self {
        let make = || succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
        if !make() && tools::can_install() {
            // Debian's Python can make an environment only with these packages.
            tools::install(&["python3-venv"]);
            make();
        }
        Self::of_environment(folder)
    }

    /// Installs a package from PyPI, with these options.
    pub(crate) fn install(&self, package: &str, options: &[&str]) -> bool {
        eprintln!("installing with pip: {package}");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"];
        succeeds(Command::new(&self.0).args(pip).args(options).arg(package))
    }

    /// Whether it has a module.
    pub(crate) fn has(&self, module: &str) -> bool {
        succeeds(Command::new(&self.0).args(["-c", &format!("import {module}")]).stderr(Stdio::null()))
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_the_module_is_not_taken() {
        for program in ["apikey-no-such-program", "cargo"] {
            assert!(!Python(program.into()).has("grpc"), "{program}");
        }
    }
}
