//! Makes every guard of a reference server a switch, so that one build has all mutants (mutant schemata).
//!
//! It reads the sources of the reference servers. In each handler, the type `T` of the key argument becomes `Switch<N, T>`. Each policy by value
//! becomes `SWITCHES.policy(N, ..)`. On warp, each filter for a key becomes `scoped(N, ..)`, `api_key(N, ..)` or `optional_api_key(N, ..)`.

use std::fmt::Write as _;
use std::ops::Range;
use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = env::var("OUT_DIR")?;
    for framework in ["axum", "actix", "rocket", "warp"] {
        let path = format!("../../examples/{framework}/src/lib.rs");
        println!("cargo::rerun-if-changed={path}");
        let source = fs::read_to_string(path)?;
        // An included file can't have documentation of its module.
        let source: String =
            source.lines().filter(|line| !line.starts_with("//!")).map(|line| format!("{line}\n")).collect();
        let mut switched = Switched::default();
        let text = if framework == "warp" {
            switched.filters(&source)
        } else {
            let text = switched.arguments(&source);
            switched.policies(&text)
        };
        let mut code = format!("mod server {{\n{text}\n}}\n");
        if framework != "warp" {
            // The layers and groups are gone, so that a handler's own guard is all there is.
            let bare = Switched::default().arguments(&without_layers(&source));
            write!(code, "mod bare {{\n{bare}\n}}\n")?;
        }
        writeln!(code, "const NAMES: &[&str] = &{:?};", switched.names)?;
        fs::write(Path::new(&folder).join(format!("{framework}.rs")), code)?;
    }
    Ok(())
}

/// Replaces guards, and numbers them.
#[derive(Default)]
struct Switched {
    /// The name of each guard: that of its handler, if it is known.
    names: Vec<String>,
}

impl Switched {
    /// The key arguments of handlers.
    fn arguments(&mut self, source: &str) -> String {
        let mut changes = Vec::new();
        for (start, _) in source.match_indices("fn ") {
            let Some(end) = source[start..].find('{').map(|end| start + end) else { continue };
            let Some(key) = source[start..end].find("key: ").map(|key| start + key + "key: ".len()) else {
                continue;
            };
            let span = key..end_of(source, key);
            let guard = &source[span.clone()];
            if guard.starts_with("Scoped<") || ["ApiKey", "MaybeApiKey"].contains(&guard) {
                changes.push((span, format!("super::Switch<{}, {guard}>", self.names.len())));
                let name = source[start + "fn ".len()..].split(['(', '<']).next().unwrap_or_default();
                self.names.push(name.to_owned());
            }
        }
        replaced(source, changes)
    }

    /// The policies by value.
    fn policies(&mut self, source: &str) -> String {
        let mut changes = Vec::new();
        for (start, _) in source.match_indices("(Policy::").map(|(start, found)| (start + 1, found)) {
            let span = start..end_of(source, start);
            changes.push((
                span.clone(),
                format!("super::SWITCHES.policy({}, {})", self.names.len(), &source[span]),
            ));
            self.names.push(String::new());
        }
        replaced(source, changes)
    }

    /// The filters for keys.
    fn filters(&mut self, source: &str) -> String {
        let mut changes = Vec::new();
        for name in ["(scoped(", "(api_key(", "(optional_api_key("] {
            for (start, _) in source.match_indices(name) {
                let arguments = start + name.len();
                let switch = format!("(super::{}{}, ", &name[1..], self.names.len());
                changes.push((start..arguments, switch));
                self.names.push(String::new());
            }
        }
        changes.sort_by_key(|(span, _)| span.start);
        replaced(source, changes)
    }
}

/// Takes out `, keys.require(..)` and `.require(..)`.
fn without_layers(source: &str) -> String {
    let mut changes = Vec::new();
    for opening in [", keys.require(", ".require("] {
        for (start, _) in source.match_indices(opening) {
            let is_taken = |(span, _): &(Range<usize>, String)| span.contains(&start);
            if !changes.iter().any(is_taken) {
                let end = end_of(source, start + opening.len()) + 1;
                changes.push((start..end, String::new()));
            }
        }
    }
    changes.sort_by_key(|(span, _)| span.start);
    replaced(source, changes)
}

fn replaced(source: &str, changes: Vec<(Range<usize>, String)>) -> String {
    let (mut text, mut done) = (String::new(), 0);
    for (span, new) in changes {
        text += &source[done..span.start];
        text += &new;
        done = span.end;
    }
    text + &source[done..]
}

/// Where the type or the expression ends that begins here: at a comma or a closing bracket of what surrounds it.
fn end_of(source: &str, start: usize) -> usize {
    let mut depth = 0_i32;
    for (place, character) in source[start..].char_indices() {
        match character {
            '<' | '(' | '[' => depth += 1,
            ')' | ',' | ']' | ';' if depth == 0 => return start + place,
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
    }
    source.len()
}
