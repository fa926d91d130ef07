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

/// An executable that cargo has built.
#[derive(Debug, PartialEq, Eq)]
pub struct Executable {
    /// The name of its target.
    pub name: String,
    /// The file with its `main`.
    pub source: PathBuf,
    /// Where it is.
    pub path: PathBuf,
}

/// Builds the binary with the name of this package, shows cargo's output, and returns the path of the binary.
pub fn build(package: &str, arguments: &[&str]) -> Result<PathBuf, String> {
    let binary = ["--package", package, "--bin", package];
    let built = build_executables(&[&binary, arguments].concat())?;
    let built = built.into_iter().rfind(|executable| executable.name == package);
    built.map(|binary| binary.path).ok_or_else(|| format!("cargo built {package} but named no executable"))
}

/// Builds what these arguments of `cargo build` select, shows cargo's output, and returns the executables.
pub fn build_executables(arguments: &[&str]) -> Result<Vec<Executable>, String> {
    let mut build = cargo();
    build
        .arg("build")
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    let output = build.output().map_err(|error| format!("cannot run cargo: {error}. Is it in PATH?"))?;
    if !output.status.success() {
        return Err(format!("`cargo build {}` failed and says why above", arguments.join(" ")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(executable).collect())
}

/// The executable in cargo's message that it built one.
fn executable(message: &str) -> Option<Executable> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let target = &message["target"];
    Some(Executable {
        name: target["name"].as_str()?.to_owned(),
        source: target["src_path"].as_str()?.into(),
        path: message["executable"].as_str()?.into(),
    })
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
        let target = r#""target":{"name":"example-axum","src_path":"/s/main.rs"}"#;
        let built = format!(r#"{{"reason":"compiler-artifact",{target},"executable":"/t/example-axum"}}"#);
        let [source, path] = ["/s/main.rs", "/t/example-axum"].map(PathBuf::from);
        assert_eq!(executable(&built), Some(Executable { name: "example-axum".to_owned(), source, path }));
        let library = format!(r#"{{"reason":"compiler-artifact",{target},"executable":null}}"#);
        assert_eq!(executable(&library), None);
        assert_eq!(executable("warning: not JSON"), None);
    }
}
