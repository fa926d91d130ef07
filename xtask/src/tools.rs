//! Programs that some commands need besides the Rust toolchain.

use std::ffi::OsStr;
use std::fs::{create_dir_all, read_dir, remove_dir_all};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// The flag that allows a command to install packages.
pub(crate) const INSTALL: &str = "--install";

/// Checks that these programs can start. Each is in a distribution's package of the same name. If packages are
/// missing, they are installed if `install` allows it and this is root on Debian or Ubuntu. Otherwise the error names
/// them.
pub(crate) fn require(programs: &[&str], install: bool) -> Result<(), String> {
    let programs: Vec<(&str, &str)> = programs.iter().map(|program| (*program, *program)).collect();
    require_packages(&programs, install)
}

/// As [`require`], for programs whose packages have other names: `(program, package)`.
pub(crate) fn require_packages(programs: &[(&str, &str)], install: bool) -> Result<(), String> {
    let missing = || -> Vec<&str> {
        programs.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect()
    };
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    may_install(&packages, install, can_install())?;
    self::install(&packages);
    match missing().as_slice() {
        [] => Ok(()),
        missing => Err(format!("apt-get did not install everything. {}", advice(missing))),
    }
}

/// Installs these packages of Debian's.
pub(crate) fn install(packages: &[&str]) {
    eprintln!("installing with apt-get: {}", packages.join(" "));
    let options = ["install", "--yes", "--no-install-recommends"];
    let install: Vec<&str> = options.into_iter().chain(packages.iter().copied()).collect();
    apt_get_anew(&install);
}

/// Downloads these packages of Debian's, with what they need and this machine lacks, and unpacks them into this folder.
/// It replaces the folder, and installs nothing.
pub(crate) fn unpack(packages: &[String], folder: &Path) -> Result<(), String> {
    eprintln!("downloading with apt-get: {}", packages.join(" "));
    let archives = folder.join("archives");
    let failed = |error: io::Error| format!("cannot write to {}: {error}", folder.display());
    if folder.exists() {
        remove_dir_all(folder).map_err(failed)?;
    }
    // apt-get wants this folder in the folder of its archives.
    create_dir_all(archives.join("partial")).map_err(failed)?;
    let archives_option = format!("--option=Dir::Cache::archives={}", archives.display());
    let mut download =
        vec!["install", "--download-only", "--yes", "--no-install-recommends", &archives_option];
    // Also if this machine has another version, or this one.
    download.extend(["--allow-downgrades", "--reinstall"]);
    // Debian's own user for downloads may not write to the folder.
    download.push("--option=APT::Sandbox::User=root");
    download.extend(packages.iter().map(String::as_str));
    if !apt_get_anew(&download) {
        return Err(format!("apt-get cannot download {}", packages.join(" ")));
    }
    for entry in read_dir(&archives).map_err(failed)? {
        let archive = entry.map_err(failed)?.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            extract(&archive, folder)?;
        }
    }
    remove_dir_all(&archives).map_err(failed)
}

fn extract(archive: &Path, folder: &Path) -> Result<(), String> {
    let extracted = Command::new("dpkg-deb").arg("--extract").args([archive, folder]).status();
    match extracted {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("dpkg-deb cannot unpack {}", archive.display())),
    }
}

/// Whether apt-get can install and download here.
pub(crate) fn can_install() -> bool {
    is_root() && Path::new("/etc/debian_version").exists()
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
pub(crate) fn is_there(program: impl AsRef<OsStr>) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// Runs apt-get, and once more after an update if it fails: its list of packages may be missing or old.
fn apt_get_anew(arguments: &[&str]) -> bool {
    apt_get(arguments) || (apt_get(&["update"]) && apt_get(arguments))
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
