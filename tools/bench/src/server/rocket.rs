//! Rocket, on the runtime that `#[rocket::main]` makes.

use std::hint::black_box;
use std::sync::Arc;

use apikey_rocket::{ApiKey, ApiKeys, Policy, Scoped};
use decision_bench::LeastCached;
use rocket::config::{Config, LogLevel, Shutdown};
use rocket::fairing::AdHoc;
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use rocket::response::content::RawJson;
use rocket::{Request, async_trait, get, routes};

use super::{Guard, NO_KEY, ReadUsers, Settings, json, no_hand_written_guard};
use crate::wire::announce;

pub(super) fn serve(settings: &Settings) -> Result<(), String> {
    rocket::execute(async {
        let config = Config {
            port: 0,
            log_level: LogLevel::Off,
            shutdown: Shutdown { ctrlc: false, ..Shutdown::default() },
            ..Config::release_default()
        };
        // Until its launch, Rocket logs to the output, where the first line must be the address. So it is made when
        // the guards are seeded.
        let rocket = || rocket::custom(config);
        let rocket = match settings.guard {
            Guard::Bare => rocket().mount("/", routes![bare]),
            Guard::NoOp => rocket().mount("/", routes![no_op]),
            Guard::LeastCached => {
                let guard = settings.least_cached()?;
                rocket().manage(guard).mount("/", routes![least_cached])
            }
            Guard::Scoped => {
                let keys = settings.seeded().await?;
                rocket().attach(ApiKeys::fairing(keys)).mount("/", routes![scoped])
            }
            Guard::Require => {
                let keys = settings.seeded().await?;
                let group = ApiKeys::require(Policy::scope("read:users"), routes![in_group]);
                rocket().attach(ApiKeys::fairing(keys)).mount("/", group)
            }
            Guard::HandWritten => return Err(no_hand_written_guard("rocket")),
        };
        let rocket = rocket.attach(AdHoc::on_liftoff("address", |rocket| {
            Box::pin(async { announce(Ok((rocket.config().address, rocket.config().port).into())) })
        }));
        rocket.launch().await.map(drop).map_err(|error| error.to_string())
    })
}

#[get("/users")]
fn bare() -> RawJson<String> {
    answer(NO_KEY)
}

#[get("/users")]
fn no_op(_guard: NoOp) -> RawJson<String> {
    answer(NO_KEY)
}

#[get("/users")]
fn least_cached(key: Known) -> RawJson<String> {
    answer(&key.0)
}

#[get("/users")]
fn scoped(key: Scoped<ReadUsers>) -> RawJson<String> {
    answer(key.key_id())
}

/// The group has decided already. The guard reads the key from its decision.
#[get("/users")]
fn in_group(key: ApiKey) -> RawJson<String> {
    answer(key.key_id())
}

fn answer(key_id: &str) -> RawJson<String> {
    RawJson(json(key_id))
}

struct NoOp;

#[async_trait]
impl<'r> FromRequest<'r> for NoOp {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match black_box(read(request)) {
            Some(_) => Outcome::Success(Self),
            None => Outcome::Error((Status::Unauthorized, ())),
        }
    }
}

/// The id of a key that is in the map.
struct Known(Arc<str>);

#[async_trait]
impl<'r> FromRequest<'r> for Known {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let known = request.rocket().state::<LeastCached>().zip(read(request));
        match known.and_then(|(guard, header)| guard.key_id(header.as_bytes())) {
            Some(key_id) => Outcome::Success(Self(key_id)),
            None => Outcome::Error((Status::Unauthorized, ())),
        }
    }
}

fn read<'r>(request: &'r Request<'_>) -> Option<&'r str> {
    black_box(request.remote());
    request.headers().get_one("authorization")
}
