//! Running cargo on the workspace.

use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

/// The cargo that runs this program, at the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    command.current_dir(here.parent().unwrap_or(here));
    command
}

/// Runs a command to its end, with the terminal as its own.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus, String> {
    command.status().map_err(|error| {
        let program = command.get_program().to_string_lossy();
        format!("cannot run {program}: {error}. Is the Rust toolchain installed and in PATH?")
    })
}

/// The exit code to end with when a command ended so.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
