//! Starts and ends the process of a server.

use std::io::IsTerminal as _;
use std::time::Duration;

use apikey_core::ConfigError;
use tracing_subscriber::EnvFilter;

/// Logs to standard error: level `info`, unless `RUST_LOG` says otherwise.
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}

/// Ends the process at once, because dropping a runtime would wait for look-ups that no name server answers. If a
/// setting is wrong, says which one on standard error.
pub fn exit(outcome: Result<(), ConfigError>) -> ! {
    match outcome {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("refusing to start: {error}");
            std::process::exit(1)
        }
    }
}

/// How many seconds a server waits for open requests when it is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a server that ends by itself after [`stop_signal`] and the responses to its requests. If a client keeps a
/// request open, the server waits 10 s at most. Then this returns `None`.
pub async fn until_stopped<T>(server: impl Future<Output = T>) -> Option<T> {
    let overdue = async {
        stop_signal().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server => Some(ended),
        () = overdue => None,
    }
}

/// Returns when the process is told to stop: by Ctrl-C, or by SIGTERM on Unix.
pub async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    interrupt.await;
}
