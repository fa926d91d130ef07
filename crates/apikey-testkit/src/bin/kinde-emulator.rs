//! Serves the Kinde emulator with a standard set of keys, for development without a Kinde account.

use std::{io, net::SocketAddr, process::ExitCode};

use apikey_testkit::emulator::{Emulator, SeededKey, seed_keys};

const HELP: &str = "\
Emulates Kinde's API key endpoints on a loopback address.

Usage: kinde-emulator [--listen ADDRESS:PORT]

Options:
  --listen ADDRESS:PORT  a loopback address to listen on; port 0 takes a free one [default: 127.0.0.1:4010]
  --help                 this text

It prints the environment variables that point an API at it, and a set of keys to present. The keys are the same
at each start. The client secret and the tokens are new. To list the keys, and to revoke one:
  curl http://127.0.0.1:4010/_emulator/keys
  curl -X PUT http://127.0.0.1:4010/_emulator/keys/api_key_reader/status -d '{\"status\":\"revoked\"}'
To make the verify endpoint fail, and to end that:
  curl -X PUT http://127.0.0.1:4010/_emulator/faults/verify -d '{\"kind\":\"status\",\"status\":503}'
  curl -X DELETE http://127.0.0.1:4010/_emulator/faults/verify
To see how often it was called:
  curl http://127.0.0.1:4010/_emulator/counters
";

enum Command {
    Help,
    Serve(SocketAddr),
}

#[tokio::main]
async fn main() -> ExitCode {
    let address = match parse(std::env::args().skip(1)) {
        Ok(Command::Serve(address)) => address,
        Ok(Command::Help) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("kinde-emulator: {message}\nTry: kinde-emulator --help");
            return ExitCode::from(2);
        }
    };
    match serve(address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kinde-emulator: {}", explain(address, &error));
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut address = SocketAddr::from(([127, 0, 0, 1], 4010));
    while let Some(argument) = arguments.next() {
        let value = match argument.strip_prefix("--listen") {
            None if argument == "--help" || argument == "-h" => return Ok(Command::Help),
            Some("") => arguments.next().ok_or("--listen needs an address, for example 127.0.0.1:4010")?,
            Some(rest) if rest.starts_with('=') => rest[1..].to_owned(),
            _ => return Err(format!("unknown argument {argument:?}")),
        };
        address = value
            .parse()
            .map_err(|_| format!("{value:?} is not an address and a port, for example 127.0.0.1:4010"))?;
        if !address.ip().is_loopback() {
            return Err(format!(
                "{address} is not a loopback address. The emulator reveals its secrets to everybody who can reach \
                 it, so use 127.0.0.1 or [::1]"
            ));
        }
    }
    Ok(Command::Serve(address))
}

fn explain(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program listens on {address}, perhaps another emulator. Stop it, or take a free port: \
             kinde-emulator --listen {}:0",
            match address {
                SocketAddr::V4(address) => address.ip().to_string(),
                SocketAddr::V6(address) => format!("[{}]", address.ip()),
            }
        ),
        io::ErrorKind::PermissionDenied => {
            format!("this user may not listen on {address}: use a port above 1023")
        }
        _ => format!("cannot listen on {address}: {error}"),
    }
}

async fn serve(address: SocketAddr) -> io::Result<()> {
    let emulator = Emulator::builder().listen(address).start().await?;
    let keys = seed_keys(&emulator);
    print_instructions(&emulator, &keys);
    wait_for_the_end().await?;
    emulator.stop().await;
    Ok(())
}

fn print_instructions(emulator: &Emulator, keys: &[SeededKey]) {
    println!("# The Kinde emulator listens on {}. Ctrl-C stops it.", emulator.url());
    println!("# Point an API at it:");
    for (name, value) in emulator.environment() {
        println!("export {name}={value}");
    }
    println!("# Present one of these keys:");
    for key in keys {
        println!("#   {:<18} {:<25}  {}", key.label, key.secret, key.description);
    }
}

#[cfg(unix)]
async fn wait_for_the_end() -> io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn wait_for_the_end() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
