//! What a guard costs while the cache answers: one key, and ten thousand in random order.

use super::Bench;
use super::compare::{Contender, findings, note_noise, take_turns, warm_up};
use super::wrk::Keys;
use crate::report::{Bound, Section};

const MANY: u64 = 10_000;

pub(super) fn measure(bench: &mut Bench, framework: &str) -> Result<Vec<Section>, String> {
    let mut guards = vec!["bare", "scoped", "require"];
    if framework == "axum" {
        guards.push("hand-written");
    }
    bench.upstream.reset(0)?;
    let mut contenders = Vec::new();
    for guard in guards {
        contenders.push(Contender::new(guard, bench.server(framework, guard, MANY)?));
    }
    warm_up(bench, &format!("cached/{framework}"), &mut contenders, || Keys::Good(MANY))?;
    let mut sections = Vec::new();
    for (name, keys, least) in [("one key", 1, 0.95), ("10,000 keys in random order", MANY, 0.90)] {
        let what = format!("cached/{framework}, {name}");
        take_turns(bench, &what, &mut contenders, || Keys::Good(keys))?;
        note_noise(bench, &contenders[0]);
        let mut section = Section {
            name: format!("cached/{framework}/{keys}"),
            title: format!("guarded against bare, {name}"),
            loads: contenders.iter().map(Contender::load).collect::<Result<_, _>>()?,
            findings: Vec::new(),
        };
        for contender in &contenders[1..] {
            let bound = (contender.name != "hand-written").then_some(Bound::AtLeast(least));
            section.findings.extend(findings(contender, &contenders[0], bound));
        }
        sections.push(section);
        for contender in &mut contenders {
            contender.rounds.clear();
        }
    }
    Ok(sections)
}
