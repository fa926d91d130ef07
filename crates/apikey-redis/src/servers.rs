//! The servers that hold the store: one, or a cluster.

use std::sync::Arc;

use crate::address::Address;
use crate::client::{Command, Reply, Script};
use crate::cluster::Cluster;
use crate::dial::Dialer;
use crate::fault::Fault;
use crate::server::{Answered, Patience, Server};

pub(crate) enum Servers {
    One(Server),
    Cluster(Cluster),
}

/// A call of a script with one key, which also says where it runs.
pub(crate) struct Call<'a> {
    pub(crate) script: &'a Script,
    pub(crate) key: &'a [u8],
    pub(crate) arguments: &'a [&'a [u8]],
}

impl Servers {
    /// Sends commands to the server that has this key.
    pub(crate) async fn send(
        &self,
        key: &[u8],
        commands: Vec<Command>,
        patience: Patience,
    ) -> Result<Answered, Fault> {
        match self {
            Self::One(server) => server.call(commands, patience).await,
            Self::Cluster(cluster) => cluster.call(key, commands, patience).await,
        }
    }

    /// Runs a script. Returns its reply, and the number of the connection that it came on.
    pub(crate) async fn run(&self, call: Call<'_>, patience: Patience) -> Result<(Reply, u64), Fault> {
        let once = async |is_known| {
            let command = call.script.call(is_known, &[call.key], call.arguments);
            let answered = self.send(call.key, vec![command], patience).await?;
            let reply = answered.replies.into_iter().next().unwrap_or(Reply::Nothing);
            reply.accepted().map(|reply| (reply, answered.connection))
        };
        match once(true).await {
            Err(Fault::UnknownScript) => once(false).await,
            outcome => outcome,
        }
    }

    /// The address of a server that delivers what is published.
    pub(crate) async fn address(&self, key: &[u8]) -> Result<Address, Fault> {
        match self {
            Self::One(server) => server.address().await,
            Self::Cluster(cluster) => cluster.address_of(key, Patience::Waits).await,
        }
    }

    /// Gives up all connections, and finds the servers again.
    pub(crate) fn forget(&self) {
        match self {
            Self::One(server) => server.forget(|_| true),
            Self::Cluster(cluster) => cluster.forget(),
        }
    }
}

/// What the calls and the hints share.
pub(crate) struct Shared {
    pub(crate) servers: Servers,
    pub(crate) dialer: Arc<Dialer>,
}
