//! The adapters translate between a framework and the core. They decide nothing.

use crate::packages::{Package, Workspace, rust_files};
use crate::tokens::{code_lines, names};
use quote::ToTokens;
use std::collections::BTreeSet;
use std::fs::read_to_string;
use syn::Item;

const ADAPTERS: [&str; 4] = ["apikey-actix", "apikey-axum", "apikey-rocket", "apikey-warp"];

/// The adapter that proves the page on adapters in CONTRIBUTING.md.
const PROOF: &str = "adapter-poem";

/// The steps of the core's last decision, which its gate takes.
const STEPS_OF_THE_GATE: [&str; 5] = ["for_policy", "missing_key", "authorize", "authenticate", "verify"];

/// The most lines of code in all adapters together, with those of the feature `openapi`.
const MOST_CODE: usize = 2_160;

/// The most lines of code in the adapter that proves the page, imports aside.
const MOST_CODE_OF_PROOF: usize = 180;

fn package<'a>(workspace: &'a Workspace, name: &str) -> &'a Package {
    let named = workspace.packages.iter().find(|package| package.name == name);
    named.unwrap_or_else(|| panic!("there is no package {name}"))
}

/// How many lines of code the library of a package has. Only items count for which `counts` is true.
fn lines_of_code(workspace: &Workspace, package: &Package, counts: fn(&Item) -> bool) -> usize {
    let library = package.targets.iter().find(|target| target.kind == "lib").unwrap();
    let mut code = BTreeSet::new();
    for module in workspace.modules(library) {
        let attributes = module.attributes.iter().map(ToTokens::to_token_stream);
        let items = module.items.iter().filter(|item| counts(item)).map(ToTokens::to_token_stream);
        let tokens = attributes.chain(items).collect();
        code.extend(code_lines(tokens).into_iter().map(|line| (module.file.clone(), line)));
    }
    code.len()
}

#[test]
fn adapters_leave_the_last_decision_to_the_gate() {
    let workspace = Workspace::read();
    let mut found = Vec::new();
    let adapters = ADAPTERS.into_iter().chain([PROOF]).map(|name| package(&workspace, name));
    for file in adapters.flat_map(|adapter| rust_files(&adapter.folder.join("src"))) {
        let path = workspace.relative(&file).display();
        let tokens = read_to_string(&file).unwrap().parse();
        let tokens = tokens.unwrap_or_else(|error| panic!("{path}: {error}"));
        for (name, line) in names(tokens) {
            if STEPS_OF_THE_GATE.contains(&&*name) {
                found.push(format!("{path}:{line}: {name}"));
            }
        }
    }
    assert!(found.is_empty(), "adapters take steps of the core's gate:\n{}", found.join("\n"));
}

#[test]
fn the_adapters_stay_thin() {
    let workspace = Workspace::read();
    let lines = ADAPTERS.map(|name| (name, lines_of_code(&workspace, package(&workspace, name), |_| true)));
    let together: usize = lines.iter().map(|(_, lines)| lines).sum();
    assert!(together <= MOST_CODE, "{together} lines of code are more than {MOST_CODE}: {lines:?}");
}

#[test]
fn the_adapter_of_the_page_stays_short() {
    let workspace = Workspace::read();
    let is_no_import = |item: &Item| !matches!(item, Item::Use(_) | Item::Mod(_));
    let lines = lines_of_code(&workspace, package(&workspace, PROOF), is_no_import);
    assert!(lines <= MOST_CODE_OF_PROOF, "{lines} lines of code are more than {MOST_CODE_OF_PROOF}");
}

#[test]
fn every_sample_of_the_page_is_code_of_its_adapter() {
    let workspace = Workspace::read();
    let page = read_to_string(workspace.root.join("CONTRIBUTING.md")).unwrap();
    let files = rust_files(&package(&workspace, PROOF).folder.join("src"));
    let sources: String = files.iter().map(|file| read_to_string(file).unwrap()).collect();
    let samples: Vec<&str> =
        page.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!samples.is_empty());
    for sample in samples {
        assert!(
            sources.contains(sample),
            "{PROOF} does not contain this sample of CONTRIBUTING.md:\n{sample}"
        );
    }
}
