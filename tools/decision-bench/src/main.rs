//! Measures the core. Callgrind counts `instructions` (`cargo xtask instructions`). `compare` measures in turns
//! within one run (`cargo xtask bench core`).

mod compare;
mod instructions;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments.as_slice() {
        ["instructions", case, times] => instructions::run(case, times),
        ["compare", rest @ ..] => compare::run(rest),
        _ => Err("expected `instructions <case> <times>` or `compare [--quick] [--json <file>]`".to_owned()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("decision-bench: {message}");
            ExitCode::FAILURE
        }
    }
}
