//! Starts every example in `crates/*/examples`, runs the curl lines of its head, and compares the answers.

mod answer;
mod head;

use answer::Answer;
use apikey_testkit::emulator::{Emulator, seed_keys};
use head::{Exchange, Head};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;
use xtask::cargo::{Executable, build_executables, root};
use xtask::ports;
use xtask::running::Running;

/// Where the curl lines find an example: at the port that an example chooses, or at Rocket's.
const EXAMPLE: [&str; 2] = ["127.0.0.1:3000/", "127.0.0.1:8000/"];
/// Where they find the Kinde emulator.
const EMULATOR: &str = "127.0.0.1:4010/";
/// How long one curl line may take.
const CURL_LIMIT: Duration = Duration::from_secs(15);

struct Example {
    package: String,
    name: String,
    file: PathBuf,
}

impl Example {
    /// The name in `Cargo.toml`, such as `axum-hello`. Cargo builds the examples of all packages into one folder, so a name
    /// must not be another example's, too.
    fn target(&self) -> String {
        let framework = self.package.trim_start_matches("apikey-");
        format!("{framework}-{}", self.name.replace('_', "-"))
    }
}

/// All examples, in the order of their paths.
fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    for package in entries(&root().join("crates")) {
        let folder = package.join("examples");
        let files = if folder.is_dir() { entries(&folder) } else { Vec::new() };
        for file in files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
            let [package, name] = [package.file_name(), file.file_stem()]
                .map(|name| name.expect("an entry of a folder has a name").to_string_lossy().into_owned());
            examples.push(Example { package, name, file });
        }
    }
    examples
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = read_dir(folder).expect("the folder can be read");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_adapter_has_the_same_examples() {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for example in examples() {
        names.entry(example.package).or_default().insert(example.name);
    }
    let (_, first) = names.first_key_value().expect("there are examples");
    assert!(names.values().all(|others| others == first), "{names:#?}");
}

#[tokio::test]
async fn every_example_answers_as_its_head_says() {
    let curl = std::process::Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    assert!(curl.is_ok(), "curl is not installed. Install the package curl and run this test again");
    // `cargo test --workspace` has built nearly all of this with the same features. The house test needs `syn` itself: without
    // such a target, cargo builds `syn` without debug information, and then everything that depends on it once more.
    let built = build_executables(&["--workspace", "--examples", "--test", "house"]).unwrap();
    let mut wrong = Vec::new();
    for example in examples() {
        if let Err(reason) = try_out(&example, &built).await {
            wrong.push(format!("crates/{}/examples/{}.rs: {reason}", example.package, example.name));
        }
    }
    assert!(wrong.is_empty(), "examples do not answer as their heads say:\n{}", wrong.join("\n"));
}

async fn try_out(example: &Example, built: &[Executable]) -> Result<(), String> {
    let head = Head::read(&read_to_string(&example.file).map_err(|error| error.to_string())?)?;
    let target = example.target();
    let start = format!("cargo run --example {target}");
    if head.start != start {
        return Err(format!("the first command is not `{start}`"));
    }
    let executable = built.iter().find(|executable| executable.source == example.file);
    let executable = executable.filter(|executable| executable.name == target);
    let executable = executable.ok_or(format!("it is no example with the name {target} in Cargo.toml"))?;

    let emulator = Emulator::start().await.map_err(|error| format!("the emulator: {error}"))?;
    seed_keys(&emulator);
    let listen = ports::prefer(0)?;
    let mut settings = emulator.environment();
    settings.push(("ROCKET_PORT", listen.port().to_string()));
    let mut server = Running::start(&executable.path, listen, settings)?;
    server.ready(404).await?;
    for Exchange { line, curl, shown } in &head.exchanges {
        let here =
            EXAMPLE.iter().fold(curl.clone(), |curl, there| curl.replace(there, &format!("{listen}/")));
        let here = here.replace(EMULATOR, &format!("{}/", emulator.address()));
        let printed = run(&here).await.map_err(|error| format!("line {line}: `{here}`: {error}"))?;
        let answer = Answer::read(&printed).ok_or(format!("line {line}: `{here}` prints {printed:?}"))?;
        let differences = answer.differences(shown);
        if !differences.is_empty() {
            return Err(format!("line {line}: `{curl}`: {}", differences.join("; ")));
        }
    }
    server.stop().await;
    Ok(())
}

/// Runs a curl line as a shell does, and returns what it prints.
async fn run(curl: &str) -> Result<String, String> {
    let mut command = Command::new("sh");
    // With `exec`, the shell becomes curl, so that curl ends if this test does.
    command.arg("-c").arg(format!("exec {curl}")).env("no_proxy", "*").kill_on_drop(true);
    let output = timeout(CURL_LIMIT, command.stdin(Stdio::null()).output()).await;
    let output = output.map_err(|_| format!("no end in {} seconds", CURL_LIMIT.as_secs()))?;
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}
