//! Prints the report on a terminal.

use super::{Bound, Finding, Load, Noise, Spread, Unit};
use crate::machine::Machine;

/// The machine and the noise.
pub(crate) fn opening(machine: &Machine, noise: Option<&Noise>) -> String {
    let mut text = format!(
        "{}, {} cores, {}, {}\n{}\n",
        machine.processor, machine.cores, machine.kernel, machine.rustc, machine.pinning
    );
    let Some(noise) = noise else { return text };
    for (what, spread) in [
        ("requests a second", noise.bare_against_bare),
        ("processor time per request", noise.bare_against_bare_processor_time),
    ] {
        if let Some(spread) = spread {
            text += &format!("noise: bare against bare a round earlier, {what}: {}\n", ratio(spread));
        }
    }
    if let Some(others) = noise.others {
        text += &format!("noise: other processes used {:.0} % of the machine meanwhile\n", others * 100.0);
    }
    text
}

/// The servers of a section, one per line.
pub(crate) fn loads(loads: &[Load]) -> String {
    let mut text = format!(
        "  {:<14} {:>9} {:>17} {:>7} {:>9} {:>17} {:>8} {:>8}\n",
        "server", "req/s", "lowest..highest", "CPU %", "CPU µs/rq", "lowest..highest", "p50 ms", "p99 ms"
    );
    for load in loads {
        let rate = load.requests_per_second;
        let percent = load.processor_percent.map_or("-".to_owned(), |spread| format!("{:.0}", spread.median));
        let (time, times) = load.microseconds_per_request.map_or(("-".to_owned(), String::new()), |spread| {
            (format!("{:.2}", spread.median), format!("{:.2}..{:.2}", spread.lowest, spread.highest))
        });
        text += &format!(
            "  {:<14} {:>9.0} {:>17} {percent:>7} {time:>9} {times:>17} {:>8} {:>8}\n",
            load.server,
            rate.median,
            format!("{:.0}..{:.0}", rate.lowest, rate.highest),
            latency(load.median_latency),
            latency(load.high_latency),
        );
    }
    text
}

fn latency(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(|| "-".to_owned(), |latency| format!("{latency:.2}"))
}

/// One finding, with its verdict.
pub(crate) fn finding(finding: &Finding) -> String {
    let value = match finding.unit {
        Unit::Ratio => ratio(finding.value),
        Unit::Milliseconds => format!("{:.3} ms", finding.value.median),
        Unit::Count => format!("{:.0}", finding.value.median),
    };
    let verdict = match (finding.bound, finding.kept) {
        (Some(bound), Some(kept)) => {
            let (side, limit) = match bound {
                Bound::AtLeast(least) => ("at least", least),
                Bound::AtMost(most) => ("at most", most),
            };
            format!("  [{} {side} {limit}]", if kept { "kept:" } else { "BROKEN:" })
        }
        _ => String::new(),
    };
    let note = if finding.note.is_empty() { String::new() } else { format!("  ({})", finding.note) };
    format!("  {}: {value}{verdict}{note}\n", finding.what)
}

fn ratio(spread: Spread) -> String {
    if spread.lowest >= spread.highest {
        return format!("{:.3}", spread.median);
    }
    format!("{:.3} ({:.3}..{:.3})", spread.median, spread.lowest, spread.highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_bound_is_shown_as_such() {
        let spread = Spread::of(&[0.5, 0.6, 0.7]).unwrap();
        let broken = Finding::new("speed", Unit::Ratio, spread).bound(Bound::AtLeast(0.95)).note("why");
        assert_eq!(finding(&broken), "  speed: 0.600 (0.500..0.700)  [BROKEN: at least 0.95]  (why)\n");
        let kept = Finding::new("calls", Unit::Count, Spread::exactly(1.0)).bound(Bound::AtMost(1.0));
        assert_eq!(finding(&kept), "  calls: 1  [kept: at most 1]\n");
    }
}
