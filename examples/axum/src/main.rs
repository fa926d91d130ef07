//! The reference server on axum. `example_shared::settings` lists its environment variables.

use std::future::IntoFuture as _;

use apikey_axum::ConfigError;
use example_shared::{Settings, Store, exit, start_logging, stop_signal, until_stopped};

#[tokio::main]
async fn main() {
    start_logging();
    exit(serve().await)
}

async fn serve() -> Result<(), ConfigError> {
    let settings = Settings::from_env()?;
    let listen = settings.listen;
    let (keys, operations) = settings.start()?;
    let app = example_axum::app(keys, Store::new(), operations.webhooks())?;
    let not_here =
        |error: std::io::Error| ConfigError::new("LISTEN", format!("can't listen on {listen}: {error}"));
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(not_here)?;
    let address = listener.local_addr().map_err(not_here)?;
    tracing::info!("listening on http://{address}");
    // Attempts are counted per client, so the server must know its clients' addresses.
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(stop_signal());
    until_stopped(server.into_future()).await.unwrap_or(Ok(())).map_err(not_here)
}
