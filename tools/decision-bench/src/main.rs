//! Measures the core. Callgrind counts `instructions` and `misses` (`cargo xtask instructions`). `compare` measures in turns
//! within one run (`cargo xtask bench core`).

mod compare;
mod instructions;
mod misses;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments.as_slice() {
        ["instructions", case, times] => instructions::run(case, times),
        ["misses", guard, keys, times, go] => misses::run(guard, keys, times, go.as_ref()),
        ["compare", rest @ ..] => compare::run(rest),
        _ => Err("expected `instructions <case> <times>`, `misses <guard> <keys> <times> <file>` or \
                      `compare [--quick] [--json <file>]`"
            .to_owned()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("decision-bench: {message}");
            ExitCode::FAILURE
        }
    }
}
