//! axum.

use std::net::SocketAddr;

use apikey_axum::{ApiKey, MaybeApiKey, Rejection};
use apikey_core::{Authenticator, KeyArgument};
use axum::Router;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use example_shared::Store;
use probe_mutants::Switches;

use crate::server::{Server, listener, runtime};
use crate::switch::Switch;
use crate::{Subject, check};

include!(concat!(env!("OUT_DIR"), "/axum.rs"));

static SWITCHES: Switches = Switches::new();

impl<S, const NUMBER: usize, T> FromRequestParts<S> for Switch<NUMBER, T>
where
    S: Send + Sync,
    T: KeyArgument,
    apikey_axum::Authenticator: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let Some(guard) = Self::guard(&SWITCHES) else { return Ok(Self::of_nobody()) };
        if guard.is_optional {
            return Ok(Self::of(MaybeApiKey::from_request_parts(parts, state).await?.into_key()));
        }
        let key = <ApiKey as FromRequestParts<S>>::from_request_parts(parts, state).await?.into_key();
        apikey_axum::Authenticator::from_ref(state).authorize(&key, &guard.policy)?;
        Ok(Self::of(Some(key)))
    }
}

fn serve(app: Router) -> Server {
    Server::start(move |tell, stopped| {
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener()).unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            tokio::select! {
                ended = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()) => ended.unwrap(),
                _ = stopped => {}
            }
        });
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_finds_every_wrong_guard_on_axum() {
    check(Subject {
        reference: |keys| serve(example_axum::app(keys.into(), Store::new(), None).unwrap()),
        switched: |keys| serve(server::app(keys.into(), Store::new(), None).unwrap()),
        bare: Some(|keys| serve(bare::app(keys.into(), Store::new(), None).unwrap())),
        switches: &SWITCHES,
        handlers: NAMES,
    })
    .await;
}
