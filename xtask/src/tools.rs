//! Programs that some commands need besides the Rust toolchain.

use std::path::Path;
use std::process::{Command, Stdio};

/// The flag that allows a command to install packages.
pub(crate) const INSTALL: &str = "--install";

/// Checks that these programs can start. Each is in a distribution's package of the same name. If packages are
/// missing, they are installed if `install` allows it and this is root on Debian or Ubuntu. Otherwise the error names
/// them.
pub(crate) fn require(programs: &[&str], install: bool) -> Result<(), String> {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    may_install(&missing, install, is_root() && Path::new("/etc/debian_version").exists())?;
    eprintln!("installing with apt-get: {}", missing.join(" "));
    let install: Vec<&str> =
        ["install", "--yes", "--no-install-recommends"].into_iter().chain(missing.iter().copied()).collect();
    if !apt_get(&install) {
        // The list of packages may be missing or old.
        let _ = apt_get(&["update"]) && apt_get(&install);
    }
    if missing.iter().all(|program| is_there(program)) {
        return Ok(());
    }
    Err(format!("apt-get did not install everything. {}", advice(&missing)))
}

/// Whether to install missing packages: only if the user allows it and apt-get can do it.
fn may_install(missing: &[&str], install: bool, can_install: bool) -> Result<(), String> {
    match (install, can_install) {
        (true, true) => Ok(()),
        (true, false) => Err(format!(
            "{INSTALL} needs root on Debian or Ubuntu, so nothing was installed. {}",
            advice(missing)
        )),
        (false, _) => Err(format!(
            "{} Or run it again with {INSTALL}, which installs them as root on Debian or Ubuntu",
            advice(missing)
        )),
    }
}

fn advice(missing: &[&str]) -> String {
    let packages = missing.join(" ");
    format!(
        "This command needs packages that are not installed: {packages}. Install them (Debian, Ubuntu: `apt-get install \
         {packages}`; Fedora: `dnf install {packages}`; macOS: `brew install {packages}`) and run it again."
    )
}

/// Takes [`INSTALL`] out of the arguments of a command.
pub(crate) fn take_install(arguments: &[String]) -> (bool, Vec<String>) {
    let rest: Vec<String> = arguments.iter().filter(|argument| *argument != INSTALL).cloned().collect();
    (rest.len() < arguments.len(), rest)
}

/// Whether this program can start.
fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn apt_get(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_exist_is_not_there() {
        assert!(is_there("cargo"));
        assert!(!is_there("apikey-no-such-program"));
    }

    #[test]
    fn missing_packages_are_named_and_not_installed_unasked() {
        let programs = ["cargo", "apikey-no-such-program", "apikey-none-such-either"];
        let error = require(&programs, false).unwrap_err();
        assert!(error.contains("apt-get install apikey-no-such-program apikey-none-such-either`"), "{error}");
        assert!(error.contains("--install"), "{error}");
        assert!(may_install(&["valgrind"], false, true).is_err());
    }

    #[test]
    fn packages_are_installed_only_by_root_on_debian() {
        assert!(may_install(&["valgrind"], true, true).is_ok());
        let error = may_install(&["valgrind"], true, false).unwrap_err();
        assert!(error.contains("valgrind") && error.contains("nothing was installed"), "{error}");
    }

    #[test]
    fn the_flag_is_taken_out_of_the_arguments() {
        let arguments = ["--quick", INSTALL, "cold"].map(str::to_owned);
        assert_eq!(take_install(&arguments), (true, vec!["--quick".to_owned(), "cold".to_owned()]));
        assert_eq!(take_install(&arguments[..1]), (false, vec!["--quick".to_owned()]));
    }
}
