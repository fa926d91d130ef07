//! `cargo xtask instructions`: valgrind's callgrind counts the instructions of a cached decision, and its misses in
//! simulated caches. The counts are compared with the recorded ones. They do not depend on the load of the machine, so
//! they can fail a build.

mod misses;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde::{Deserialize, Serialize};

use crate::tools;
use xtask::cargo::{build, root};

const PACKAGE: &str = "decision-bench";
/// The cases of `decision-bench instructions`.
const CASES: &[&str] = &["hit", "hit_with_a_nested_policy", "malformed"];
/// The counted function of that program. What it calls counts, too.
const COUNTED: &str = "decision_bench::instructions::counted";
/// The number of decisions in a run. With this many, the function's own instructions do not matter.
const TIMES: u64 = 10_000;
/// The allowed growth of a case in percent.
const GROWTH: u64 = 3;

/// The programs that counting needs.
pub(crate) const PROGRAMS: &[&str] = &["valgrind"];

/// Counts, and compares with the record. With `--record`, writes a new record.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let (install, rest) = tools::take_install(arguments);
    let is_recording = match rest.as_slice() {
        [] => false,
        [argument] if argument == "--record" => true,
        _ => return Err("`cargo xtask instructions` takes --record and --install".to_owned()),
    };
    tools::require(PROGRAMS, install)?;
    if is_recording {
        return record();
    }
    let (recorded, compiler) = (Record::read()?, compiler()?);
    if recorded.compiler != compiler {
        println!(
            "the record is of another compiler ({}), so the comparison proves nothing",
            recorded.compiler
        );
    }
    let is_broken = recorded.is_broken_by(&Record::count()?);
    Ok(if is_broken && recorded.compiler == compiler { failure() } else { ExitCode::SUCCESS })
}

/// Counts and compares, as a check that must pass. A record of another compiler is a failure, too.
pub(crate) fn gate() -> Result<ExitCode, String> {
    let recorded = Record::read()?;
    recorded.must_be_of(&compiler()?)?;
    Ok(if recorded.is_broken_by(&Record::count()?) { failure() } else { ExitCode::SUCCESS })
}

fn failure() -> ExitCode {
    eprintln!(
        "a cached decision takes over {GROWTH} % more instructions than recorded, or misses the caches more often. Find"
    );
    eprintln!(
        "out why. If it is worth it, record the new count with `cargo xtask instructions --record` and say so in the commit."
    );
    ExitCode::FAILURE
}

/// The recorded counts.
#[derive(Serialize, Deserialize)]
struct Record {
    /// Counts of different compilers cannot be compared.
    compiler: String,
    instructions: BTreeMap<String, u64>,
    misses: misses::Counts,
}

impl Record {
    /// Counts everything.
    fn count() -> Result<Self, String> {
        let program = build(PACKAGE, &["--release"])?;
        let mut instructions = BTreeMap::new();
        for case in CASES {
            instructions.insert((*case).to_owned(), count(&program, case)? / TIMES);
        }
        Ok(Self { compiler: compiler()?, instructions, misses: misses::count(&program)? })
    }

    /// Prints the counts. Returns whether they have grown too much, or break a bound.
    fn is_broken_by(&self, counted: &Self) -> bool {
        let has_grown = report(&counted.instructions, &self.instructions);
        misses::report(&counted.misses, &self.misses) || has_grown
    }

    fn file() -> PathBuf {
        root().join("tools").join(PACKAGE).join("instructions.json")
    }

    fn read() -> Result<Self, String> {
        let file = Self::file();
        let text =
            std::fs::read(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        serde_json::from_slice(&text).map_err(|error| format!("{} is not a record: {error}", file.display()))
    }

    fn must_be_of(&self, compiler: &str) -> Result<(), String> {
        if self.compiler == compiler {
            return Ok(());
        }
        Err(format!(
            "the instruction counts were recorded with another compiler, so they prove nothing under this one.\n  \
             recorded: {}\n  this one: {compiler}\nUse the recorded compiler. Or record the counts anew with \
             `cargo xtask instructions --record`, in a commit that changes nothing else",
            self.compiler
        ))
    }
}

fn record() -> Result<ExitCode, String> {
    let (file, record) = (Record::file(), Record::count()?);
    let text = serde_json::to_string_pretty(&record).map_err(|error| error.to_string())? + "\n";
    std::fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    record.is_broken_by(&record);
    println!("recorded in {}", file.display());
    Ok(ExitCode::SUCCESS)
}

/// Prints each case. Returns whether one has grown too much or is not recorded.
fn report(counts: &BTreeMap<String, u64>, recorded: &BTreeMap<String, u64>) -> bool {
    let mut grown = false;
    for (case, count) in counts {
        let Some(recorded) = recorded.get(case).copied().filter(|recorded| *recorded > 0) else {
            println!("instructions, {case}: {count}, which is not recorded");
            grown = true;
            continue;
        };
        let growth = (*count as f64 / recorded as f64 - 1.0) * 100.0;
        println!("instructions, {case}: {count} ({growth:+.1} % against {recorded})");
        grown |= count * 100 > recorded * (100 + GROWTH);
    }
    grown
}

/// The instructions of all decisions of one run.
fn count(program: &Path, case: &str) -> Result<u64, String> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(format!("--toggle-collect={COUNTED}"));
    valgrind.arg(program).args(["instructions", case, &TIMES.to_string()]);
    let output = valgrind.output().map_err(|error| format!("cannot run valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    collected(&said)
        .filter(|count| *count > 0 && output.status.success())
        .ok_or_else(|| format!("valgrind counted nothing. It wrote: {said}"))
}

/// The sum in callgrind's output.
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

fn compiler() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    let output = output.map_err(|error| format!("cannot run rustc: {error}"))?;
    Ok(format!("{}, {}", String::from_utf8_lossy(&output.stdout).trim(), std::env::consts::ARCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_found_among_callgrinds_words() {
        let said = "==1== Events    : Ir\n==1== Collected : 40318781\n==1== \n";
        assert_eq!(collected(said), Some(40_318_781));
        assert_eq!(collected("==1== Events : Ir"), None);
    }

    #[test]
    fn growth_past_the_bound_and_unrecorded_cases_fail() {
        let counts = |case: &str, count| BTreeMap::from([(case.to_owned(), count)]);
        assert!(!report(&counts("hit", 1_030), &counts("hit", 1_000)));
        assert!(report(&counts("hit", 1_031), &counts("hit", 1_000)));
        assert!(!report(&counts("hit", 500), &counts("hit", 1_000)));
        assert!(report(&counts("hit", 500), &counts("other", 1_000)));
    }

    #[test]
    fn another_compiler_fails_the_gate_and_tells_what_to_do() {
        let record = Record {
            compiler: "rustc 1.95.0, x86_64".to_owned(),
            instructions: BTreeMap::new(),
            misses: BTreeMap::new(),
        };
        assert_eq!(record.must_be_of("rustc 1.95.0, x86_64"), Ok(()));
        let error = record.must_be_of("rustc 1.96.0, x86_64").unwrap_err();
        for part in ["rustc 1.95.0", "rustc 1.96.0", "cargo xtask instructions --record"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_repositorys_record_is_read() {
        let record = Record::read().unwrap();
        assert!(CASES.iter().all(|case| record.instructions.contains_key(*case)));
    }
}
