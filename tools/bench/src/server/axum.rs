//! axum, served as its documentation says. The guard pays for what it needs from the server: the bare server runs
//! without the clients' addresses.

use std::net::SocketAddr;

use apikey_axum::{Authenticator, Policy, Scoped};
use axum::{Router, middleware, routing::get};
use tokio::net::TcpListener;

use super::hand_written::{self, HandWritten};
use super::{ANSWER, Guard, ReadUsers, Settings, listener, runtime};
use crate::wire::announce;

pub(super) fn serve(settings: &Settings) -> Result<(), String> {
    runtime()?.block_on(async {
        let app = app(settings).await?;
        let listener = TcpListener::from_std(listener()?).map_err(|error| error.to_string())?;
        announce(listener.local_addr());
        let ended = match settings.guard {
            Guard::Bare | Guard::HandWritten => axum::serve(listener, app).await,
            Guard::WithAddresses | Guard::Scoped | Guard::Require => {
                axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
            }
        };
        ended.map_err(|error| error.to_string())
    })
}

async fn app(settings: &Settings) -> Result<Router, String> {
    Ok(match settings.guard {
        Guard::Bare | Guard::WithAddresses => Router::new().route("/users", get(users)),
        Guard::Scoped => Router::new()
            .route("/users", get(scoped))
            .with_state(Authenticator::from(settings.seeded().await?)),
        Guard::Require => {
            let keys = Authenticator::from(settings.seeded().await?);
            Router::new().route("/users", get(users).route_layer(keys.require(Policy::scope("read:users"))))
        }
        Guard::HandWritten => {
            let guard = HandWritten::seeded(settings).await?;
            let layer = middleware::from_fn_with_state(guard, hand_written::require_read_users);
            Router::new().route("/users", get(users).route_layer(layer))
        }
    })
}

async fn users() -> &'static str {
    ANSWER
}

async fn scoped(_: Scoped<ReadUsers>) -> &'static str {
    ANSWER
}
