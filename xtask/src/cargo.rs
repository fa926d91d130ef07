//! Runs cargo on the workspace.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

/// The cargo that runs this program, in the root of the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // With the variables that `cargo run` set for this program, build scripts would run again, and once more when
    // cargo is next called directly.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// The root of the workspace.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Builds the binary with the name of this package, shows cargo's output, and returns the path of the binary.
pub fn build(package: &str, arguments: &[&str]) -> Result<PathBuf, String> {
    let mut build = cargo();
    build.args(["build", "--package", package, "--bin", package]).args(arguments);
    build.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = build.output().map_err(|error| format!("cannot run cargo: {error}. Is it in PATH?"))?;
    if !output.status.success() {
        return Err(format!("cargo could not build {package} and says why above"));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let built = messages.lines().filter_map(|line| executable(line, package)).next_back();
    built.ok_or_else(|| format!("cargo built {package} but named no executable"))
}

/// The path in cargo's message that it built this binary.
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let named = message["target"]["name"] == name;
    message["executable"].as_str().filter(|_| named).map(PathBuf::from)
}

/// Runs a command to its end. It uses this program's terminal.
pub fn status(command: &mut Command) -> Result<ExitStatus, String> {
    command.status().map_err(|error| {
        let program = command.get_program().to_string_lossy();
        format!("cannot run {program}: {error}. Is the Rust toolchain installed and in PATH?")
    })
}

/// The exit code for a command that ended with this status.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_read_from_cargos_message() {
        let built = r#"{"reason":"compiler-artifact","target":{"name":"example-axum"},"executable":"/t/example-axum"}"#;
        assert_eq!(executable(built, "example-axum"), Some(PathBuf::from("/t/example-axum")));
        assert_eq!(executable(built, "example-warp"), None);
        let library = r#"{"reason":"compiler-artifact","target":{"name":"example-axum"},"executable":null}"#;
        assert_eq!(executable(library, "example-axum"), None);
        assert_eq!(executable("warning: not JSON", "example-axum"), None);
    }
}
