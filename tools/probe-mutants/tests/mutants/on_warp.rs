//! warp.

use std::convert::Infallible;

use apikey_core::{Authenticator, Policy, TypedPolicy};
use apikey_warp::{ApiKey, MaybeApiKey, Scoped};
use example_shared::Store;
use probe_mutants::{Guard, Switches};
use warp::filters::BoxedFilter;
use warp::{Filter, Rejection, Reply};

use crate::server::{Server, listener, runtime};
use crate::switch::nobody;
use crate::{Subject, check};

include!(concat!(env!("OUT_DIR"), "/warp.rs"));

static SWITCHES: Switches = Switches::new();

/// The filter that requires a key, which is the guard with this number.
fn api_key(number: usize, keys: &apikey_warp::Authenticator, policy: Policy) -> BoxedFilter<(ApiKey,)> {
    match SWITCHES.guard(number, &Guard::required(policy)) {
        Some(guard) => apikey_warp::api_key(keys, guard.policy).boxed(),
        None => warp::any().map(|| ApiKey::from(nobody())).boxed(),
    }
}

/// The filter that takes requests without a key, too.
fn optional_api_key(number: usize, keys: &apikey_warp::Authenticator) -> BoxedFilter<(MaybeApiKey,)> {
    let key = match SWITCHES.guard(number, &Guard::optional()) {
        Some(guard) if guard.is_optional => return apikey_warp::optional_api_key(keys).boxed(),
        Some(guard) => apikey_warp::api_key(keys, guard.policy).boxed(),
        None => warp::any().map(|| ApiKey::from(nobody())).boxed(),
    };
    key.map(|key: ApiKey| MaybeApiKey::from(Some(key.into_key()))).boxed()
}

/// The same for a typed policy.
fn scoped<P: TypedPolicy>(
    number: usize,
    keys: &apikey_warp::Authenticator,
) -> impl Filter<Extract = (Scoped<P>,), Error = Rejection> + Clone + Send + Sync + 'static + use<P> {
    api_key(number, keys, P::POLICY.clone()).map(|key: ApiKey| Scoped::assume_authorized(key.into_key()))
}

fn serve<R: Reply + Send + 'static>(
    app: impl Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static,
) -> Server {
    let app = app.map(Reply::into_response).boxed();
    Server::start(move |tell, stopped| {
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener()).unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            tokio::select! {
                () = warp::serve(app).incoming(listener).run() => {}
                _ = stopped => {}
            }
        });
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_finds_every_wrong_guard_on_warp() {
    check(Subject {
        reference: |keys| serve(example_warp::app(keys, Store::new(), None).unwrap()),
        switched: |keys| serve(server::app(keys, Store::new(), None).unwrap()),
        bare: None,
        switches: &SWITCHES,
        handlers: NAMES,
    })
    .await;
}
