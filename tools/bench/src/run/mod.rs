//! One run: describes the machine, runs the scenarios one by one, and writes the report.

mod cached;
mod child;
mod cold;
mod compare;
mod flood;
mod processor_time;
mod single;
mod slow;
mod stampede;
mod wrk;
mod zipf;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::arguments::Arguments;
use crate::machine::Placement::{self, Apart, Shared};
use crate::machine::{Cores, Machine};
use crate::report::{self, Noise, Report, Section, Spread};
use child::{Server, Upstream};
use compare::Ratios;
use processor_time::CoreTime;
use wrk::Wrk;

/// Measures a scenario on one framework.
type Measure = fn(&mut Bench, &str) -> Result<Vec<Section>, String>;
/// Its name, the framework, and where its processes run.
type Scenario = (&'static str, &'static str, Placement, Measure);

/// All scenarios. Filters choose them by name.
const SCENARIOS: &[Scenario] = &[
    ("cached", "axum", Shared, cached::measure),
    ("cached", "actix", Shared, cached::measure),
    ("cached", "rocket", Shared, cached::measure),
    ("cached", "warp", Shared, cached::measure),
    ("flood", "axum", Apart, flood::measure),
    ("slow", "axum", Apart, slow::measure),
    ("zipf", "axum", Apart, zipf::measure),
    ("cold", "axum", Apart, cold::measure),
    ("cold", "actix", Apart, cold::measure),
    ("cold", "rocket", Apart, cold::measure),
    ("cold", "warp", Apart, cold::measure),
    ("stampede", "axum", Apart, stampede::measure),
    ("stampede", "actix", Apart, stampede::measure),
    ("stampede", "rocket", Apart, stampede::measure),
    ("stampede", "warp", Apart, stampede::measure),
];

/// What scenarios need.
struct Bench {
    quick: bool,
    rounds: u64,
    seconds: u64,
    cores: Option<Cores>,
    /// Where servers run, if they get only one core.
    server_core: Option<usize>,
    wrk: Wrk,
    upstream: Upstream,
    /// Each bare server compared with itself.
    noise: Ratios,
}

impl Bench {
    /// Starts a server.
    fn server(&self, framework: &str, guard: &str, seed: u64) -> Result<Server, String> {
        let (upstream, seed) = (self.upstream.url(), seed.to_string());
        let arguments =
            ["server", "--framework", framework, "--guard", guard, "--upstream", &upstream, "--seed", &seed];
        Server::start(&arguments, self.server_core)
    }

    fn place(&mut self, placement: Placement) -> Result<(), String> {
        if let Some(cores) = &self.cores {
            self.server_core = cores.place(placement)?;
        }
        Ok(())
    }
}

/// Measures the scenarios that the filters choose, or all of them.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let mut arguments = Arguments::new(arguments);
    let quick = arguments.flag("--quick");
    let rounds = arguments.number("--rounds")?.unwrap_or(if quick { 2 } else { 8 }).max(1);
    let seconds = arguments.number("--seconds")?.unwrap_or(if quick { 1 } else { 2 }).max(1);
    let directory =
        arguments.text("--directory")?.map_or_else(|| PathBuf::from("target/bench"), PathBuf::from);
    let chosen = chosen(&arguments.rest())?;
    let path = directory.display();
    std::fs::create_dir_all(&directory).map_err(|error| format!("cannot make {path}: {error}"))?;

    let wrk = Wrk::new(&directory)?;
    let before = CoreTime::now(None);
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = Cores::find();
    let machine = Machine::new(all, &cores);
    print!("{}", report::opening(&machine, None));
    let cores = cores.ok();
    let upstream = Upstream::start(cores.as_ref().map(|cores| cores.load))?;
    let noise = Ratios::default();
    let mut bench = Bench { quick, rounds, seconds, cores, server_core: None, wrk, upstream, noise };

    let mut sections = Vec::new();
    let mut failures = Vec::new();
    for (name, framework, placement, measure) in chosen {
        match bench.place(placement).and_then(|()| measure(&mut bench, framework)) {
            Ok(found) => {
                for section in &found {
                    show(section);
                }
                sections.extend(found);
            }
            Err(why) => {
                println!("\n{name}/{framework} could not be measured: {why}");
                failures.push(format!("{name}/{framework}: {why}"));
            }
        }
    }
    let Bench { upstream, noise, .. } = bench;
    drop(upstream);
    let noise = Noise {
        bare_against_bare: Spread::of(&noise.rates),
        bare_against_bare_processor_time: Spread::of(&noise.processor_times),
        others: others(before),
    };
    println!("\n{}", report::opening(&machine, Some(&noise)));
    let report = Report { machine, quick, noise, sections, failures };
    write(&directory, &report)?;
    Ok(if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The scenarios whose name contains one of the filters.
fn chosen(filters: &[String]) -> Result<Vec<Scenario>, String> {
    let names = || SCENARIOS.iter().map(|(name, framework, ..)| format!("{name}/{framework}"));
    if let Some(unknown) = filters.iter().find(|filter| !names().any(|name| name.contains(filter.as_str()))) {
        let names: Vec<String> = names().collect();
        return Err(format!(
            "no scenario has '{unknown}' in its name. The scenarios are: {}",
            names.join(", ")
        ));
    }
    let is_chosen =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let scenarios = SCENARIOS.iter().copied().zip(names());
    Ok(scenarios.filter(|(_, name)| is_chosen(name)).map(|(scenario, _)| scenario).collect())
}

fn show(section: &Section) {
    println!("\n{}: {}", section.name, section.title);
    if !section.loads.is_empty() {
        print!("{}", report::loads(&section.loads));
    }
    for finding in &section.findings {
        print!("{}", report::finding(finding));
    }
}

/// The part of the machine that processes outside this run used. The run's own processes must have ended.
fn others(before: Option<CoreTime>) -> Option<f64> {
    let (before, after) = (before?, CoreTime::now(None)?);
    let busy = after.busy - before.busy - processor_time::of_this_and_children()?;
    Some((busy / (after.total - before.total)).clamp(0.0, 1.0))
}

fn write(directory: &Path, report: &Report) -> Result<(), String> {
    let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    for (name, text) in [("report.json", json), ("report.svg", report::plot(report))] {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(filters: &[&str]) -> Vec<String> {
        let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        chosen(&filters).unwrap().iter().map(|(name, framework, ..)| format!("{name}/{framework}")).collect()
    }

    #[test]
    fn filters_choose_by_a_part_of_the_name() {
        assert_eq!(names(&[]).len(), SCENARIOS.len());
        assert_eq!(names(&["d/warp", "zipf"]), ["cached/warp", "zipf/axum", "cold/warp"]);
        assert!(chosen(&["gotham".to_owned()]).unwrap_err().contains("'gotham'"));
    }
}
