//! actix-web with one worker.

use actix_web::{App, HttpServer, web};
use apikey_actix::{Authenticator, Policy, Scoped};

use super::{ANSWER, Guard, ReadUsers, Settings, listener};
use crate::wire::announce;

pub(super) fn serve(settings: &Settings) -> Result<(), String> {
    actix_web::rt::System::new().block_on(async {
        let keys = match settings.guard {
            Guard::Bare => None,
            Guard::Scoped | Guard::Require => Some(Authenticator::from(settings.seeded().await?)),
            Guard::HandWritten | Guard::WithAddresses => return Err(settings.no_such_guard("actix")),
        };
        let is_scoped = settings.guard == Guard::Scoped;
        let app = move || {
            App::new().configure(|config| {
                match &keys {
                    None => config.route("/users", web::get().to(users)),
                    Some(keys) if is_scoped => {
                        config.app_data(keys.clone()).route("/users", web::get().to(scoped))
                    }
                    Some(keys) => config.route(
                        "/users",
                        web::get().to(users).wrap(keys.require(Policy::scope("read:users"))),
                    ),
                };
            })
        };
        let listener = listener()?;
        announce(listener.local_addr());
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener);
        server.map_err(|error| error.to_string())?.run().await.map_err(|error| error.to_string())
    })
}

async fn users() -> &'static str {
    ANSWER
}

async fn scoped(_: Scoped<ReadUsers>) -> &'static str {
    ANSWER
}
