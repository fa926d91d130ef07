//! Finds modules that depend on each other in a circle.
//!
//! Only siblings can: if `a::x` names `b::y`, there is an edge from `a` to `b`. A parent and its children may name each
//! other. The edges between the children of each module must form no circle.

use crate::names::Names;
use crate::references::references;
use crate::tree::{Module, ModulePath};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

#[cfg(test)]
mod tests;

/// The edges between the children of one module, `(from, to)`. Each has the lines that make it, `(file, line)`, and what
/// these lines say.
type Siblings = BTreeMap<(String, String), BTreeMap<(String, usize), BTreeSet<String>>>;

/// Lists the circles in a target, with the lines that make them. The text is empty if there is no circle.
pub(crate) fn describe_circles(target: &str, modules: &[Module]) -> String {
    let mut text = String::new();
    for (parent, siblings) in edges(modules) {
        let edges: BTreeSet<(&str, &str)> = siblings.keys().map(|(from, to)| (&**from, &**to)).collect();
        for knot in knots(&edges) {
            let within: BTreeSet<(&str, &str)> =
                edges.iter().copied().filter(|(from, to)| knot.contains(from) && knot.contains(to)).collect();
            let parent = ["crate"].into_iter().chain(parent.iter().map(String::as_str)).collect::<Vec<_>>();
            let members = knot.iter().copied().collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "{target}: children of `{}` in a circle: {members}", parent.join("::"));
            for (_, circle) in circles(&within) {
                let _ = writeln!(text, "  circle: {} -> {}", circle.join(" -> "), circle[0]);
            }
            for (from, to) in within {
                let _ = writeln!(text, "  {from} -> {to}");
                for ((file, line), written) in &siblings[&(from.to_owned(), to.to_owned())] {
                    let written = written.iter().cloned().collect::<Vec<_>>().join(", ");
                    let _ = writeln!(text, "    {file}:{line}: {written}");
                }
            }
        }
    }
    text
}

/// The edges between siblings, by their parent.
fn edges(modules: &[Module]) -> BTreeMap<ModulePath, Siblings> {
    let names = Names::of(modules);
    let mut edges: BTreeMap<ModulePath, Siblings> = BTreeMap::new();
    for module in modules {
        for reference in references(module, &names) {
            let shared = reference.from.iter().zip(&reference.to).take_while(|(from, to)| from == to).count();
            if let (Some(from), Some(to)) = (reference.from.get(shared), reference.to.get(shared)) {
                let siblings = edges.entry(reference.from[..shared].to_vec()).or_default();
                let places = siblings.entry((from.clone(), to.clone())).or_default();
                let line = (module.file.display().to_string(), reference.line);
                places.entry(line).or_default().insert(reference.text);
            }
        }
    }
    edges
}

/// Groups of two or more modules in which each can be reached from each other. No two groups share a module.
fn knots<'a>(edges: &BTreeSet<(&'a str, &'a str)>) -> BTreeSet<BTreeSet<&'a str>> {
    let names: BTreeSet<&str> = edges.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        names.iter().map(|name| (*name, ways(edges, name).into_keys().collect())).collect();
    let knot = |name: &&'a str| {
        let both = |other: &&str| reached[name].contains(other) && reached[other].contains(name);
        names.iter().copied().filter(both).collect::<BTreeSet<_>>()
    };
    names.iter().map(knot).filter(|knot| knot.len() > 1).collect()
}

/// The shortest circle through each edge of a knot. Each circle is listed once, and the shortest come first.
fn circles<'a>(edges: &BTreeSet<(&'a str, &'a str)>) -> BTreeSet<(usize, Vec<&'a str>)> {
    let mut circles = BTreeSet::new();
    for (from, to) in edges {
        let Some(mut circle) = ways(edges, to).remove(from) else { continue };
        let first = circle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(at, _)| at);
        circle.rotate_left(first);
        circles.insert((circle.len(), circle));
    }
    circles
}

/// A shortest way to each module that can be reached from `start`. A way includes both of its ends.
fn ways<'a>(edges: &BTreeSet<(&'a str, &'a str)>, start: &'a str) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut ways = BTreeMap::from([(start, vec![start])]);
    let mut next = VecDeque::from([start]);
    while let Some(name) = next.pop_front() {
        for (_, to) in edges.iter().filter(|(from, _)| *from == name) {
            if !ways.contains_key(to) {
                let way = ways[name].iter().chain([to]).copied().collect();
                ways.insert(to, way);
                next.push_back(to);
            }
        }
    }
    ways
}
