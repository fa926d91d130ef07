//! Asks cargo for the packages of the workspace.

use crate::tree::{self, Module};
use serde_json::Value;
use std::fs::{read_dir, read_to_string};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
}

pub(crate) struct Package {
    pub(crate) name: String,
    /// The folder that has its `Cargo.toml`.
    pub(crate) folder: PathBuf,
    /// Whether `cargo build` without arguments builds it.
    pub(crate) is_default: bool,
    pub(crate) targets: Vec<Target>,
    /// Its `rust-version`.
    pub(crate) rust_version: String,
    /// The names of the packages that it depends on.
    pub(crate) dependencies: Vec<String>,
}

pub(crate) struct Target {
    /// `lib`, `bin` and so on.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) root_file: PathBuf,
}

impl Workspace {
    /// Reads the workspace of this package, or the one in the folder that the environment variable `HOUSE_ROOT` names.
    pub(crate) fn read() -> Self {
        Self::read_folder(".")
    }

    /// Reads the workspace in a folder of that one.
    pub(crate) fn read_folder(folder: &str) -> Self {
        let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = std::env::var_os("HOUSE_ROOT").map_or_else(own, PathBuf::from);
        let root = root.join(folder).canonicalize().expect("the workspace's folder exists");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
            .arg(root.join("Cargo.toml"))
            .output()
            .expect("cargo can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
        let defaults = list(&metadata["workspace_default_members"]);
        let packages = list(&metadata["packages"]).iter().map(|package| Package {
            name: text(&package["name"]),
            folder: Path::new(&text(&package["manifest_path"])).with_file_name(""),
            is_default: defaults.contains(&package["id"]),
            targets: list(&package["targets"]).iter().map(target).collect(),
            rust_version: text(&package["rust_version"]),
            dependencies: list(&package["dependencies"]).iter().map(|other| text(&other["name"])).collect(),
        });
        Self { root, packages: packages.collect() }
    }

    /// The modules of a target. Their files are relative to the root, so that messages are short.
    pub(crate) fn modules(&self, target: &Target) -> Vec<Module> {
        let read = |file: &Path| read_to_string(self.root.join(file)).ok();
        let modules = tree::modules(self.relative(&target.root_file), &read);
        modules.unwrap_or_else(|error| panic!("target {}: {error}", target.name))
    }

    /// A path relative to the root.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// Every `.rs` file in a folder and its folders.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in read_dir(folder).expect("the folder exists") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files.append(&mut rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn target(target: &Value) -> Target {
    Target {
        kind: text(&target["kind"][0]),
        name: text(&target["name"]),
        root_file: PathBuf::from(text(&target["src_path"])),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list in cargo's metadata")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text in cargo's metadata").to_owned()
}
