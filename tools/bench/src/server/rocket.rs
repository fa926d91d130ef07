//! Rocket, on the same kind of runtime as axum and warp.

use apikey_rocket::{ApiKeys, Policy, Scoped};
use rocket::config::{Config, LogLevel, Shutdown};
use rocket::fairing::AdHoc;
use rocket::{get, routes};

use super::{ANSWER, Guard, ReadUsers, Settings, runtime};
use crate::wire::announce;

pub(super) fn serve(settings: &Settings) -> Result<(), String> {
    runtime()?.block_on(async {
        let config = Config {
            port: 0,
            log_level: LogLevel::Off,
            shutdown: Shutdown { ctrlc: false, ..Shutdown::default() },
            ..Config::release_default()
        };
        let rocket = rocket::custom(config);
        let rocket = match settings.guard {
            Guard::Bare => rocket.mount("/", routes![users]),
            Guard::Scoped => {
                rocket.attach(ApiKeys::fairing(settings.seeded().await?)).mount("/", routes![scoped])
            }
            Guard::Require => rocket
                .attach(ApiKeys::fairing(settings.seeded().await?))
                .mount("/", ApiKeys::require(Policy::scope("read:users"), routes![users])),
            Guard::HandWritten | Guard::WithAddresses => return Err(settings.no_such_guard("rocket")),
        };
        let rocket = rocket.attach(AdHoc::on_liftoff("address", |rocket| {
            Box::pin(async { announce(Ok((rocket.config().address, rocket.config().port).into())) })
        }));
        rocket.launch().await.map(drop).map_err(|error| error.to_string())
    })
}

#[get("/users")]
fn users() -> &'static str {
    ANSWER
}

#[get("/users")]
fn scoped(_key: Scoped<ReadUsers>) -> &'static str {
    ANSWER
}
