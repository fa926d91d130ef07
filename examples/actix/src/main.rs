//! The reference server on actix-web. `example_shared::settings` lists its environment variables.

use actix_web::{App, HttpServer};
use apikey_actix::{Authenticator, ConfigError};
use example_shared::{Settings, Store, exit, start_logging, stop_signal};

#[actix_web::main]
async fn main() {
    start_logging();
    exit(serve().await)
}

async fn serve() -> Result<(), ConfigError> {
    let settings = Settings::from_env()?;
    let listen = settings.listen;
    let (keys, operations) = settings.start::<Authenticator>()?;
    // One for all workers, because the closure below runs once for every worker.
    let api = example_actix::app(keys, Store::new(), operations.webhooks())?;
    let app = move || App::new().configure(api.clone());
    let not_here =
        |error: std::io::Error| ConfigError::new("LISTEN", format!("can't listen on {listen}: {error}"));
    let server = HttpServer::new(app)
        .client_disconnect_timeout(example_actix::REFUSED_UPLOADS)
        .shutdown_signal(stop_signal())
        .bind(listen)
        .map_err(not_here)?;
    for address in server.addrs() {
        tracing::info!("listening on http://{address}");
    }
    server.run().await.map_err(not_here)
}
