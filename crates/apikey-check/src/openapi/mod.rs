//! `apikey-check openapi`: probes a running server against its OpenAPI document.

mod command;
mod document;
mod interruption;
mod routes;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use apikey_openapi::{ImportProblem, import_problems};
use apikey_testkit::emulator::Emulator;
use apikey_testkit::probe::{Probe, Report};
use tokio::time::{Instant, sleep};

use crate::console::{say, tell};
use command::Running;
use document::{Server, Source};
use interruption::Interruption;

/// How long a command may take until its server listens. It may compile first.
const LONGEST_START: Duration = Duration::from_secs(300);
/// How long somebody may take to start the server.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(50);

/// The client of an emulator whose address is given: it stays the same, so that a server can be probed again.
const CLIENT: &str = "apikey-check";

/// What to probe.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Task {
    /// A URL or a file.
    pub(crate) document: String,
    pub(crate) server: Option<String>,
    /// The address of the emulator; `None`: a free port.
    pub(crate) kinde: Option<SocketAddr>,
    pub(crate) routes: Option<PathBuf>,
    /// Starts the server. Empty: somebody else does.
    pub(crate) command: Vec<String>,
}

/// Probes the server. Returns whether there is no finding.
///
/// # Errors
/// Says why the server could not be probed.
pub(crate) async fn run(task: &Task) -> Result<bool, String> {
    let (source, server) = document::find(&task.document, task.server.as_deref()).await?;
    let routes = task.routes.as_deref().map(routes::read).transpose()?;
    let builder = match task.kinde {
        Some(address) => Emulator::builder().listen(address).client(CLIENT, CLIENT),
        None => Emulator::builder(),
    };
    let emulator =
        builder.start().await.map_err(|error| format!("the emulator of Kinde can't start: {error}"))?;
    let mut environment = emulator.environment();
    // The probe sends many keys from one address.
    environment.push(("APIKEY_ATTEMPTS", "0".to_owned()));
    let interruption = Interruption::new();
    let mut interruption = interruption.map_err(|error| format!("signals can't be received: {error}"))?;
    let mut command = None;
    if task.command.is_empty() {
        tell_environment(&environment, &server);
    } else {
        if server.answers().await {
            return Err(format!(
                "something listens at {} already: stop it, or leave the command out",
                server.origin
            ));
        }
        let started = Running::start(&task.command, &environment, &UNSET);
        command = Some(started.map_err(|error| format!("the command can't be started: {error}"))?);
    }
    let probed = tokio::select! {
        probed = probe(&source, &server, routes, &emulator, &mut command) => probed,
        () = interruption.wait() => Err("interrupted".to_owned()),
    };
    if let Some(command) = command {
        command.end().await;
    }
    let (report, problems) = probed?;
    say(&report);
    for problem in problems {
        say(format_args!("if Kinde imports the document: {problem}"));
    }
    if emulator.counters().verify_calls == 0 {
        say(
            "The server did not ask the emulator about any key: it was not started with the environment above, or verifies no key.",
        );
    }
    Ok(report.is_clean())
}

/// Variables with which a server asks for more than an emulator knows, asks another Kinde, or asks without the token
/// that the emulator demands.
const UNSET: [&str; 5] =
    ["APIKEY_AUTH", "KINDE_API_ID", "KINDE_ISSUER_URL", "KINDE_M2M_CLIENT_ID", "KINDE_M2M_CLIENT_SECRET"];

fn tell_environment(environment: &[(&str, String)], server: &Server) {
    tell("Start the server with this environment. It is of the emulator, and opens nothing else:");
    for (name, value) in environment {
        tell(&format!("export {name}={value}"));
    }
    tell(&format!("unset {}", UNSET.join(" ")));
    tell(&format!("Waiting for {} ...", server.origin));
}

async fn probe(
    source: &Source,
    server: &Server,
    routes: Option<Vec<(String, String)>>,
    emulator: &Emulator,
    command: &mut Option<Running>,
) -> Result<(Report, Vec<ImportProblem>), String> {
    let patience = if command.is_some() { LONGEST_START } else { LONGEST_WAIT };
    let end = Instant::now() + patience;
    while !server.answers().await {
        if command.as_mut().is_some_and(Running::has_ended) {
            return Err(format!("the command ended before something listened at {}", server.origin));
        }
        if Instant::now() >= end {
            return Err(format!("nothing listens at {} after {} s", server.origin, patience.as_secs()));
        }
        sleep(PAUSE).await;
    }
    let document = source.read(server).await?;
    let probe = Probe::new(&document, &server.origin).map_err(|error| error.to_string())?;
    let probe = match routes {
        Some(routes) => probe.routes(routes),
        None => probe,
    };
    Ok((probe.run(emulator).await, import_problems(&document.to_string())))
}
