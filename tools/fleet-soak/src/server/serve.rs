//! The reference applications, each on its framework's own runtime.

use std::net::SocketAddr;

use actix_web::{App, HttpServer};
use apikey_core::Authenticator;
use example_shared::Store;
use rocket::Config;
use rocket::config::LogLevel;
use rocket::fairing::AdHoc;

use super::listener;

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// `ready` is called with the port.
pub(super) fn axum(keys: Authenticator, ready: impl FnOnce(u16)) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(text)?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener()?).map_err(text)?;
        ready(listener.local_addr().map_err(text)?.port());
        let app = example_axum::app(keys.into(), Store::new(), None).map_err(text)?;
        axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.map_err(text)
    })
}

pub(super) fn actix(keys: Authenticator, ready: impl FnOnce(u16)) -> Result<(), String> {
    actix_web::rt::System::new().block_on(async {
        let listener = listener()?;
        ready(listener.local_addr().map_err(text)?.port());
        let api = example_actix::app(keys.into(), Store::new(), None).map_err(text)?;
        let app = move || App::new().configure(api.clone());
        HttpServer::new(app).disable_signals().listen(listener).map_err(text)?.run().await.map_err(text)
    })
}

pub(super) fn rocket(keys: Authenticator, ready: impl Fn(u16) + Send + Sync + 'static) -> Result<(), String> {
    rocket::execute(async {
        let config = Config { port: 0, log_level: LogLevel::Off, ..Config::release_default() };
        let app = example_rocket::app(rocket::custom(config), keys, Store::new(), None).map_err(text)?;
        let app = app.attach(AdHoc::on_liftoff("ready", move |rocket| {
            let port = rocket.config().port;
            Box::pin(async move { ready(port) })
        }));
        app.launch().await.map(drop).map_err(text)
    })
}
