//! The adapters translate between a framework and the core. They decide nothing.

use crate::packages::{Package, Workspace, rust_files};
use crate::tokens::{code_lines, names};
use quote::ToTokens;
use std::collections::BTreeSet;
use std::fs::read_to_string;

const ADAPTERS: [&str; 4] = ["apikey-actix", "apikey-axum", "apikey-rocket", "apikey-warp"];

/// The steps of the core's last decision, which its gate takes.
const STEPS_OF_THE_GATE: [&str; 3] = ["for_policy", "missing_key", "authorize"];

/// The most lines of code in all adapters together.
const MOST_CODE: usize = 1_500;

fn adapters(workspace: &Workspace) -> impl Iterator<Item = &Package> {
    ADAPTERS.into_iter().map(|name| {
        let named = workspace.packages.iter().find(|package| package.name == name);
        named.unwrap_or_else(|| panic!("there is no package {name}"))
    })
}

#[test]
fn adapters_leave_the_last_decision_to_the_gate() {
    let workspace = Workspace::read();
    let mut found = Vec::new();
    for file in adapters(&workspace).flat_map(|adapter| rust_files(&adapter.folder.join("src"))) {
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
fn the_adapters_have_at_most_1500_lines_of_code() {
    let workspace = Workspace::read();
    let mut lines = Vec::new();
    for adapter in adapters(&workspace) {
        let library = adapter.targets.iter().find(|target| target.kind == "lib").unwrap();
        let mut code = BTreeSet::new();
        for module in workspace.modules(library) {
            let attributes = module.attributes.iter().map(ToTokens::to_token_stream);
            let tokens = attributes.chain(module.items.iter().map(ToTokens::to_token_stream)).collect();
            code.extend(code_lines(tokens).into_iter().map(|line| (module.file.clone(), line)));
        }
        lines.push((&adapter.name, code.len()));
    }
    let together: usize = lines.iter().map(|(_, lines)| lines).sum();
    assert!(together <= MOST_CODE, "{together} lines of code are more than {MOST_CODE}: {lines:?}");
}
