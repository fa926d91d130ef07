//! Connects to one server, and logs in.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::address::Address;
use crate::client::{Command, Connection, Reply, Stream};
use crate::fault::Fault;

/// How long it may take until a connection can be used, with everything that finds its server. The protocol of removals rests
/// on it, as on the pause between two tries: see `fleet/link/settings.rs` of the core.
pub(crate) const DIAL_LIMIT: Duration = Duration::from_millis(500);
/// The part of it in which sentinels or the servers of a cluster must have said which server it is.
pub(crate) const FIND_LIMIT: Duration = Duration::from_millis(200);
/// An idle connection is tried after this time, and then as often.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long what was sent may stay without an acknowledgement by the other machine.
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT: Duration = Duration::from_secs(2);

/// Who logs in.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Zeroizing<String>>,
    pub(crate) database: u32,
}

/// Connects to servers. All connections have the same settings.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) login: Login,
}

impl Dialer {
    /// A connection to this server that has logged in.
    pub(crate) async fn connection(&self, address: &Address) -> Result<Connection, Fault> {
        self.connection_as(&self.login, address).await
    }

    /// The same with another login.
    pub(crate) async fn connection_as(&self, login: &Login, address: &Address) -> Result<Connection, Fault> {
        let connection = Connection::over(self.stream(address).await?).await?;
        let (mut commands, mut asked) = login.commands();
        commands.push(Command::new("PING"));
        asked.push(Asked::Pong);
        for (reply, what) in connection.send(commands).await?.into_iter().zip(asked) {
            what.check(reply)?;
        }
        Ok(connection)
    }

    /// A stream to this server on which nothing was said yet.
    pub(crate) async fn stream(&self, address: &Address) -> Result<Box<dyn Stream>, Fault> {
        let failed = |error: io::Error| Fault::Unavailable(format!("no connection to {address}: {error}"));
        let socket = connected(address).await.map_err(failed)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(socket)) };
        let name = ServerName::try_from(address.host.clone())
            .map_err(|_| Fault::Misconfigured(format!("{address} has no name that TLS can check")))?;
        let secured = TlsConnector::from(Arc::clone(tls)).connect(name, socket).await;
        Ok(Box::new(secured.map_err(|error| untrusted(address, &error))?))
    }

    /// What happened if there was no connection in time.
    pub(crate) fn late(&self, limit: Duration) -> Fault {
        match Fault::late(limit) {
            Fault::Unavailable(text) if self.tls.is_some() => {
                Fault::Unavailable(text + " (if the port speaks no TLS, write `redis` instead of `rediss`)")
            }
            fault => fault,
        }
    }

    /// The bytes that log in.
    pub(crate) fn login_bytes(&self) -> Vec<u8> {
        self.login.commands().0.iter().flat_map(Command::bytes).collect()
    }
}

/// What a command asked for when it logged in.
#[derive(Clone, Copy)]
enum Asked {
    Password,
    Database(u32),
    /// Whether the server answers.
    Pong,
}

impl Login {
    fn commands(&self) -> (Vec<Command>, Vec<Asked>) {
        let (mut commands, mut asked) = (Vec::new(), Vec::new());
        if let Some(password) = &self.password {
            let auth = Command::new("AUTH");
            let auth = self.user.iter().fold(auth, |auth, user| auth.arg(user));
            commands.push(auth.arg(password.as_bytes()));
            asked.push(Asked::Password);
        }
        if self.database != 0 {
            commands.push(Command::new("SELECT").arg(self.database.to_string()));
            asked.push(Asked::Database(self.database));
        }
        (commands, asked)
    }
}

impl Asked {
    /// The text of a server may hold the password that it was given. So only these texts are told.
    fn check(self, reply: Reply) -> Result<(), Fault> {
        let refused = match reply.accepted() {
            Ok(_) => return Ok(()),
            Err(fault) => fault,
        };
        Err(match (self, refused) {
            (Self::Password, Fault::Misconfigured(_)) => {
                Fault::Misconfigured("the server refuses the user or the password of the URL".to_owned())
            }
            (Self::Password, Fault::Unavailable(_)) => {
                Fault::Unavailable("the server can't check the password now".to_owned())
            }
            (Self::Database(number), Fault::Misconfigured(_) | Fault::Forbidden(_)) => {
                Fault::Misconfigured(format!(
                    "the server has no database {number} for this user: a cluster has only 0, and others as many as its \
                 setting `databases` says"
                ))
            }
            // Who may not ping may do the rest nevertheless.
            (Self::Pong, Fault::Misconfigured(_) | Fault::Forbidden(_)) => return Ok(()),
            (_, fault) => fault,
        })
    }
}

/// A socket to one of the host's addresses.
async fn connected(address: &Address) -> io::Result<TcpStream> {
    let found: Vec<_> = lookup_host((address.host.as_str(), address.port)).await?.collect();
    // An address that nobody answers on leaves time for the next two.
    let share = DIAL_LIMIT * 4 / 5 / u32::try_from(found.len().clamp(1, 3)).unwrap_or(1);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in found {
        match timeout(share, TcpStream::connect(candidate)).await {
            Ok(Ok(socket)) => {
                set_options(&socket)?;
                return Ok(socket);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

fn set_options(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

/// A certificate that is not trusted needs an operator. Everything else may pass.
fn untrusted(address: &Address, error: &io::Error) -> Fault {
    let said = format!("no TLS to {address}: {error}");
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => {
            Fault::Misconfigured(format!("{said}: add its authority with `root_certificate`"))
        }
        Some(rustls::Error::InvalidMessage(_)) => Fault::Misconfigured(format!(
            "{said}: if the port speaks no TLS, write `redis` instead of `rediss`"
        )),
        _ => Fault::Unavailable(said),
    }
}
