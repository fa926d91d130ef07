//! `cargo xtask msrv`: an older compiler builds the crates that promise its version. `docs/msrv.md` has the promise.

use crate::tools;
use serde_json::Value;
use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use xtask::cargo::{cargo, exit_code, root, status};

/// The package that depends on these crates. Its `rust-version` is the version that they promise.
const MANIFEST: &str = "msrv/Cargo.toml";
/// Keeps a compiler of Debian's.
const COMPILER: &str = "target/msrv/debian";
/// Keeps what the compiler builds.
const BUILT: &str = "target/msrv/built";
/// The environment variable that names another compiler of the promised version.
const VARIABLE: &str = "MSRV_RUSTC";

/// Checks the crates.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let (install, rest) = tools::take_install(arguments);
    if let Some(argument) = rest.first() {
        return Err(format!("`cargo xtask msrv` has the flag --install, but not '{argument}'"));
    }
    Compiler::find(install)?.check()
}

/// A compiler of the promised version.
pub(crate) struct Compiler {
    rustc: PathBuf,
    /// The folder of its shared libraries, if it does not find them itself.
    libraries: Option<PathBuf>,
}

impl Compiler {
    /// The compiler that [`VARIABLE`] names, or Debian's. Debian's is downloaded if `install` allows it. It is unpacked
    /// into [`COMPILER`] and not installed, so that it does not replace the toolchain.
    pub(crate) fn find(install: bool) -> Result<Self, String> {
        let version = promised_version()?;
        if let Some(rustc) = std::env::var_os(VARIABLE) {
            return Self::named(rustc.into(), &version);
        }
        let folder = root().join(COMPILER);
        let compiler = Self::unpacked_in(&folder);
        if compiler.is_of(&version) {
            return Ok(compiler);
        }
        if !install || !tools::can_install() {
            return Err(advice(&version));
        }
        // The second package is the standard library. apt-get chooses the newest one unless it is named.
        let packages = ["rustc-web", "libstd-rust-web-dev"].map(|name| format!("{name}={version}.*"));
        tools::unpack(&packages, &folder).map_err(|error| format!("{error}. {}", advice(&version)))?;
        if compiler.is_of(&version) { Ok(compiler) } else { Err(advice(&version)) }
    }

    fn named(rustc: PathBuf, version: &str) -> Result<Self, String> {
        let compiler = Self { rustc, libraries: None };
        if compiler.is_of(version) {
            return Ok(compiler);
        }
        let rustc = compiler.rustc.display();
        Err(format!("{VARIABLE} names {rustc}, which is not the compiler of Rust {version}"))
    }

    fn unpacked_in(folder: &Path) -> Self {
        let libraries = folder.join(format!("usr/lib/{ARCH}-linux-gnu"));
        Self { rustc: folder.join("usr/bin/rustc"), libraries: Some(libraries) }
    }

    /// Whether it can start and is of this version, which is written as in `1.85`. A newer compiler would prove nothing.
    fn is_of(&self, version: &str) -> bool {
        let mut command = Command::new(&self.rustc);
        self.add_libraries(&mut command);
        let output = command.arg("--version").output();
        output.is_ok_and(|output| output.stdout.starts_with(format!("rustc {version}.").as_bytes()))
    }

    fn add_libraries(&self, command: &mut Command) {
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
    }

    /// Checks the crates without their default features, and then with all that they have.
    pub(crate) fn check(&self) -> Result<ExitCode, String> {
        for features in [&[] as &[&str], &["--all-features"]] {
            let mut check = cargo();
            check.args(["check", "--manifest-path", MANIFEST, "--target-dir", BUILT]).args(features);
            self.add_libraries(&mut check);
            let ended = status(check.env("RUSTC", &self.rustc))?;
            if !ended.success() {
                return Ok(exit_code(ended));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The `rust-version` in [`MANIFEST`].
fn promised_version() -> Result<String, String> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--no-deps", "--format-version=1", "--manifest-path", MANIFEST]);
    let output = metadata.output().map_err(|error| format!("cannot run cargo: {error}. Is it in PATH?"))?;
    let metadata: Option<Value> = serde_json::from_slice(&output.stdout).ok();
    let version = metadata.as_ref().and_then(|metadata| metadata["packages"][0]["rust_version"].as_str());
    version.map(str::to_owned).ok_or_else(|| format!("cargo finds no rust-version in {MANIFEST}"))
}

fn advice(version: &str) -> String {
    format!(
        "This command needs the compiler of Rust {version}. Name one in the environment variable {VARIABLE}: after `rustup \
         toolchain install {version}`, `rustup which --toolchain {version} rustc` prints its path. Or run it again with \
         {}: as root on Debian 12, it downloads Debian's compiler into {COMPILER}",
        tools::INSTALL
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_of_another_version_proves_nothing() {
        let rustc = || PathBuf::from("rustc");
        let output = Command::new(rustc()).arg("--version").output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let own = output.trim_start_matches("rustc ").rsplit_once('.').unwrap().0;
        assert!(Compiler::named(rustc(), own).is_ok(), "{output}");
        for other in ["1.8", "1.85"] {
            let error = Compiler::named(rustc(), other).err().unwrap();
            assert!(error.contains(&format!("not the compiler of Rust {other}")), "{error}");
        }
    }

    #[test]
    fn a_missing_compiler_is_not_downloaded_unasked() {
        let missing = Compiler::unpacked_in(Path::new("apikey-no-such-folder"));
        assert!(!missing.is_of(&promised_version().unwrap()));
        let advice = advice("1.85");
        assert!(advice.contains("MSRV_RUSTC") && advice.contains("--install"), "{advice}");
    }
}
