//! SECURITY.md names the tests that hold the promises.

use crate::packages::{Workspace, rust_files};
use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::Path;

/// The bold titles of a page, each with the names of its tests.
fn promises(page: &str) -> Vec<(String, Vec<String>)> {
    let mut promises = Vec::new();
    for paragraph in page.split("\n\n").filter_map(|paragraph| paragraph.trim().strip_prefix("**")) {
        let (title, rest) = paragraph.split_once("**").unwrap_or_else(|| panic!("no end of: {paragraph}"));
        let tests = rest.split_once("\nTests: ").map_or("", |(_, tests)| tests);
        let names = tests.split('`').skip(1).step_by(2).map(str::to_owned);
        promises.push((on_one_line(title.trim_end_matches('.')), names.collect()));
    }
    promises
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The names of the tests in a file. Each case of the conformance suite is a test of every adapter.
fn tests(file: &Path, source: &str) -> BTreeSet<String> {
    let is_case = file.components().any(|part| part.as_os_str() == "cases");
    let mut names = BTreeSet::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        let function = line.split_once("fn ").filter(|(before, _)| is_before_a_function(before));
        if let Some((before, after)) = function {
            let name = after.split(['(', '<']).next().unwrap_or_default();
            if is_test || (is_case && before == "pub async ") {
                names.insert(name.to_owned());
            }
            is_test = false;
        } else if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else if !line.starts_with("//") {
            is_test = false;
        }
    }
    names
}

fn is_before_a_function(text: &str) -> bool {
    text.split_whitespace().all(|word| matches!(word, "pub" | "async" | "pub(crate)" | "pub(super)"))
}

/// The tests of what ships, and of what checks it.
fn all_tests(workspace: &Workspace) -> BTreeSet<String> {
    let files = ["crates", "tools"].map(|folder| rust_files(&workspace.root.join(folder)));
    files.iter().flatten().flat_map(|file| tests(file, &read_to_string(file).unwrap())).collect()
}

#[test]
fn every_test_that_security_md_names_exists() {
    let workspace = Workspace::read();
    let tests = all_tests(&workspace);
    let page = read_to_string(workspace.root.join("SECURITY.md")).unwrap();
    let mut missing = Vec::new();
    for (promise, names) in promises(&page) {
        assert!(!names.is_empty(), "SECURITY.md names no test for: {promise}");
        missing.extend(names.into_iter().filter(|name| !tests.contains(name)));
    }
    assert!(missing.is_empty(), "SECURITY.md names tests that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn security_md_names_every_promise_of_the_map() {
    let root = Workspace::read().root;
    let map = read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let section = map.split("\n## Promises").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let of_the_map = section.split("\n- *").skip(1).filter_map(|promise| promise.split('*').next());
    let of_the_map: BTreeSet<String> = of_the_map.map(on_one_line).collect();
    assert!(!of_the_map.is_empty());
    let page = read_to_string(root.join("SECURITY.md")).unwrap();
    let held: BTreeSet<String> = promises(&page).into_iter().map(|(title, _)| title).collect();
    let missing: Vec<String> = of_the_map.difference(&held).cloned().collect();
    assert!(missing.is_empty(), "SECURITY.md lacks promises of ARCHITECTURE.md:\n{}", missing.join("\n"));
}

#[test]
fn helpers_and_comments_are_no_tests() {
    let source = "
        #[test]
        // Why.
        fn a_promise() {}
        fn a_helper() {}
        // fn in_a_comment() {}
        #[tokio::test(start_paused = true)]
        async fn another_promise() {}
        #[inline]
        pub async fn a_case(subject: Subject) {}
    ";
    let names = |file: &str| tests(Path::new(file), source).into_iter().collect::<Vec<_>>();
    assert_eq!(names("tests/all.rs"), ["a_promise", "another_promise"]);
    assert_eq!(names("src/cases/theme.rs"), ["a_case", "a_promise", "another_promise"]);
}
