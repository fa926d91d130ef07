//! What a guard costs while the cache answers, with one key and with ten thousand in random order.

use super::Bench;
use super::child::Server;
use super::compare::{Contender, findings, note_noise, progress, take_turns};
use super::wrk::Keys;
use crate::report::{Bound, Section};

const MANY: u64 = 10_000;
/// The title, the number of keys, and the least part of the bare server's requests that a guarded one must answer.
const KINDS: [(&str, u64, f64); 2] = [("one key", 1, 0.95), ("10,000 keys in random order", MANY, 0.90)];

pub(super) fn measure(bench: &mut Bench, framework: &str) -> Result<Vec<Section>, String> {
    let mut guards = vec!["bare", "scoped"];
    if framework == "axum" {
        guards.push("hand-written");
    }
    if !bench.quick {
        guards.push("require");
    }
    if !bench.quick && framework == "axum" {
        guards.push("with-addresses");
    }
    bench.upstream.reset(0)?;
    let mut seen = KINDS.map(|_| guards.iter().map(|guard| Contender::new(guard)).collect::<Vec<_>>());
    for round in 0..bench.rounds {
        progress(&format!("cached/{framework}: round {} of {}", round + 1, bench.rounds));
        // Each round starts new servers, because the place of a process in memory makes it a little faster or slower.
        let servers: Vec<Server> =
            guards.iter().map(|guard| bench.server(framework, guard, MANY)).collect::<Result<_, _>>()?;
        for (contenders, (_, keys, _)) in seen.iter_mut().zip(KINDS) {
            take_turns(bench, round, contenders, &servers, || Keys::Good(keys))?;
        }
    }
    progress("");
    let mut sections = Vec::new();
    for (contenders, (name, keys, least)) in seen.iter().zip(KINDS) {
        note_noise(bench, &contenders[0]);
        let mut section = Section {
            name: format!("cached/{framework}/{keys}"),
            title: format!("guarded against bare, {name}"),
            loads: contenders.iter().map(Contender::load).collect::<Result<_, _>>()?,
            findings: Vec::new(),
        };
        for contender in &contenders[1..] {
            let is_ours = matches!(contender.name, "scoped" | "require");
            let bound = is_ours.then_some(Bound::AtLeast(least));
            section.findings.extend(findings(contender, &contenders[0], bound));
        }
        sections.push(section);
    }
    Ok(sections)
}
