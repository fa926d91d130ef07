//! What a server's process does at its start and its end.

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

/// Ends the process, at once: a runtime that is dropped waits for look-ups of names that no name server answers. Says which
/// setting is wrong on standard error, if one is.
pub fn exit(outcome: Result<(), ConfigError>) -> ! {
    match outcome {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("refusing to start: {error}");
            std::process::exit(1)
        }
    }
}

/// How long a server that is told to stop waits for the requests under way, in seconds.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a server that ends by itself once [`stop_signal`] has come and its requests are answered. A client that holds a
/// request half-sent keeps it for ten seconds at most; then `None` comes back.
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

/// Returns when the process is told to stop: by ctrl-c, or by SIGTERM where there is one.
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
