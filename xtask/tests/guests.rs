//! Builds and runs the programs in `guests/`: each has an adapter, and other code that uses TLS. Then it looks at what
//! each crate's features bring along.

use apikey_testkit::emulator::{Emulator, TlsIdentity};
use std::collections::BTreeSet;
use std::fs::read_dir;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use xtask::cargo::{build_executables, cargo, root};

/// Keeps what cargo builds here. In the workspace's folder, builds with other features could replace each other's files.
const TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/guests");

/// The names of the packages in a folder.
fn packages(folder: &str) -> Vec<String> {
    let entries = read_dir(root().join(folder)).expect("the folder can be read");
    let packages = entries.map(|entry| entry.expect("it can be read").path());
    let packages = packages.filter(|package| package.join("Cargo.toml").is_file());
    let mut names: Vec<String> = packages
        .map(|package| package.file_name().expect("a folder has a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn build(name: &str) -> PathBuf {
    let workspace = ["--manifest-path", "guests/Cargo.toml", "--target-dir", TARGET];
    let built = build_executables(&[&workspace[..], &["--package", name]].concat()).unwrap();
    built.into_iter().find(|program| program.name == name).expect("the package has a program").path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_adapter_makes_no_program_around_it_panic() {
    // They build with the versions that all other tests run with. Cargo adds the programs themselves.
    std::fs::copy(root().join("Cargo.lock"), root().join("guests/Cargo.lock")).unwrap();
    // One after the other, because two builds would wait for each other anyway.
    let programs: Vec<(String, PathBuf)> =
        packages("guests").into_iter().map(|name| (name.clone(), build(&name))).collect();
    let identity = TlsIdentity::generate(["localhost"]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let mut failed = String::new();
    for (name, path) in programs {
        let handshakes = || emulator.counters().tls_handshakes;
        let before = handshakes();
        let mut program = Command::new(path);
        program
            .envs(emulator.environment())
            .env("ROOT_CERTIFICATE", identity.root_pem())
            .env("NO_PROXY", "*");
        let output = program.stdin(Stdio::null()).output().unwrap();
        if !output.status.success() || handshakes() == before {
            let output = String::from_utf8_lossy(&output.stderr);
            failed += &format!("{name}, {} handshakes: {output}\n", handshakes() - before);
        }
    }
    assert!(failed.is_empty(), "these programs in guests/ failed:\n{failed}");
}

/// The names of the crates that a package builds with these features alone.
fn tree(package: &str, features: &str) -> Vec<String> {
    let selection = ["--locked", "--package", package, "--no-default-features", "--features", features];
    let edges = ["--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let output = cargo().arg("tree").args(selection).args(edges).output().unwrap();
    assert!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// The crates without a feature for a provider, and what they bring: a program, and a crate that calls nobody.
const WITHOUT_CHOICE: [(&str, &[&str]); 2] = [("apikey-check", &["aws-lc-rs"]), ("apikey-openapi", &[])];

#[test]
fn each_crate_brings_only_the_provider_that_its_feature_names() {
    let choices = [("default", "aws-lc-rs"), ("aws-lc-rs", "aws-lc-rs"), ("ring", "ring")];
    for package in packages("crates") {
        let fixed = WITHOUT_CHOICE.iter().find(|(name, _)| *name == package);
        let expected: Vec<(&str, BTreeSet<&str>)> = match fixed {
            Some((_, providers)) => vec![("", providers.iter().copied().collect())],
            None => choices.map(|(features, provider)| (features, BTreeSet::from([provider]))).into(),
        };
        for (features, expected) in expected {
            let names = tree(&package, features);
            let providers = names.iter().filter(|name| matches!(name.as_str(), "aws-lc-rs" | "ring"));
            let providers: BTreeSet<&str> = providers.map(String::as_str).collect();
            assert_eq!(providers, expected, "{package} with the features {features:?}");
        }
    }
}

#[test]
fn the_client_without_a_provider_names_the_features() {
    let selection = ["--package", "apikey-core", "--no-default-features", "--features", "kinde"];
    let output =
        cargo().args(["check", "--locked", "--target-dir", TARGET]).args(selection).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("turn on `aws-lc-rs` or `ring`"), "{text}");
}
