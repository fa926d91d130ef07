//! axum.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::Deref;

use apikey_axum::{ApiKey, Rejection};
use apikey_core::{Authenticator, KeyArgument, Policy, Verification, VerifiedKey};
use axum::Router;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use example_shared::Store;
use probe_mutants::Switches;

use crate::server::{Server, listener, runtime};
use crate::{Subject, check};

include!(concat!(env!("OUT_DIR"), "/axum.rs"));

static SWITCHES: Switches = Switches::new();

/// The key argument `T`, which is the guard with this number.
struct Switch<const NUMBER: usize, T>(VerifiedKey, PhantomData<fn() -> T>);

impl<const NUMBER: usize, T> Switch<NUMBER, T> {
    fn of(key: VerifiedKey) -> Self {
        Self(key, PhantomData)
    }
}

impl<const NUMBER: usize, T> Deref for Switch<NUMBER, T> {
    type Target = VerifiedKey;

    fn deref(&self) -> &VerifiedKey {
        &self.0
    }
}

impl<const NUMBER: usize, T: KeyArgument> KeyArgument for Switch<NUMBER, T> {
    const POLICY: &'static Policy = T::POLICY;
    const IS_OPTIONAL: bool = T::IS_OPTIONAL;
}

/// The policy by value with this number.
fn policy(number: usize, policy: Policy) -> Policy {
    SWITCHES.guard(number, &policy).unwrap_or_else(Policy::any_key)
}

fn nobody() -> VerifiedKey {
    VerifiedKey::assume_verified(Verification::active("nobody"))
}

impl<S, const NUMBER: usize, T> FromRequestParts<S> for Switch<NUMBER, T>
where
    S: Send + Sync,
    T: KeyArgument,
    apikey_axum::Authenticator: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let Some(policy) = SWITCHES.guard(NUMBER, T::POLICY) else { return Ok(Self::of(nobody())) };
        let key = <ApiKey as FromRequestParts<S>>::from_request_parts(parts, state).await?.into_key();
        apikey_axum::Authenticator::from_ref(state).authorize(&key, &policy)?;
        Ok(Self::of(key))
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
