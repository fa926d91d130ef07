//! The project's own commands. `cargo xtask help` lists them.

mod bench;
mod cargo;
mod demo;
mod instructions;
mod long;
mod soak;
mod test;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  demo [framework] [--once]   start the Kinde emulator and a reference server, walk through its answers and check
                              each against the contract; then keep serving until Ctrl-C. With --once: end after the
                              walk, with exit code 1 if an answer differed
  test [arguments]            every test of the workspace, then the walk through every reference server. Arguments go
                              to `cargo test`, and then the walks are left out
  bench [--quick] [filter]    what a decision and a guard over HTTP cost, in ratios; `bench --help` explains it
  instructions [--record]     the instructions of a cached decision, counted by valgrind, against the recorded ones
  ci                          what a change must pass: formatting, lints, documentation, every test, instructions
  soak [--seconds N] [--quick] [--seed N] [--only TEXT]
                              in release: minutes of mixed traffic with an oracle that judges every answer, then the
                              resilience table, measured. Exit code 1 if a bound is broken; see target/soak.json
  long [--quick]              what takes longer than the tests: the soak with its table, the benchmarks in their quick
                              form, then the mutation check, which needs cargo-mutants and takes hours. Exit code 1
                              if one of them did not pass. --quick shortens the soak
  help                        this text

bench, instructions, ci and long need programs beside the Rust toolchain and name the packages that are missing. With
--install they install them, as root on Debian or Ubuntu.
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let arguments = std::env::args_os().skip(1).map(|argument| {
        argument
            .into_string()
            .map_err(|argument| format!("argument {argument:?} is not UTF-8: spell it differently"))
    });
    let arguments: Vec<String> = arguments.collect::<Result<_, _>>()?;
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[] as &[String]),
    };
    let asks_for_help = rest.iter().any(|argument| argument == "--help" || argument == "-h");
    if asks_for_help && matches!(command, "demo" | "instructions" | "ci" | "long") {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    match command {
        "demo" => demo::run(rest),
        "soak" => soak::soak(rest),
        "test" => test::test(rest),
        "bench" => bench::run(rest),
        "instructions" => instructions::run(rest),
        "ci" => test::ci(rest),
        "long" => long::long(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => Err(format!("there is no command '{unknown}'. `cargo xtask help` lists the commands")),
    }
}
