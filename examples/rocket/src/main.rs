//! The reference server on Rocket. `example_shared::settings` lists its environment variables.

use apikey_rocket::ConfigError;
use example_shared::{Settings, Store, exit, start_logging};
use rocket::Config;
use rocket::config::LogLevel;
use rocket::error::ErrorKind;
use rocket::fairing::AdHoc;

#[rocket::main]
async fn main() {
    start_logging();
    exit(serve().await)
}

async fn serve() -> Result<(), ConfigError> {
    let settings = Settings::from_env()?;
    let listen = settings.listen;
    // Rocket's own log is off, because at level `debug` it has whole requests, and so keys.
    let config = Config {
        address: listen.ip(),
        port: listen.port(),
        log_level: LogLevel::Off,
        ..Config::release_default()
    };
    let (keys, operations) = settings.start()?;
    let app = example_rocket::app(rocket::custom(config), keys, Store::new(), operations.webhooks())?;
    let app = app.attach(AdHoc::on_liftoff("log", |rocket| {
        Box::pin(async move {
            tracing::info!("listening on http://{}:{}", rocket.config().address, rocket.config().port);
        })
    }));
    match app.launch().await {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            ErrorKind::Bind(_) | ErrorKind::Io(_) => {
                ConfigError::new("LISTEN", format!("can't listen on {listen}: {error}"))
            }
            _ => ConfigError::new("Rocket", error.to_string()),
        }),
    }
}
