//! Measures what a guard costs over HTTP. `cargo xtask bench` builds this program and calls it with `run`. The run
//! starts this program again as the servers and as their upstream.

mod arguments;
mod keys;
mod machine;
mod report;
mod run;
mod server;
mod upstream;
mod wire;

use std::io::{self, Read as _};
use std::process::ExitCode;
use std::thread;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("", &[] as &[String]),
    };
    let ended = match command {
        "run" => run::run(rest),
        "server" => {
            end_with_parent();
            server::serve(rest).map(|()| ExitCode::SUCCESS)
        }
        "upstream" => {
            end_with_parent();
            upstream::serve().map(|()| ExitCode::SUCCESS)
        }
        _ => Err("this program is started by `cargo xtask bench`. See its --help".to_owned()),
    };
    ended.unwrap_or_else(|message| {
        eprintln!("apikey-bench: {message}");
        ExitCode::FAILURE
    })
}

/// Ends this process when the pipe to its input closes. That happens when the run ends, for any reason.
fn end_with_parent() {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}
