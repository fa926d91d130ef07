//! Tries all that the store needs of its servers.

use std::time::Duration;

use tokio::time::timeout;

use crate::client::Reply;
use crate::cluster::Cluster;
use crate::fault::Fault;
use crate::hints::subscribe;
use crate::names::Prefix;
use crate::scripts::Scripts;
use crate::server::{Patience, Server};
use crate::servers::{Servers, Shared};

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(5);

pub(crate) async fn check(shared: &Shared, scripts: &Scripts, prefix: &Prefix) -> Result<(), Fault> {
    let tried = timeout(LIMIT, tried(shared, scripts, prefix)).await;
    tried.unwrap_or_else(|_| Err(Fault::late(LIMIT))).map_err(|fault| advised(fault, prefix))
}

async fn tried(shared: &Shared, scripts: &Scripts, prefix: &Prefix) -> Result<(), Fault> {
    // What is between the braces decides where a cluster keeps them, so all are in one place.
    let key = |number: u32| format!("{}{{check}}:{number}", prefix.0).into_bytes();
    let channel = format!("{}{{check}}", prefix.0);
    let keys = [key(1), key(2), key(3)];
    let [log, ..] = &keys;
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let commands = |is_known| vec![scripts.check.call(is_known, &keys, &[channel.as_bytes()])];
    let once = async |is_known| {
        let answered = shared.servers.send(log, commands(is_known), Patience::Waits).await?;
        answered.replies.into_iter().next().unwrap_or(Reply::Nothing).accepted()
    };
    // This also tries both ways to call a script.
    once(false).await?;
    once(true).await?;
    drop(subscribe(shared, &channel, log).await?);
    match &shared.servers {
        Servers::One(_) => Ok(()),
        Servers::Cluster(cluster) => all_answer(cluster).await,
    }
}

/// Connects to every server, and logs in.
async fn all_answer(cluster: &Cluster) -> Result<(), Fault> {
    for (address, server) in cluster.servers().await? {
        let told = |fault| named(fault, &format!("{address}: "));
        answers(&server).await.map_err(told)?;
    }
    Ok(())
}

async fn answers(server: &Server) -> Result<(), Fault> {
    let time = vec![crate::client::Command::new("TIME")];
    let answered = server.call(time, Patience::Waits).await?;
    answered.replies.into_iter().try_for_each(|reply| reply.accepted().map(drop))
}

fn named(fault: Fault, name: &str) -> Fault {
    match fault {
        Fault::Unavailable(text) | Fault::Lost(text) | Fault::NotPrimary(text) => {
            Fault::Unavailable(name.to_owned() + &text)
        }
        Fault::Full(text) => Fault::Full(name.to_owned() + &text),
        Fault::Forbidden(text) => Fault::Forbidden(name.to_owned() + &text),
        Fault::Misconfigured(text) => Fault::Misconfigured(name.to_owned() + &text),
        fault => fault,
    }
}

/// Says what to change.
fn advised(fault: Fault, prefix: &Prefix) -> Fault {
    match fault {
        Fault::Forbidden(text) => {
            let prefix = &prefix.0;
            Fault::Forbidden(format!(
                "{text}. The user needs these rules: ~{prefix}* &{prefix}* +eval +evalsha +get +getrange +set +pttl +xadd \
                 +xrange +xrevrange +xtrim +publish +subscribe +time +info +ping +select, with sentinels +role, and in a \
                 cluster +cluster|slots"
            ))
        }
        Fault::Moved(_) => Fault::Misconfigured(
            "the server is one of a cluster: write `redis-cluster://` instead of `redis://`".to_owned(),
        ),
        fault => fault,
    }
}
