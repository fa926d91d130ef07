//! `cargo xtask demo`: starts the Kinde emulator and a reference server, and walks through the server's answers.

mod check;
mod fleet;
mod show;
mod walk;

use crate::interrupt::interrupted;
use crate::servers::{self, Binary};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, SeededKey, seed_keys};
use show::Screen;
use std::process::ExitCode;
use walk::Upstream;
use xtask::ports;
use xtask::running::Running;

/// The server's port, if it is free.
const SERVER_PORT: u16 = 3000;
/// The emulator's port, if it is free.
const EMULATOR_PORT: u16 = 4010;

/// Runs the demo with the arguments that follow `demo`.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let options = Options::parse(arguments)?;
    if options.fleet { fleet::run(options.once) } else { walk(&options) }
}

/// Walks once through every reference server's answers, and shows the fleet. Ends after the first wrong answer.
pub(crate) fn walk_through_all() -> Result<ExitCode, String> {
    for server in servers::SERVERS {
        let code = walk(&Options { server, once: true, fleet: false })?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    fleet::run(true)
}

fn walk(options: &Options) -> Result<ExitCode, String> {
    let path = options.server.build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the asynchronous runtime: {error}"))?;
    runtime.block_on(demo(options, &path))
}

#[derive(Debug)]
struct Options {
    server: &'static Binary,
    once: bool,
    /// Show three servers that share a store.
    fleet: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut framework = None;
        let (mut once, mut fleet) = (false, false);
        for argument in arguments {
            match argument.as_str() {
                "--once" => once = true,
                "--fleet" => fleet = true,
                flag if flag.starts_with('-') => {
                    return Err(format!(
                        "`cargo xtask demo` has the flags --once and --fleet, but not '{flag}'"
                    ));
                }
                name if framework.is_none() => framework = Some(name),
                name => return Err(format!("the demo shows one framework at a time: leave out '{name}'")),
            }
        }
        if let (true, Some(name)) = (fleet, framework) {
            return Err(format!("the fleet has servers of three frameworks: leave out '{name}'"));
        }
        Ok(Self { server: servers::find(framework)?, once, fleet })
    }
}

async fn demo(options: &Options, path: &std::path::Path) -> Result<ExitCode, String> {
    let screen = Screen::new();
    let emulator = start_emulator(&screen).await?;
    let keys = seed_keys(&emulator);
    let listen = ports::prefer(SERVER_PORT)?;
    if listen.port() != SERVER_PORT {
        screen
            .note(&format!("Port {SERVER_PORT} is in use. The server listens on {} instead.", listen.port()));
    }
    let mut server = Running::start(path, listen, emulator.environment())?;
    let mut differences = None;
    let ended = tokio::select! {
        // In a terminal, Ctrl-C ends the server as well. The interrupt is checked first, so that the server's end is
        // not reported as a failure.
        biased;
        () = interrupted() => Ok(()),
        ended = conduct(options, &screen, &emulator, &keys, &mut server, &mut differences) => ended,
    };
    server.stop().await;
    ended?;
    let Some(differences) = differences else {
        return Err("a signal ended the walk before its last step".into());
    };
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The demo itself. The caller ends the server after it. It returns early only with an error or with `--once`.
async fn conduct(
    options: &Options,
    screen: &Screen,
    emulator: &Emulator,
    keys: &[SeededKey],
    server: &mut Running,
    differences: &mut Option<Vec<String>>,
) -> Result<(), String> {
    server.ready(200).await?;
    let url = server.url();
    screen.opening(options.server, &url, &emulator.url());
    let found = walk_through(screen, emulator, keys, server).await?;
    screen.verdict(&found);
    *differences = Some(found);
    if options.once {
        return Ok(());
    }
    screen.keys(&url, &emulator.url(), keys);
    server.show_output();
    Err(server.ended().await)
}

/// Takes every step, and returns the differences from the contract.
async fn walk_through(
    screen: &Screen,
    emulator: &Emulator,
    keys: &[SeededKey],
    server: &mut Running,
) -> Result<Vec<String>, String> {
    let mut differences = Vec::new();
    for (index, step) in walk::steps(&walk::Keys::new(keys)?).iter().enumerate() {
        let fault = match step.upstream {
            Upstream::Up => None,
            Upstream::Down => Some(Fault::status(503)),
        };
        emulator.set_fault(Endpoint::Verify, fault);
        let calls_before = emulator.counters().verify_calls;
        screen.request(index + 1, step, &server.url());
        let response = server.exchange(&step.request.bytes()).await?;
        let calls = emulator.counters().verify_calls - calls_before;
        let found = check::differences(&step.expected, &response, calls);
        screen.answer(&response, calls, emulator.counters().verify_calls, &found);
        differences.extend(
            found.into_iter().map(|difference| format!("{}. {}: {difference}", index + 1, step.title)),
        );
    }
    emulator.set_fault(Endpoint::Verify, None);
    Ok(differences)
}

async fn start_emulator(screen: &Screen) -> Result<Emulator, String> {
    let listen = ports::prefer(EMULATOR_PORT)?;
    if listen.port() != EMULATOR_PORT {
        screen.note(&format!(
            "Port {EMULATOR_PORT} is in use. The emulator listens on {} instead.",
            listen.port()
        ));
    }
    let started = Emulator::builder().listen(listen).start().await;
    started
        .map_err(|error| format!("the Kinde emulator cannot listen on {listen}: {error}. Run the demo again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn axum_is_the_framework_unless_another_is_named() {
        for arguments in [&[][..], &["axum"], &["--once"], &["axum", "--once"], &["--once", "axum"]] {
            let options = parse(arguments).unwrap();
            assert_eq!(options.server.framework, "axum", "{arguments:?}");
            assert_eq!(options.once, arguments.contains(&"--once"), "{arguments:?}");
        }
    }

    #[test]
    fn a_wrong_argument_is_answered_with_the_right_ones() {
        assert_eq!(
            parse(&["gotham"]).unwrap_err(),
            format!("there is no reference server 'gotham'. The servers are: {}", servers::names())
        );
        assert!(parse(&["--twice"]).unwrap_err().contains("--fleet, but not '--twice'"));
        assert!(parse(&["axum", "axum"]).unwrap_err().contains("leave out 'axum'"));
        assert!(parse(&["--fleet", "axum"]).unwrap_err().contains("leave out 'axum'"));
    }
}
