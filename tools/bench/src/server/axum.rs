//! axum, served as its documentation says. A guard pays for what it needs from the server: the bare server and the
//! hand-written middleware run without the clients' addresses.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use apikey_axum::{Authenticator, Policy, Scoped, VerifiedKey};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Router, middleware, routing::get};
use decision_bench::LeastCached;
use tokio::net::TcpListener;

use super::hand_written::{self, HandWritten, Verification};
use super::{Guard, JSON, NO_KEY, ReadUsers, Settings, json, listener, runtime};
use crate::wire::announce;

pub(super) fn serve(settings: &Settings) -> Result<(), String> {
    runtime()?.block_on(async {
        let app = app(settings).await?;
        let listener = TcpListener::from_std(listener()?).map_err(|error| error.to_string())?;
        announce(listener.local_addr());
        let ended = match settings.guard {
            Guard::Bare | Guard::HandWritten => axum::serve(listener, app).await,
            Guard::NoOp | Guard::LeastCached | Guard::Scoped | Guard::Require => {
                axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
            }
        };
        ended.map_err(|error| error.to_string())
    })
}

async fn app(settings: &Settings) -> Result<Router, String> {
    Ok(match settings.guard {
        Guard::Bare => Router::new().route("/users", get(bare)),
        Guard::NoOp => Router::new().route("/users", get(no_op)),
        Guard::LeastCached => {
            Router::new().route("/users", get(least_cached)).with_state(settings.least_cached()?)
        }
        Guard::Scoped => Router::new()
            .route("/users", get(scoped))
            .with_state(Authenticator::from(settings.seeded().await?)),
        Guard::Require => {
            let keys = Authenticator::from(settings.seeded().await?);
            Router::new()
                .route("/users", get(behind_layer).route_layer(keys.require(Policy::scope("read:users"))))
        }
        Guard::HandWritten => {
            let guard = HandWritten::seeded(settings).await?;
            let layer = middleware::from_fn_with_state(guard, hand_written::require_read_users);
            Router::new().route("/users", get(behind_hand_written).route_layer(layer))
        }
    })
}

async fn bare() -> impl IntoResponse {
    answer(NO_KEY)
}

async fn no_op(_: NoOp) -> impl IntoResponse {
    answer(NO_KEY)
}

async fn least_cached(key: Known) -> impl IntoResponse {
    answer(&key.0)
}

async fn scoped(key: Scoped<ReadUsers>) -> impl IntoResponse {
    answer(key.key_id())
}

async fn behind_layer(key: Extension<VerifiedKey>) -> impl IntoResponse {
    answer(key.key_id())
}

async fn behind_hand_written(key: Extension<Verification>) -> impl IntoResponse {
    answer(key.key_id())
}

fn answer(key_id: &str) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, JSON)], json(key_id))
}

struct NoOp;

impl<S: Sync> FromRequestParts<S> for NoOp {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        black_box(read(parts)?);
        Ok(Self)
    }
}

/// The id of a key that is in the map.
struct Known(Arc<str>);

impl FromRequestParts<LeastCached> for Known {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, guard: &LeastCached) -> Result<Self, StatusCode> {
        guard.key_id(read(parts)?.as_bytes()).map(Self).ok_or(StatusCode::UNAUTHORIZED)
    }
}

fn read(parts: &Parts) -> Result<&HeaderValue, StatusCode> {
    black_box(parts.extensions.get::<ConnectInfo<SocketAddr>>());
    parts.headers.get(AUTHORIZATION).ok_or(StatusCode::UNAUTHORIZED)
}
