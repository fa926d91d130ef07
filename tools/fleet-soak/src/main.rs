//! Runs the soak of a fleet, or one instance of it. `cargo xtask fleet` builds and starts it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use apikey_fleet_soak::{cases, report, server};

const HELP: &str = "\
usage: fleet-soak [--quick] [--seconds N] [--only TEXT]

  --quick       fewer and shorter cases: 3 minutes instead of 12
  --seconds N   begins no case after this time (default 900)
  --only TEXT   runs only the cases whose name contains TEXT
";

struct Options {
    is_quick: bool,
    limit: Duration,
    only: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match arguments.as_slice() {
        [command, settings] if command == "serve" => server::run(settings).map(|()| true),
        _ => {
            read(arguments.into_iter()).and_then(|options| options.map_or(Ok(true), |options| run(&options)))
        }
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("fleet-soak: {message}");
            ExitCode::FAILURE
        }
    }
}

/// `None`: the arguments ask for help.
fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options { is_quick: false, limit: Duration::from_secs(900), only: String::new() };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => options.is_quick = true,
            "--seconds" => {
                let seconds = arguments.next().and_then(|value| value.parse().ok());
                options.limit = Duration::from_secs(seconds.ok_or("--seconds needs a whole number")?);
            }
            "--only" => options.only = arguments.next().ok_or("--only needs a part of a case's name")?,
            "--help" | "help" => {
                print!("{HELP}");
                return Ok(None);
            }
            _ => return Err(format!("there is no argument {argument:?}\n{HELP}")),
        }
    }
    Ok(Some(options))
}

fn run(options: &Options) -> Result<bool, String> {
    let began = Instant::now();
    let (mut rows, mut left_out) = (Vec::new(), Vec::new());
    for case in cases::all() {
        let is_wanted = if options.only.is_empty() {
            case.is_quick || !options.is_quick
        } else {
            case.name.contains(&options.only)
        };
        if !is_wanted {
            continue;
        }
        if began.elapsed() > options.limit {
            left_out.push(case.name);
            continue;
        }
        println!("{} ...", case.name);
        // Each case has a new runtime, so that no task of another one disturbs it.
        let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no Tokio runtime: {error}"))?;
        let run = AssertUnwindSafe(|| runtime.block_on(case.run(options.is_quick)));
        // The servers of tests panic if they do not start. The other cases go on.
        let row = catch_unwind(run).unwrap_or_else(|_| {
            let problems = vec!["a panic, see above".to_owned()];
            report::Row { case: case.name.to_owned(), problems, ..report::Row::default() }
        });
        row.wrong().for_each(|wrong| println!("  WRONG: {wrong}"));
        rows.push(row);
        runtime.shutdown_background();
    }
    println!("\n{}", report::table(&rows));
    if !left_out.is_empty() {
        println!("left out after {} s: {}", options.limit.as_secs(), left_out.join(", "));
    }
    Ok(!rows.is_empty() && left_out.is_empty() && rows.iter().all(report::Row::is_ok))
}
