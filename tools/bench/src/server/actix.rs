//! actix-web, with its default number of workers.

use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::error::ErrorUnauthorized;
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::web::{ReqData, ServiceConfig, get};
use actix_web::{App, FromRequest, HttpRequest, HttpResponse, HttpServer};
use apikey_actix::{Authenticator, Policy, Scoped, VerifiedKey};
use decision_bench::LeastCached;

use super::{Guard, JSON, NO_KEY, ReadUsers, Settings, json, listener, no_hand_written_guard};
use crate::wire::announce;

/// Each worker makes its own application from these.
type Routes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

pub(super) fn serve(settings: &Settings) -> Result<(), String> {
    actix_web::rt::System::new().block_on(async {
        let routes = routes(settings).await?;
        let app = move || App::new().configure(|config| routes(config));
        let listener = listener()?;
        announce(listener.local_addr());
        let server = HttpServer::new(app).disable_signals().listen(listener);
        server.map_err(|error| error.to_string())?.run().await.map_err(|error| error.to_string())
    })
}

async fn routes(settings: &Settings) -> Result<Routes, String> {
    Ok(match settings.guard {
        Guard::Bare => Arc::new(|config| {
            config.route("/users", get().to(bare));
        }),
        Guard::NoOp => Arc::new(|config| {
            config.route("/users", get().to(no_op));
        }),
        Guard::LeastCached => {
            let guard = settings.least_cached()?;
            Arc::new(move |config| {
                config.app_data(guard.clone()).route("/users", get().to(least_cached));
            })
        }
        Guard::Scoped => {
            let keys = Authenticator::from(settings.seeded().await?);
            Arc::new(move |config| {
                config.app_data(keys.clone()).route("/users", get().to(scoped));
            })
        }
        Guard::Require => {
            let keys = Authenticator::from(settings.seeded().await?);
            Arc::new(move |config| {
                let guard = keys.require(Policy::scope("read:users"));
                config.route("/users", get().to(behind_middleware).wrap(guard));
            })
        }
        Guard::HandWritten => return Err(no_hand_written_guard("actix")),
    })
}

async fn bare() -> HttpResponse {
    answer(NO_KEY)
}

async fn no_op(_: NoOp) -> HttpResponse {
    answer(NO_KEY)
}

async fn least_cached(key: Known) -> HttpResponse {
    answer(&key.0)
}

async fn scoped(key: Scoped<ReadUsers>) -> HttpResponse {
    answer(key.key_id())
}

async fn behind_middleware(key: ReqData<VerifiedKey>) -> HttpResponse {
    answer(key.key_id())
}

fn answer(key_id: &str) -> HttpResponse {
    HttpResponse::Ok().content_type(JSON).body(json(key_id))
}

struct NoOp;

impl FromRequest for NoOp {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = black_box(read(request));
        ready(header.map(|_| Self).ok_or_else(|| ErrorUnauthorized("")))
    }
}

/// The id of a key that is in the map.
struct Known(Arc<str>);

impl FromRequest for Known {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = read(request);
        let key_id = request
            .app_data::<LeastCached>()
            .zip(header)
            .and_then(|(guard, header)| guard.key_id(header.as_bytes()));
        ready(key_id.map(Self).ok_or_else(|| ErrorUnauthorized("")))
    }
}

fn read(request: &HttpRequest) -> Option<&HeaderValue> {
    black_box(request.peer_addr());
    request.headers().get(AUTHORIZATION)
}
