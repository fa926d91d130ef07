//! A flood of unknown keys. The upstream is asked about each of them.

use super::Bench;
use super::child::Server;
use super::compare::{Contender, findings, progress, take_turns};
use super::wrk::Keys;
use crate::report::{Bound, Finding, Section, Spread, Unit};

pub(super) fn measure(bench: &mut Bench, framework: &str) -> Result<Vec<Section>, String> {
    bench.upstream.reset(0)?;
    let guards = ["hand-written", "scoped"];
    let mut contenders = guards.map(Contender::new);
    let mut run = 0;
    let mut keys = || {
        run += 1;
        Keys::Junk(run)
    };
    for round in 0..bench.rounds {
        progress(&format!("flood/{framework}: round {} of {}", round + 1, bench.rounds));
        let servers: Vec<Server> =
            guards.iter().map(|guard| bench.server(framework, guard, 0)).collect::<Result<_, _>>()?;
        take_turns(bench, round, &mut contenders, &servers, &mut keys)?;
    }
    progress("");
    let mut findings = findings(&contenders[1], &contenders[0], Some(Bound::AtLeast(1.0)));
    let counters = bench.upstream.counters()?;
    let calls = Finding::new("upstream calls", Unit::Count, Spread::exactly(counters.calls as f64));
    findings.push(calls.note(format!("{} different keys", counters.keys)));
    Ok(vec![Section {
        name: format!("flood/{framework}"),
        title: "invalid keys, each new, nothing cached, upstream instant".to_owned(),
        loads: contenders.iter().map(Contender::load).collect::<Result<_, _>>()?,
        findings,
    }])
}
