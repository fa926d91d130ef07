//! Runs the program.

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

use apikey_testkit::emulator::Emulator;

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().expect("no signal ended it"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// Fails if one of these texts was printed anywhere.
    pub(crate) fn reveals_none_of<S: AsRef<str>>(&self, secrets: impl IntoIterator<Item = S>) {
        for secret in secrets {
            let secret = secret.as_ref();
            assert!(secret.len() > 3, "{secret:?} is no canary");
            for printed in [&self.stdout, &self.stderr] {
                assert!(!printed.contains(secret), "{secret} was printed:\n{printed}");
            }
        }
    }
}

pub(crate) type Environment = BTreeMap<String, String>;

/// The environment for this emulator, with some variables changed. An empty value counts as absent.
pub(crate) fn environment(emulator: &Emulator, changes: &[(&str, &str)]) -> Environment {
    let known = emulator.environment().into_iter().map(|(name, value)| (name.to_owned(), value));
    let changes = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    known.chain(changes).collect()
}

pub(crate) fn program(environment: &Environment, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apikey-check"));
    command.args(arguments).env_clear().envs(environment);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end. Its standard input is `input`.
pub(crate) async fn run(environment: &Environment, arguments: &[&str], input: &str) -> Run {
    let (mut command, input) = (program(environment, arguments), input.to_owned());
    let ran = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may end without having read anything.
        let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
        drop(stdin);
        child.wait_with_output().unwrap()
    });
    ran.await.unwrap().into()
}
