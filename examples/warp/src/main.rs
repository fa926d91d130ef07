//! The reference server on warp. `example_shared::settings` lists its environment variables.

use apikey_warp::{Authenticator, ConfigError};
use example_shared::{Settings, Store, exit, start_logging, stop_signal, until_stopped};

#[tokio::main]
async fn main() {
    start_logging();
    exit(serve().await)
}

async fn serve() -> Result<(), ConfigError> {
    let settings = Settings::from_env()?;
    let listen = settings.listen;
    let (keys, operations) = settings.start::<Authenticator>()?;
    let app = example_warp::app(keys, Store::new(), operations.webhooks())?;
    let not_here =
        |error: std::io::Error| ConfigError::new("LISTEN", format!("can't listen on {listen}: {error}"));
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(not_here)?;
    let address = listener.local_addr().map_err(not_here)?;
    tracing::info!("listening on http://{address}");
    let _ended = until_stopped(warp::serve(app).incoming(listener).graceful(stop_signal()).run()).await;
    Ok(())
}
