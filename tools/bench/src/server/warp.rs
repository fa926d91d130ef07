//! warp.

use std::future::{Ready, ready};
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use apikey_warp::{ApiKey, Policy, Scoped, api_key, scoped};
use decision_bench::LeastCached;
use tokio::net::TcpListener;
use warp::http::{HeaderValue, StatusCode};
use warp::{Filter, Rejection, Reply};

use super::{Guard, JSON, NO_KEY, ReadUsers, Settings, json, listener, no_hand_written_guard, runtime};
use crate::wire::announce;

pub(super) fn serve(settings: &Settings) -> Result<(), String> {
    runtime()?.block_on(async {
        let path = warp::path!("users").and(warp::get());
        match settings.guard {
            Guard::Bare => run(path.map(|| answer(NO_KEY))).await,
            Guard::NoOp => run(path.and(no_op()).map(|| answer(NO_KEY)).recover(refuse)).await,
            Guard::LeastCached => {
                let guard = settings.least_cached()?;
                let users = path.and(least_cached(guard)).map(|key_id: Arc<str>| answer(&key_id));
                run(users.recover(refuse)).await
            }
            Guard::Scoped => {
                let keys = settings.seeded().await?;
                let users = path.and(scoped(&keys)).map(|key: Scoped<ReadUsers>| answer(key.key_id()));
                run(users.recover(apikey_warp::recover)).await
            }
            // `require` extracts nothing. It is this filter, and the handler reads the key.
            Guard::Require => {
                let keys = settings.seeded().await?;
                let guard = api_key(&keys, Policy::scope("read:users"));
                let users = path.and(guard).map(|key: ApiKey| answer(key.key_id()));
                run(users.recover(apikey_warp::recover)).await
            }
            Guard::HandWritten => Err(no_hand_written_guard("warp")),
        }
    })
}

async fn run<F>(routes: F) -> Result<(), String>
where
    F: Filter<Error = Rejection> + Clone + Send + Sync + 'static,
    F::Extract: Reply,
{
    let listener = TcpListener::from_std(listener()?).map_err(|error| error.to_string())?;
    announce(listener.local_addr());
    warp::serve(routes).incoming(listener).run().await;
    Ok(())
}

fn answer(key_id: &str) -> impl Reply + use<> {
    warp::reply::with_header(json(key_id), "content-type", JSON)
}

fn no_op() -> impl Filter<Extract = (), Error = Rejection> + Clone {
    read().map(|header| drop(black_box(header))).untuple_one()
}

/// Extracts the id of a key that is in the map.
fn least_cached(guard: LeastCached) -> impl Filter<Extract = (Arc<str>,), Error = Rejection> + Clone {
    read().and_then(move |header: HeaderValue| {
        ready(guard.key_id(header.as_bytes()).ok_or_else(warp::reject::not_found))
    })
}

fn read() -> impl Filter<Extract = (HeaderValue,), Error = Rejection> + Clone {
    warp::header::value("authorization").and(warp::addr::remote()).map(
        |header, address: Option<SocketAddr>| {
            black_box(address);
            header
        },
    )
}

/// A rejection here comes from a guard, because there is no other route.
fn refuse(_: Rejection) -> Ready<Result<StatusCode, Rejection>> {
    ready(Ok(StatusCode::UNAUTHORIZED))
}
