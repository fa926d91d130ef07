//! Programs that some commands need beyond the toolchain.

use std::path::Path;
use std::process::{Command, Stdio};

/// Makes sure that a program is there, which is Debian's package of the same name: as root on a Debian-like system it is
/// installed, elsewhere its lack is an error that says what to do.
pub(crate) fn require(program: &str) -> Result<(), String> {
    if is_there(program) {
        return Ok(());
    }
    let advice = format!(
        "{program} is missing. Install the package `{program}` (Debian, Ubuntu: `apt-get install {program}`; Fedora: `dnf \
         install {program}`; macOS: `brew install {program}`) and run this again"
    );
    if !is_root() || !Path::new("/etc/debian_version").exists() {
        return Err(advice);
    }
    eprintln!("{program} is missing: installing Debian's package");
    let install = ["install", "--yes", "--no-install-recommends", program];
    if (apt_get(&install) || (apt_get(&["update"]) && apt_get(&install))) && is_there(program) {
        return Ok(());
    }
    Err(format!("apt-get could not install it: {advice}"))
}

/// Whether it can be started at all.
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
    fn a_program_that_nobody_has_is_not_there() {
        assert!(is_there("cargo"));
        assert!(!is_there("apikey-no-such-program"));
    }
}
