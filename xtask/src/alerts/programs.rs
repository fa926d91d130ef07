//! The programs of Prometheus: the server, and `promtool`, which checks rules and metrics.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::tools;
use xtask::cargo::root;

/// Keeps Debian's package.
const FOLDER: &str = "target/prometheus";
/// The package of Debian's, which has both programs.
const PACKAGE: &str = "prometheus";
/// How long `promtool` may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Where the programs are.
#[derive(Clone)]
pub(crate) struct Programs {
    pub(super) prometheus: PathBuf,
    promtool: PathBuf,
}

impl Programs {
    /// The programs in `PATH`, or those of Debian. Debian's are downloaded if `install` allows it. They are unpacked into
    /// [`FOLDER`] and not installed, because the package would start a server.
    pub(crate) fn find(install: bool) -> Result<Self, String> {
        let unpacked = root().join(FOLDER).join("usr/bin");
        let found = [Path::new(""), &unpacked].map(Self::in_folder).into_iter().find(Self::are_there);
        if let Some(found) = found {
            return Ok(found);
        }
        if !install || !tools::can_install() {
            return Err(advice());
        }
        tools::unpack(&[PACKAGE.to_owned()], &root().join(FOLDER))
            .map_err(|error| format!("{error}. {}", advice()))?;
        Some(Self::in_folder(&unpacked)).filter(Self::are_there).ok_or_else(advice)
    }

    fn in_folder(folder: &Path) -> Self {
        Self { prometheus: folder.join("prometheus"), promtool: folder.join("promtool") }
    }

    fn are_there(&self) -> bool {
        [&self.prometheus, &self.promtool].into_iter().all(tools::is_there)
    }

    /// Checks the rules of `ops/` and runs their unit tests.
    pub(super) async fn check_rules(&self) -> Result<(), String> {
        let [rules, tests] = ["alerts.yml", "alerts_test.yml"].map(xtask::ops::file);
        self.promtool(&["check", "rules"], &rules).await?;
        self.promtool(&["test", "rules"], &tests).await
    }

    /// Checks a configuration of the server, with the rules that it names.
    pub(super) async fn check_configuration(&self, file: &Path) -> Result<(), String> {
        self.promtool(&["check", "config"], file).await
    }

    async fn promtool(&self, command: &[&str], file: &Path) -> Result<(), String> {
        let mut promtool = Command::new(&self.promtool);
        promtool.args(command).arg(file).stdin(Stdio::null());
        finished(promtool, &[]).await.map_err(|said| format!("promtool {}: {said}", command.join(" ")))
    }

    /// Checks the metrics of a server, as Prometheus scrapes them.
    pub(super) async fn check_metrics(&self, text: &[u8]) -> Result<(), String> {
        let mut promtool = Command::new(&self.promtool);
        promtool.args(["check", "metrics"]).stdin(Stdio::piped());
        finished(promtool, text).await.map_err(|said| format!("promtool check metrics: {said}"))
    }
}

/// Runs a command to its end with this input. The error is what it says.
async fn finished(mut command: Command, input: &[u8]) -> Result<(), String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // If it ends without reading everything, its output says why.
        let _ = stdin.write_all(input).await;
    }
    let ended = timeout(LIMIT, child.wait_with_output()).await;
    let output = ended.map_err(|_| format!("no end in {} s", LIMIT.as_secs()))?;
    let output = output.map_err(|error| error.to_string())?;
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
    if output.status.success() { Ok(()) } else { Err(format!("{}\n{}", output.status, said.join("\n"))) }
}

fn advice() -> String {
    format!(
        "This command needs the programs prometheus and promtool, 2.42 or newer, in PATH. Or run it again with {}: as root on \
         Debian or Ubuntu, it downloads the package {PACKAGE} into {FOLDER}",
        tools::INSTALL
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_do_not_start_are_not_taken() {
        assert!(!Programs::in_folder(Path::new("apikey-no-such-folder")).are_there());
        let advice = advice();
        assert!(advice.contains("promtool") && advice.contains("--install"), "{advice}");
    }

    #[tokio::test]
    async fn a_failed_check_is_reported_with_what_it_says() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "cat; echo wrong >&2; exit 3"]).stdin(Stdio::piped());
        let said = finished(shell, b"input ").await.unwrap_err();
        assert!(said.contains("input") && said.contains("wrong") && said.contains('3'), "{said}");
    }
}
