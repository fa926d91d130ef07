//! Tests that read the sources of the workspace.
//!
//! They read another checkout if the environment variable `HOUSE_ROOT` names its folder.

mod adapters;
mod circles;
mod names;
mod packages;
mod references;
mod security;
mod tokens;
mod tree;
mod without_tests;

use packages::Workspace;
use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::Path;

/// The most lines that a source file may have.
const LONGEST_FILE: usize = 400;
/// The most letters that the name of a test may have.
const LONGEST_TEST_NAME: usize = 60;

#[test]
fn no_crate_has_a_circle_of_modules() {
    let workspace = Workspace::read();
    let mut circles = String::new();
    for package in &workspace.packages {
        for target in package.targets.iter().filter(|target| matches!(&*target.kind, "lib" | "bin")) {
            let name = format!("{} ({} {})", package.name, target.kind, target.name);
            circles += &circles::describe_circles(&name, &workspace.modules(target));
        }
    }
    assert!(circles.is_empty(), "modules depend on each other in circles:\n{circles}");
}

#[test]
fn no_source_file_is_longer_than_400_lines() {
    let workspace = Workspace::read();
    let mut long = Vec::new();
    for package in &workspace.packages {
        for file in packages::rust_files(&package.folder.join("src")) {
            let lines = read_to_string(&file).unwrap().lines().count();
            if lines > LONGEST_FILE {
                long.push(format!("{}: {lines} lines", workspace.relative(&file).display()));
            }
        }
    }
    assert!(long.is_empty(), "split these files:\n{}", long.join("\n"));
}

#[test]
fn no_test_has_a_name_of_more_than_60_letters() {
    let workspace = Workspace::read();
    let mut long = Vec::new();
    for package in &workspace.packages {
        for file in packages::rust_files(&package.folder) {
            let tokens = read_to_string(&file).unwrap().parse().unwrap();
            for (name, line) in tests(&tokens::names(tokens)) {
                if name.len() > LONGEST_TEST_NAME {
                    long.push(format!("{}:{line}: {name}", workspace.relative(&file).display()));
                }
            }
        }
    }
    assert!(long.is_empty(), "shorten these names:\n{}", long.join("\n"));
}

/// The functions with an attribute such as `#[test]` or `#[tokio::test]`, among all names of a file.
fn tests(names: &[(String, usize)]) -> impl Iterator<Item = (&str, usize)> {
    names.iter().enumerate().filter(|(_, (name, _))| name == "test").filter_map(|(attribute, _)| {
        let after = names[attribute + 1..].iter();
        let mut signature =
            after.skip_while(|(name, _)| !matches!(&**name, "fn" | "mod" | "use" | "impl" | "test"));
        let is_function = signature.next()?.0 == "fn";
        signature.next().filter(|_| is_function).map(|(name, line)| (&**name, *line))
    })
}

/// `tracing` decides once for the whole process whether anybody listens to a line, and asks the thread that logs it first.
/// Beside other tests, a test that listens misses lines now and then.
#[test]
fn tests_that_listen_to_the_log_have_a_program_of_their_own() {
    let workspace = Workspace::read();
    let mut beside_others = Vec::new();
    for package in workspace.packages.iter().filter(|package| package.is_default) {
        let folders = ["src", "tests/all"].map(|folder| package.folder.join(folder));
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            for file in packages::rust_files(folder) {
                let tokens = read_to_string(&file).unwrap().parse().unwrap();
                if tokens::names(tokens).iter().any(|(name, _)| name == "tracing_subscriber") {
                    beside_others.push(workspace.relative(&file).display().to_string());
                }
            }
        }
    }
    assert!(
        beside_others.is_empty(),
        "move these tests to a program of their own:\n{}",
        beside_others.join("\n")
    );
}

#[test]
fn cargo_builds_by_default_what_ships() {
    let workspace = Workspace::read();
    let ships = workspace.root.join("crates");
    let packages = &workspace.packages;
    let in_crates = packages.iter().filter(|package| package.folder.starts_with(&ships));
    let in_crates: BTreeSet<&str> = in_crates.map(|package| &*package.name).collect();
    let by_default = packages.iter().filter(|package| package.is_default);
    let by_default: BTreeSet<&str> = by_default.map(|package| &*package.name).collect();
    assert_eq!(by_default, in_crates, "`default-members` in Cargo.toml must be the packages in crates/");
}

#[test]
fn msrv_checks_every_crate_that_promises_its_rust_version() {
    let checked = Workspace::read_folder("msrv");
    let [checked] = checked.packages.as_slice() else { panic!("msrv/ is one package") };
    let workspace = Workspace::read();
    let ships = workspace.root.join("crates");
    let packages = workspace.packages.iter().filter(|package| package.folder.starts_with(&ships));
    let promising = packages.filter(|package| package.rust_version == checked.rust_version);
    let promising: BTreeSet<&str> = promising.map(|package| &*package.name).collect();
    let checked: BTreeSet<&str> = checked.dependencies.iter().map(|name| &**name).collect();
    assert_eq!(checked, promising, "msrv/ must depend on the crates that have its `rust-version`");
}

#[test]
fn the_readme_links_to_every_example() {
    let workspace = Workspace::read();
    let readme = read_to_string(workspace.root.join("README.md")).unwrap();
    let mut missing = Vec::new();
    for package in &workspace.packages {
        for target in package.targets.iter().filter(|target| target.kind == "example") {
            let file = workspace.relative(&target.root_file);
            if file.starts_with(Path::new("crates")) && !readme.contains(&*file.to_string_lossy()) {
                missing.push(file.display().to_string());
            }
        }
    }
    assert!(missing.is_empty(), "the index of examples in README.md lacks:\n{}", missing.join("\n"));
}
