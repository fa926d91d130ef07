//! Counts the misses of a cached decision in caches that callgrind simulates. They are of a fixed size, so the counts
//! do not depend on the machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use xtask::cargo::root;

/// The guard of this project over many keys, and, for comparison, the least that any guard with a cache pays.
const CASES: &[(&str, u64)] = &[("ours", 10_000), ("ours", 1_000_000), ("least-cached", 10_000)];
/// The counted function of `decision-bench misses`.
const COUNTED: &str = "decision_bench::misses::counted";
const TIMES: u64 = 10_000;
/// Size in bytes, ways, and bytes in a line. They are the first-level caches of today's server processors, and a
/// last-level cache that holds 10,000 entries and not 1,000,000.
const CACHES: [&str; 3] = ["--I1=32768,8,64", "--D1=49152,12,64", "--LL=33554432,16,64"];
/// The allowed growth in misses a decision.
const GROWTH: f64 = 0.25;
/// Over 10,000 keys, a decision may miss the first level this often more than the least cached guard.
const OVER_THE_LEAST: f64 = 0.5;
/// Over 10,000 keys, a decision may miss the first level this often.
const MOST: f64 = 4.5;

/// The misses of one decision. The line of memory that brings the request's header is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Misses {
    first_level: f64,
    last_level: f64,
}

pub(super) type Counts = BTreeMap<String, Misses>;

/// The misses of one decision, by guard and number of keys.
pub(super) fn count(program: &Path) -> Result<Counts, String> {
    let of = |(guard, keys): &(&str, u64)| Ok((format!("{guard}/{keys}"), count_one(program, guard, *keys)?));
    CASES.iter().map(of).collect()
}

fn count_one(program: &Path, guard: &str, keys: u64) -> Result<Misses, String> {
    let place = |name: &str| root().join("target").join(format!("misses-{}.{name}", std::process::id()));
    let (go, words) = (place("go"), place("log"));
    let mut valgrind = Command::new("valgrind");
    valgrind.args([
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        "--instr-atstart=no",
        "--cache-sim=yes",
    ]);
    valgrind.args(CACHES).arg(format!("--toggle-collect={COUNTED}"));
    valgrind.arg(program).args(["misses", guard, &keys.to_string(), &TIMES.to_string()]).arg(&go);
    let log = File::create(&words).map_err(|error| format!("cannot write {}: {error}", words.display()))?;
    valgrind.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let child = valgrind.spawn().map_err(|error| format!("cannot run valgrind: {error}"))?;
    let ended = simulate(child, &go);
    let said = std::fs::read_to_string(&words).unwrap_or_default();
    let _ = (std::fs::remove_file(&go), std::fs::remove_file(&words));
    let is_good = ended?;
    collected(&said)
        .filter(|_| is_good)
        .ok_or_else(|| format!("valgrind counted no misses of {guard} over {keys} keys. It wrote: {said}"))
}

/// Turns the simulation on when the program has filled its cache, and lets it go on. Returns whether it succeeded.
fn simulate(mut child: Child, go: &PathBuf) -> Result<bool, String> {
    let output = child.stdout.take().map(BufReader::new);
    let is_filled = output.and_then(|output| output.lines().next()).is_some();
    let mut control = Command::new("callgrind_control");
    control.args(["--instr=on", &child.id().to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let is_on = is_filled && control.status().is_ok_and(|status| status.success());
    if !is_on || File::create(go).is_err() {
        let _ = child.kill();
    }
    let ended = child.wait().map_err(|error| format!("valgrind: {error}"))?;
    Ok(is_on && ended.success())
}

/// The sums in callgrind's output, as misses a decision. Its columns are: instructions, reads, writes, then first-level
/// misses of instructions, reads and writes, then those of the last level.
fn collected(said: &str) -> Option<Misses> {
    let sums = said.lines().find_map(|line| line.split_once("Collected : "))?.1;
    let sums: Vec<u64> = sums.split_whitespace().map_while(|sum| sum.parse().ok()).collect();
    let [_, _, _, _, first_reads, first_writes, _, last_reads, last_writes] = sums[..] else { return None };
    let each = |sum: u64| ((sum as f64 / TIMES as f64 - 1.0) * 100.0).round() / 100.0;
    Some(Misses { first_level: each(first_reads + first_writes), last_level: each(last_reads + last_writes) })
}

/// Prints each case. Returns whether one has grown too much, is not recorded, or breaks a bound.
pub(super) fn report(counts: &Counts, recorded: &Counts) -> bool {
    let mut is_broken = false;
    for (case, Misses { first_level, last_level }) in counts {
        println!("misses, {case} keys: {first_level:.2} first-level, {last_level:.2} last-level");
        let Some(before) = recorded.get(case) else {
            println!("  which is not recorded");
            is_broken = true;
            continue;
        };
        if *first_level > before.first_level + GROWTH || *last_level > before.last_level + GROWTH {
            println!("  grown from {:.2} and {:.2}", before.first_level, before.last_level);
            is_broken = true;
        }
    }
    if let (Some(ours), Some(least)) = (counts.get("ours/10000"), counts.get("least-cached/10000")) {
        let most = MOST.min(least.first_level + OVER_THE_LEAST);
        if ours.first_level > most {
            println!("misses, ours/10000 keys: more than {most:.2} first-level");
            is_broken = true;
        }
    }
    is_broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(ours: f64, least: f64) -> Counts {
        let misses = |first_level| Misses { first_level, last_level: 0.0 };
        BTreeMap::from([
            ("ours/10000".to_owned(), misses(ours)),
            ("least-cached/10000".to_owned(), misses(least)),
        ])
    }

    #[test]
    fn the_misses_are_found_among_callgrinds_words() {
        let said = "==1== Events    : Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\n\
                    ==1== Collected : 13658854 3531355 1800012 100 47518 10 64 10001 0\n";
        assert_eq!(collected(said), Some(Misses { first_level: 3.75, last_level: 0.0 }));
        assert_eq!(collected("==1== Collected : 0\n"), None);
    }

    #[test]
    fn growth_and_broken_bounds_fail() {
        for (ours, least, recorded, is_broken) in [
            (3.75, 3.95, 3.75, false),
            (4.00, 3.95, 3.75, false),
            (4.01, 3.95, 3.75, true),
            (4.45, 3.95, 4.45, false),
            (4.46, 3.95, 4.46, true),
            (4.51, 5.00, 4.51, true),
        ] {
            let said = report(&counts(ours, least), &counts(recorded, least));
            assert_eq!(said, is_broken, "{ours} against {least}, recorded {recorded}");
        }
        assert!(report(&counts(3.75, 3.95), &Counts::new()));
    }
}
