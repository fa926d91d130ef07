//! Runs the soak and the resilience table. `cargo xtask soak` builds it in release and starts it.

use std::process::ExitCode;
use std::time::Duration;

use apikey_soak::mixed::{self, Settings};
use apikey_soak::report::Report;
use apikey_soak::{cases, log};

const HELP: &str = "\
usage: soak [--seconds N] [--quick] [--seed N] [--only TEXT] [--json FILE]

  --seconds N   length of the mixed traffic in seconds (default 300; 0: none)
  --quick       the table's outage lasts 6 s instead of 60 s, and crowds are a tenth of their size
  --seed N      repeats the traffic of an earlier run, but not the timing of the machine
  --only TEXT   runs only the cases of the table whose name contains TEXT
  --json FILE   also writes the table to this file
";

struct Options {
    seconds: u64,
    is_quick: bool,
    seed: u64,
    only: String,
    json: Option<String>,
}

fn main() -> ExitCode {
    log::install();
    match read(std::env::args().skip(1)).and_then(|options| options.map_or(Ok(true), run)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("soak: {message}");
            ExitCode::FAILURE
        }
    }
}

/// `None`: the arguments ask for help.
fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let seed = fastrand::u64(..);
    let mut options = Options { seconds: 300, is_quick: false, seed, only: String::new(), json: None };
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("{argument} needs a whole number"))
        };
        match argument.as_str() {
            "--seconds" => options.seconds = number()?,
            "--seed" => options.seed = number()?,
            "--quick" => options.is_quick = true,
            "--only" => options.only = arguments.next().ok_or("--only needs a part of a case's name")?,
            "--json" => options.json = Some(arguments.next().ok_or("--json needs the name of a file")?),
            "--help" | "help" => {
                print!("{HELP}");
                return Ok(None);
            }
            _ => return Err(format!("there is no argument {argument:?}\n{HELP}")),
        }
    }
    Ok(Some(options))
}

fn run(options: Options) -> Result<bool, String> {
    println!("seed {}", options.seed);
    if cfg!(debug_assertions) {
        println!("this is not a release build, so latencies say little");
    }
    let mut report = Report { seed: options.seed, rows: Vec::new() };
    if options.seconds > 0 {
        report.rows.extend(mixed_soak(&options)?);
    }
    for (name, case) in cases::ALL.iter().filter(|(name, _)| name.contains(&options.only)) {
        println!("{name} ...");
        fastrand::seed(options.seed);
        let rows = match runtime()?.block_on(case(options.is_quick)) {
            Ok(rows) => rows,
            Err(error) => vec![apikey_soak::report::Row::new(*name, "runs to its end", error, false)],
        };
        report.rows.extend(rows);
    }
    println!("\n{}", report.table());
    if let Some(file) = &options.json {
        let json = serde_json::to_vec_pretty(&report).map_err(|error| error.to_string())?;
        std::fs::write(file, json).map_err(|error| format!("cannot write {file}: {error}"))?;
        println!("written to {file}");
    }
    Ok(report.is_ok())
}

fn mixed_soak(options: &Options) -> Result<Vec<apikey_soak::report::Row>, String> {
    let duration = Duration::from_secs(options.seconds);
    let settings = Settings {
        duration,
        warm_up: (duration / 4).min(Duration::from_secs(20)),
        seed: options.seed,
        visitors: 32,
        pause: Duration::from_millis(10),
        peace: Duration::from_millis(1500),
        failing: Duration::from_millis(1200),
        crowd: 160,
        rush: 600,
        filling: 12_000,
        prints: true,
    };
    println!(
        "mixed soak: {} s after {:.0} s of warm-up ...",
        options.seconds,
        settings.warm_up.as_secs_f64()
    );
    let outcome = runtime()?.block_on(mixed::run(&settings))?;
    for wrong in &outcome.wrong {
        println!("WRONG: {wrong}");
    }
    Ok(outcome.decisions().into_iter().chain(outcome.memory()).collect())
}

/// Each part has a new runtime, so that no tasks of another part are counted.
fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| format!("cannot start a Tokio runtime: {error}"))
}
