//! Measures a fleet on a real Redis: `cargo xtask bench fleet`.

mod cases;
mod counted;
mod machine;
mod schedule;
mod simulation;
mod table;

use std::process::ExitCode;

use machine::Machine;
use table::Row;

const HELP: &str = "fleet-bench [--quick] [--json <file>] [case]...

The cases are apart, calls, restart, latency and cost. Without one, all run. A full run takes about 3 minutes, --quick one.
The exit code is 1 if a figure breaks its bound.";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("fleet-bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let (mut is_quick, mut json, mut chosen) = (false, None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => is_quick = true,
            "--json" => json = Some(arguments.next().ok_or("--json takes a file")?),
            name if cases::ALL.iter().any(|(case, _)| *case == name) => chosen.push(argument),
            _ => return Err(format!("there is no case or option '{argument}'\n{HELP}")),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    for (name, case) in cases::ALL {
        if !chosen.is_empty() && !chosen.iter().any(|chosen| chosen == name) {
            continue;
        }
        eprintln!("{name} ...");
        let before = Machine::now();
        let found = case(&runtime, is_quick).map_err(|error| format!("{name}: {error}"))?;
        let load = before.until_now();
        rows.extend(found.into_iter().map(|row| Row { what: format!("{name}: {}", row.what), ..row }));
        rows.push(Row::new(format!("{name}: the machine meanwhile"), load));
    }
    print!("{}", table::table(&rows));
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
        std::fs::write(&file, text).map_err(|error| format!("cannot write {file}: {error}"))?;
    }
    let is_broken = rows.iter().any(|row| row.is_kept == Some(false));
    Ok(if is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
