//! What a server's process does at its start and its end.

use std::process::ExitCode;

use apikey_core::ConfigError;
use tracing_subscriber::EnvFilter;

/// Logs to standard error: level `info`, unless `RUST_LOG` says otherwise.
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Says which setting is wrong, on standard error.
pub fn refuse_to_start(error: &ConfigError) -> ExitCode {
    eprintln!("refusing to start: {error}");
    ExitCode::FAILURE
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
