//! What a guard adds to the upstream's own time at the first request with a key.

use super::Bench;
use super::compare::progress;
use super::single::{connect, new_key, request, timed, verify_request};
use crate::report::{Bound, Finding, Section, Spread, Unit};

const UPSTREAM_MILLISECONDS: u64 = 20;
const WARM_UP: u64 = 3;

pub(super) fn measure(bench: &mut Bench, framework: &str) -> Result<Vec<Section>, String> {
    let guards: &[&str] = if framework == "axum" { &["scoped", "hand-written"] } else { &["scoped"] };
    let samples = if bench.quick { 40 } else { 200 };
    bench.upstream.reset(UPSTREAM_MILLISECONDS)?;
    let mut servers = Vec::new();
    let mut plain = connect(bench.upstream.address())?;
    for guard in guards {
        let server = bench.server(framework, guard, 0)?;
        let connection = connect(server.address)?;
        servers.push((*guard, server, connection, Vec::new()));
    }
    let mut upstream_alone = Vec::new();
    for sample in 0..WARM_UP + samples {
        progress(&format!("cold/{framework}: {sample} of {}", WARM_UP + samples));
        let took = timed(&mut plain, &verify_request(&new_key()))?;
        upstream_alone.push(took.as_secs_f64() * 1000.0);
        for (_, _, connection, times) in &mut servers {
            times.push(timed(connection, &request(&new_key()))?.as_secs_f64() * 1000.0);
        }
    }
    progress("");
    let skipped = WARM_UP as usize;
    let spread = |times: &[f64]| Spread::of(&times[skipped..]).ok_or("nothing was measured");
    let alone = spread(&upstream_alone)?;
    let mut findings = vec![Finding::new("upstream alone, median latency", Unit::Milliseconds, alone)];
    for (guard, _, _, times) in &servers {
        let latency = spread(times)?;
        let what = format!("{guard}, added to the median latency");
        let added = Spread::exactly(latency.median - alone.median);
        let finding = Finding::new(what, Unit::Milliseconds, added)
            .note(format!("{:.3} ms in all, {samples} keys", latency.median));
        findings.push(if *guard == "scoped" { finding.bound(Bound::AtMost(1.0)) } else { finding });
    }
    Ok(vec![Section {
        name: format!("cold/{framework}"),
        title: format!("a key's first request, upstream {UPSTREAM_MILLISECONDS} ms"),
        loads: Vec::new(),
        findings,
    }])
}
