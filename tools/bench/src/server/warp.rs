//! warp.

use apikey_warp::{Policy, Scoped, require, scoped};
use tokio::net::TcpListener;
use warp::Filter;

use super::{ANSWER, Guard, ReadUsers, Settings, listener, runtime};
use crate::wire::announce;

pub(super) fn serve(settings: &Settings) -> Result<(), String> {
    runtime()?.block_on(async {
        let path = warp::path!("users").and(warp::get());
        match settings.guard {
            Guard::Bare => run(path.map(|| ANSWER)).await,
            Guard::Scoped => {
                let keys = settings.seeded().await?;
                let users = path.and(scoped(&keys)).map(|_: Scoped<ReadUsers>| ANSWER);
                run(users.recover(apikey_warp::recover)).await
            }
            Guard::Require => {
                let keys = settings.seeded().await?;
                let users = path.and(require(&keys, Policy::scope("read:users"))).map(|| ANSWER);
                run(users.recover(apikey_warp::recover)).await
            }
            Guard::HandWritten | Guard::WithAddresses => Err(settings.no_such_guard("warp")),
        }
    })
}

async fn run<F>(routes: F) -> Result<(), String>
where
    F: Filter<Error = warp::Rejection> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
{
    let listener = TcpListener::from_std(listener()?).map_err(|error| error.to_string())?;
    announce(listener.local_addr());
    warp::serve(routes).incoming(listener).run().await;
    Ok(())
}
