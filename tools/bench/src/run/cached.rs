//! What a guard costs while the cache answers, with one key and with ten thousand in random order. Ours is compared
//! with the bare server, with a guard that only reads what every guard must, and with the least that any guard with a
//! cache does.
//!
//! The load shares the machine's cores with the server. So requests a second count the work of both, and show only a
//! part of what a guard costs. The server's own processor time per request shows all of it.

use super::Bench;
use super::child::Server;
use super::compare::{Contender, findings, note_noise, progress, take_turns};
use super::wrk::Keys;
use crate::report::{Bound, Section};

const MANY: u64 = 10_000;
/// The title, the number of keys, and the least part of the bare server's requests that a guarded one must answer.
const KINDS: [(&str, u64, f64); 2] = [("one key", 1, 0.95), ("10,000 keys in random order", MANY, 0.90)];
/// Ours are compared with each of these.
const REFERENCES: [&str; 3] = ["bare", "no-op", "least-cached"];

pub(super) fn measure(bench: &mut Bench, framework: &str) -> Result<Vec<Section>, String> {
    let mut guards = REFERENCES.to_vec();
    guards.push("scoped");
    if !bench.quick {
        guards.push("require");
    }
    if !bench.quick && framework == "axum" {
        guards.push("hand-written");
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
        let (references, guarded) = contenders.split_at(REFERENCES.len());
        let mut section = Section {
            name: format!("cached/{framework}/{keys}"),
            title: format!("guarded against bare and against the least that a guard does, {name}"),
            loads: contenders.iter().map(Contender::load).collect::<Result<_, _>>()?,
            findings: Vec::new(),
        };
        for own in guarded {
            for reference in references {
                let bound = match (own.name, reference.name) {
                    ("hand-written", _) => None,
                    (_, "bare") => Some(least),
                    (_, "least-cached") => least_against_least_cached(framework, keys),
                    _ => None,
                };
                section.findings.extend(findings(own, reference, bound.map(Bound::AtLeast)));
            }
        }
        sections.push(section);
    }
    Ok(sections)
}

/// The least part of the least cached guard's requests that ours must answer.
fn least_against_least_cached(framework: &str, keys: u64) -> Option<f64> {
    match (framework, keys) {
        ("axum", MANY) => Some(0.96),
        ("axum", _) => Some(0.98),
        (_, MANY) => Some(0.95),
        _ => None,
    }
}
