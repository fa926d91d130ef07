//! `cargo xtask alerts`: proves that each fault fires exactly the alerts in `ops/faults.toml`, with a real Prometheus.

mod programs;
mod prometheus;
mod scenario;
mod stage;
mod traffic;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::interrupt::interrupted;
use crate::servers::SERVERS;
use crate::tools;
pub(crate) use programs::Programs;
use prometheus::Prometheus;
use scenario::{QUIET, Report, World};
use xtask::cargo::root;
use xtask::ops::faults::{Fault, Quiet};
use xtask::ops::{self, alert_rules, dashboard};
use xtask::ports;

/// Times are shortened by this. So one second stands for 30 s, which is the longest time between two scrapes that the rules
/// allow.
const FACTOR: u32 = 30;
/// Keeps the data of Prometheus.
const FOLDER: &str = "target/alerts";
/// How many faults happen at once, each on a server of its own.
const AT_ONCE: usize = 4;
/// How long the command may take, without what it builds.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Which faults happen.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// Only a few, on one server.
    short: bool,
    /// Only those with this text in their names.
    only: Option<String>,
}

/// Runs the command with the arguments that follow `alerts`.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let (install, rest) = tools::take_install(arguments);
    let options = Options::parse(&rest)?;
    prove(&Programs::find(install)?, &options)
}

/// The short form, as a part of another command.
pub(crate) fn short(programs: &Programs) -> Result<ExitCode, String> {
    prove(programs, &Options { short: true, only: None })
}

/// All faults, as a part of another command.
pub(crate) fn all(programs: &Programs) -> Result<ExitCode, String> {
    prove(programs, &Options::default())
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--short" => options.short = true,
                "--only" => options.only = Some(arguments.next().ok_or("--only needs a text")?.clone()),
                _ => {
                    return Err(format!(
                        "`cargo xtask alerts` has the flags --short, --only TEXT and --install, but not '{argument}'"
                    ));
                }
            }
        }
        Ok(options)
    }

    fn takes(&self, fault: &Fault) -> bool {
        let is_named = self.only.as_ref().is_none_or(|text| fault.name.contains(text));
        is_named && (fault.short || !self.short)
    }
}

fn prove(programs: &Programs, options: &Options) -> Result<ExitCode, String> {
    // The short form takes one server. Otherwise the faults take turns with all of them.
    let servers = if options.short { &SERVERS[..1] } else { SERVERS };
    let binaries: Vec<PathBuf> = servers.iter().map(|server| server.build()).collect::<Result<_, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the asynchronous runtime: {error}"))?;
    runtime.block_on(async {
        tokio::select! {
            () = interrupted() => Err("a signal ended the command".to_owned()),
            ended = timeout(LIMIT, conduct(programs, options, &binaries)) => {
                ended.unwrap_or_else(|_| Err(format!("no end in {} minutes", LIMIT.as_secs() / 60)))
            }
        }
    })
}

/// Lets all faults happen, and says what was not as it must be.
async fn conduct(programs: &Programs, options: &Options, binaries: &[PathBuf]) -> Result<ExitCode, String> {
    programs.check_rules().await?;
    let all = ops::faults::read(&ops::read("faults.toml")?)?;
    let rules = alert_rules::rules(&ops::read("alerts.yml")?)?;
    let delays = rules.into_iter().map(|rule| (rule.name, rule.delay / FACTOR)).collect();
    let panels = dashboard::panels(&ops::read("dashboard.json")?)?;
    let queries = panels.into_iter().flat_map(|panel| panel.queries).collect();

    let faults = all.faults.into_iter().filter(|fault| options.takes(fault)).map(Scene::Fault);
    let mut scenes = Vec::new();
    for scene in faults.chain([Scene::Quiet(all.quiet)]) {
        scenes.push((scene, ports::lasting()?));
    }
    let targets: Vec<(&str, SocketAddr)> =
        scenes.iter().map(|(scene, metrics)| (scene.name(), *metrics)).collect();
    println!("{} faults and quiet traffic, each time shortened by the factor {FACTOR}:", scenes.len() - 1);
    let prometheus = Prometheus::start(programs, &root().join(FOLDER), &targets, FACTOR).await?;
    let world = World {
        programs: programs.clone(),
        prometheus,
        delays,
        queries,
        ordinary: all.ordinary,
        factor: FACTOR,
    };
    let world = Arc::new(world);

    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (index, (scene, metrics)) in scenes.into_iter().enumerate() {
        let binary = binaries[index % binaries.len()].clone();
        let (world, turns) = (Arc::clone(&world), Arc::clone(&turns));
        running.spawn(async move {
            let _turn = turns.acquire_owned().await;
            let report = scene.play(&world, &binary, metrics).await;
            (scene.name().to_owned(), report)
        });
    }
    let mut failed = Vec::new();
    while let Some(ended) = running.join_next().await {
        let (name, report) = ended.map_err(|error| format!("a scenario ended early: {error}"))?;
        let report = report.unwrap_or_else(|problem| Report { problems: vec![problem], ..Report::default() });
        println!("\n{name}: {}", if report.problems.is_empty() { "as it must be" } else { "WRONG" });
        report.problems.iter().for_each(|problem| println!("  wrong: {problem}"));
        report.story.iter().for_each(|line| println!("  {line}"));
        if !report.problems.is_empty() {
            failed.push(name);
        }
    }
    if let Some(world) = Arc::into_inner(world) {
        world.prometheus.stop().await;
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nnot as they must be: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// What happens on one server.
enum Scene {
    Fault(Fault),
    Quiet(Quiet),
}

impl Scene {
    /// The name of its job in Prometheus.
    fn name(&self) -> &str {
        match self {
            Self::Fault(fault) => &fault.name,
            Self::Quiet(_) => QUIET,
        }
    }

    async fn play(&self, world: &World, binary: &Path, metrics: SocketAddr) -> Result<Report, String> {
        match self {
            Self::Fault(fault) => world.fault(fault, binary, metrics).await,
            Self::Quiet(quiet) => world.quiet(quiet, binary, metrics).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert!(parse(&["--quick"]).unwrap_err().contains("--short"));
        assert!(parse(&["--only"]).is_err());
        let only = Some("hang".to_owned());
        assert_eq!(parse(&["--only", "hang", "--short"]).unwrap(), Options { short: true, only });
    }

    #[test]
    fn every_time_of_the_rules_can_be_shortened() {
        let rules = ops::read("alerts.yml").unwrap();
        let short = alert_rules::shortened(&rules, FACTOR).unwrap();
        assert!(short.contains("[4000ms]") && !short.contains("[2m]"), "{short}");
    }
}
