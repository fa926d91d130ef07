//! Rocket.

use std::collections::HashSet;

use apikey_core::{Authenticator, Denial, KeyArgument};
use apikey_rocket::{ApiKey, MaybeApiKey};
use example_shared::Store;
use probe_mutants::Switches;
use rocket::config::{Config, LogLevel, Shutdown};
use rocket::fairing::AdHoc;
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use rocket::{Build, Request, Rocket};

use crate::server::{Server, runtime};
use crate::switch::Switch;
use crate::{Subject, check};

include!(concat!(env!("OUT_DIR"), "/rocket.rs"));

static SWITCHES: Switches = Switches::new();

/// Refuses as a guard does that asks for any key, or with the status of the denial.
#[rocket::async_trait]
impl<'r, const NUMBER: usize, T: KeyArgument> FromRequest<'r> for Switch<NUMBER, T> {
    type Error = Denial;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Denial> {
        let Some(guard) = Self::guard(&SWITCHES) else { return Outcome::Success(Self::of_nobody()) };
        let key = match guard.is_optional {
            true => MaybeApiKey::from_request(request).await.map(MaybeApiKey::into_key),
            false => ApiKey::from_request(request).await.map(|key| Some(key.into_key())),
        };
        let key = match key {
            Outcome::Success(Some(key)) => key,
            Outcome::Success(None) => return Outcome::Success(Self::of(None)),
            Outcome::Error((status, refused)) => {
                return Outcome::Error((status, refused.denial().clone()));
            }
            Outcome::Forward(status) => return Outcome::Forward(status),
        };
        match request.rocket().state::<Authenticator>().unwrap().authorize(&key, &guard.policy) {
            Ok(()) => Outcome::Success(Self::of(Some(key))),
            Err(denial) => {
                let status = Status::new(denial.status());
                request.local_cache(|| Refused(Some(denial.clone())));
                Outcome::Error((status, denial))
            }
        }
    }
}

/// What a switch has refused.
struct Refused(Option<Denial>);

#[rocket::catch(403)]
fn refused(request: &Request<'_>) -> apikey_rocket::Rejection {
    let refused = &request.local_cache(|| Refused(None)).0;
    refused.clone().or_else(|| apikey_rocket::denial(request)).unwrap().into()
}

fn config() -> Config {
    let shutdown = Shutdown { ctrlc: false, signals: HashSet::new(), ..Shutdown::default() };
    Config { port: 0, workers: 1, log_level: LogLevel::Off, shutdown, ..Config::release_default() }
}

fn serve(app: Rocket<Build>) -> Server {
    Server::start(move |tell, stopped| {
        let app = app.attach(AdHoc::on_liftoff("address", move |rocket| {
            Box::pin(async move {
                tell.send((rocket.config().address, rocket.config().port).into()).unwrap();
            })
        }));
        runtime().block_on(async {
            tokio::select! {
                ended = app.launch() => drop(ended.unwrap()),
                _ = stopped => {}
            }
        });
    })
}

/// With what the switches need.
fn with_switches(app: Rocket<Build>, keys: Authenticator) -> Rocket<Build> {
    app.manage(keys).register("/", rocket::catchers![refused])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_finds_every_wrong_guard_on_rocket() {
    check(Subject {
        reference: |keys| {
            serve(example_rocket::app(rocket::custom(config()), keys, Store::new(), None).unwrap())
        },
        switched: |keys| {
            let app = server::app(rocket::custom(config()), keys.clone(), Store::new(), None).unwrap();
            serve(with_switches(app, keys))
        },
        bare: Some(|keys| {
            let app = bare::app(rocket::custom(config()), keys.clone(), Store::new(), None).unwrap();
            serve(with_switches(app, keys))
        }),
        switches: &SWITCHES,
        handlers: NAMES,
    })
    .await;
}
