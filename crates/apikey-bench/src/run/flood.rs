//! A flood of keys that nobody has, each of which asks the upstream.

use super::Bench;
use super::compare::{Contender, findings, take_turns, warm_up};
use super::wrk::Keys;
use crate::report::{Bound, Finding, Section, Spread, Unit};

pub(super) fn measure(bench: &mut Bench, framework: &str) -> Result<Vec<Section>, String> {
    bench.upstream.reset(0)?;
    let mut contenders = Vec::new();
    for guard in ["hand-written", "scoped"] {
        contenders.push(Contender::new(guard, bench.server(framework, guard, 0)?));
    }
    let mut run = 0;
    let mut keys = || {
        run += 1;
        Keys::Junk(run)
    };
    let what = format!("flood/{framework}");
    warm_up(bench, &what, &mut contenders, &mut keys)?;
    take_turns(bench, &what, &mut contenders, keys)?;
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
