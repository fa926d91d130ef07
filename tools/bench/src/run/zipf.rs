//! How often the upstream is asked if callers use a few keys a lot and most keys rarely.

use super::Bench;
use super::compare::{Contender, progress};
use super::wrk::Keys;
use crate::report::{Bound, Finding, Section, Spread, Unit};

const KEYS: u64 = 100_000;

pub(super) fn measure(bench: &mut Bench, framework: &str) -> Result<Vec<Section>, String> {
    let seconds = if bench.quick { 3 } else { 20 };
    let (mut findings, mut loads) = (Vec::new(), Vec::new());
    for guard in ["scoped", "hand-written"] {
        progress(&format!("zipf/{framework}: {guard}"));
        bench.upstream.reset(0)?;
        let mut contender = Contender::new(guard);
        let server = bench.server(framework, guard, 0)?;
        let requests = contender.take_turn(bench, &server, Keys::Zipf(KEYS), seconds)?.seen.requests;
        let counters = bench.upstream.counters()?;
        loads.push(contender.load()?);
        let calls = Spread::exactly(counters.calls as f64 / counters.keys as f64);
        let finding = Finding::new(format!("{guard}, upstream calls / different keys"), Unit::Ratio, calls);
        let note = format!("{requests} requests, {} keys, {} calls", counters.keys, counters.calls);
        let finding = finding.note(note);
        findings.push(if guard == "scoped" { finding.bound(Bound::AtMost(1.01)) } else { finding });
    }
    progress("");
    Ok(vec![Section {
        name: format!("zipf/{framework}"),
        title: format!("{KEYS} keys, number n as often as 1/n, within one time to live"),
        loads,
        findings,
    }])
}
