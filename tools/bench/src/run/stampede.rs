//! Many requests at once with one new key.

use std::collections::BTreeMap;

use super::Bench;
use super::compare::progress;
use super::single::{connect, new_key, request};
use crate::report::{Bound, Finding, Section, Spread, Unit};

const REQUESTS: usize = 500;
/// Long enough for all requests to arrive meanwhile.
const UPSTREAM_MILLISECONDS: u64 = 300;

pub(super) fn measure(bench: &mut Bench, framework: &str) -> Result<Vec<Section>, String> {
    let guards: &[&str] = if framework == "axum" { &["scoped", "hand-written"] } else { &["scoped"] };
    let mut findings = Vec::new();
    for guard in guards {
        progress(&format!("stampede/{framework}: {guard}"));
        bench.upstream.reset(UPSTREAM_MILLISECONDS)?;
        let server = bench.server(framework, guard, 0)?;
        let statuses = stampede(server.address)?;
        let calls = bench.upstream.counters()?.calls;
        let what = format!("{guard}, upstream calls");
        let finding = Finding::new(what, Unit::Count, Spread::exactly(calls as f64)).note(answers(&statuses));
        findings.push(if *guard == "scoped" { finding.bound(Bound::AtMost(1.0)) } else { finding });
    }
    progress("");
    Ok(vec![Section {
        name: format!("stampede/{framework}"),
        title: format!("{REQUESTS} requests at once with one new key"),
        loads: Vec::new(),
        findings,
    }])
}

fn stampede(server: std::net::SocketAddr) -> Result<BTreeMap<u16, u64>, String> {
    let mut connections = (0..REQUESTS).map(|_| connect(server)).collect::<Result<Vec<_>, _>>()?;
    let request = request(&new_key());
    for connection in &mut connections {
        connection.send(&request).map_err(|error| error.to_string())?;
    }
    let mut statuses = BTreeMap::new();
    for connection in &mut connections {
        let answer = connection.receive().map_err(|error| error.to_string())?;
        *statuses.entry(answer.and_then(|answer| answer.status()).unwrap_or(0)).or_default() += 1;
    }
    Ok(statuses)
}

/// How many answers there were of each status.
pub(super) fn answers(statuses: &BTreeMap<u16, u64>) -> String {
    let counts: Vec<String> = statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
    format!("answers: {}", counts.join(", "))
}
