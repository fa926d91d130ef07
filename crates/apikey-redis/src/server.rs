//! One server, and the connection to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::address::Address;
use crate::client::{Command, Connection, Reply};
use crate::dial::{DIAL_LIMIT, Dialer, FIND_LIMIT};
use crate::fault::Fault;
use crate::kept::Kept;
use crate::sentinel::Sentinels;

/// Whether a call waits for a connection that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A request waits for the call, so it fails at once.
    AtOnce,
    Waits,
}

/// How a server is found.
#[derive(Clone)]
pub(crate) enum Target {
    At(Address),
    PrimaryOf(Arc<Sentinels>),
}

impl Target {
    /// The address to dial now.
    pub(crate) async fn address(&self, dialer: &Dialer) -> Result<Address, Fault> {
        match self {
            Self::At(address) => Ok(address.clone()),
            Self::PrimaryOf(sentinels) => sentinels.primary(dialer).await,
        }
    }

    async fn connection(&self, dialer: &Dialer) -> Result<Connection, Fault> {
        let address = self.address(dialer).await?;
        let connection = dialer.connection(&address).await?;
        if let Self::PrimaryOf(_) = self {
            is_primary(&connection, &address).await?;
        }
        Ok(connection)
    }
}

/// Sentinels may not know yet that a primary was replaced.
async fn is_primary(connection: &Connection, address: &Address) -> Result<(), Fault> {
    let role = connection.send(vec![Command::new("ROLE")]).await?.into_iter().next();
    let role = role.map(Reply::accepted).transpose()?.and_then(Reply::into_list).unwrap_or_default();
    match role.into_iter().next().and_then(Reply::into_text).as_deref() {
        Some("master") => Ok(()),
        _ => Err(Fault::NotPrimary(format!("the sentinels name {address}, which is not the primary"))),
    }
}

pub(crate) struct Server {
    target: Target,
    /// How long it may take to connect.
    limit: Duration,
    dialer: Arc<Dialer>,
    connection: Kept<Connection>,
}

/// The replies of a call, and the number of the connection that they came on.
pub(crate) struct Answered {
    pub(crate) replies: Vec<Reply>,
    pub(crate) connection: u64,
}

impl Server {
    pub(crate) fn new(target: Target, dialer: Arc<Dialer>) -> Self {
        Self { target, limit: DIAL_LIMIT, dialer, connection: Kept::new() }
    }

    /// A server that was found in the time for that.
    pub(crate) fn found(address: Address, dialer: Arc<Dialer>) -> Self {
        Self { limit: DIAL_LIMIT - FIND_LIMIT, ..Self::new(Target::At(address), dialer) }
    }

    /// Begins to connect, so that the first call need not wait for long.
    pub(crate) fn prepare(&self) {
        if self.connection.there().is_none() {
            self.connection.renew(|| self.dial());
        }
    }

    /// Whether the last try to connect failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.connection.has_failed()
    }

    /// Sends commands and waits for the replies.
    ///
    /// # Errors
    /// [`Fault`] if there is no connection, or if it breaks. What the server refuses is among the replies.
    pub(crate) async fn call(&self, commands: Vec<Command>, patience: Patience) -> Result<Answered, Fault> {
        let connection = self.connection(patience).await?;
        let number = connection.number();
        let sent = connection.send(commands).await;
        let is_of_no_use = match &sent {
            Ok(replies) => replies
                .iter()
                .any(|reply| matches!(reply, Reply::Refused(Fault::NotPrimary(_) | Fault::LoggedOut))),
            Err(fault) => matches!(fault, Fault::Lost(_)),
        };
        if is_of_no_use {
            self.forget(|there| there.number() == number);
        }
        Ok(Answered { replies: sent?, connection: number })
    }

    async fn connection(&self, patience: Patience) -> Result<Connection, Fault> {
        if self.connection.there().is_some_and(|connection| connection.is_silent()) {
            self.forget(Connection::is_silent);
        }
        match patience {
            Patience::AtOnce => self.connection.at_once(|| self.dial()),
            Patience::Waits => self.connection.soon(|| self.dial()).await,
        }
    }

    fn dial(&self) -> impl Future<Output = Result<Connection, Fault>> + Send + use<> {
        let (target, limit, dialer) = (self.target.clone(), self.limit, Arc::clone(&self.dialer));
        async move {
            let dialed = timeout(limit, target.connection(&dialer)).await;
            dialed.unwrap_or_else(|_| Err(dialer.late(limit)))
        }
    }

    /// The address to dial now.
    pub(crate) async fn address(&self) -> Result<Address, Fault> {
        self.target.address(&self.dialer).await
    }

    /// Gives up the connection, if this is true of it.
    pub(crate) fn forget(&self, is_meant: impl Fn(&Connection) -> bool) {
        self.connection.forget(is_meant);
    }
}
