//! The server. It reads `LISTEN` (`127.0.0.1:3000`), Kinde's variables (`KindeSettings::from_env`), and
//! `OTEL_EXPORTER_OTLP_ENDPOINT` (`http://localhost:4317`).

use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::sync::Arc;

use apikey_axum::{Authenticator, ConfigError, KindeSettings, KindeVerifier};
use example_opentelemetry::{Durations, Exporter, app, export_statistics};
use example_shared::{exit, stop_signal, until_stopped};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;

#[tokio::main]
async fn main() {
    exit(serve().await)
}

async fn serve() -> Result<(), ConfigError> {
    let exporter = Exporter::start(None)
        .map_err(|error| ConfigError::new("OTEL_EXPORTER_OTLP_ENDPOINT", error.to_string()))?;
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(exporter.spans()).with(log).init();

    let kinde = KindeVerifier::new(KindeSettings::from_env()?)?;
    let durations = Arc::new(Durations::new(&exporter.meter()));
    let keys: Authenticator = Authenticator::builder(kinde).observer(durations).build()?;
    export_statistics(&exporter.meter(), &keys);

    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let not_here =
        |error: std::io::Error| ConfigError::new("LISTEN", format!("can't listen on {listen}: {error}"));
    let listener = tokio::net::TcpListener::bind(&listen).await.map_err(not_here)?;
    tracing::info!("listening on http://{listen}");
    // Attempts are counted per client, so the server must know its clients' addresses.
    let app = app(keys).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(stop_signal());
    let served = until_stopped(server.into_future()).await.unwrap_or(Ok(())).map_err(not_here);
    // What was not exported yet would be lost.
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || exporter.flush()).await {
        tracing::warn!("the collector did not take the last metrics and spans: {error}");
    }
    served
}
