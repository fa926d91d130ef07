//! The settings of an emulator, and its start.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
};

use super::{
    Emulator,
    business::Business,
    connection,
    door::Door,
    random,
    state::{Settings, State},
    tls::{Alpn, Tls, TlsIdentity},
};

/// The settings of an emulator; see [`Emulator::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing listens before `start`"]
pub struct EmulatorBuilder {
    listen: SocketAddr,
    settings: Settings,
    /// `None`: the emulator makes one of its own.
    business: Option<Arc<Business>>,
    /// `None`: plain HTTP.
    tls: Option<TlsIdentity>,
    alpn: Alpn,
}

impl Default for EmulatorBuilder {
    fn default() -> Self {
        EmulatorBuilder {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            settings: Settings {
                client_id: random::hexadecimal(32),
                client_secret: random::alphanumeric(51),
                client_without_scope: None,
                audience: "https://emulator.kinde.com/api".to_owned(),
                token_lifetime: Some(Duration::from_secs(86_399)),
                authentication: true,
            },
            business: None,
            tls: None,
            alpn: Alpn::default(),
        }
    }
}

impl EmulatorBuilder {
    /// The address to listen on. The default is a free port (port 0) of `127.0.0.1`. It must be a loopback address.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The client id and client secret for which the emulator issues tokens.
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.settings.client_id = id.into();
        self.settings.client_secret = secret.into();
        self
    }

    /// A second client, whose tokens lack the scope `read:api_keys`.
    pub fn client_without_scope(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.settings.client_without_scope = Some((id.into(), secret.into()));
        self
    }

    /// The audience for which the emulator issues tokens. Default `https://emulator.kinde.com/api`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audience = audience.into();
        self
    }

    /// How long a token lives, in whole seconds: the value of `expires_in`, and the time after which the emulator
    /// rejects the token.
    ///
    /// Default 86399 seconds. With `None` there is no `expires_in`, and tokens do not expire.
    pub fn token_lifetime(mut self, lifetime: Option<Duration>) -> Self {
        self.settings.token_lifetime = lifetime;
        self
    }

    /// Lets the verify endpoint answer calls without a token. The management endpoints still need one.
    pub fn without_authentication(mut self) -> Self {
        self.settings.authentication = false;
        self
    }

    /// Speaks TLS only, also on the control plane: TLS 1.2 and 1.3, with sessions that clients can resume.
    ///
    /// [`Emulator::url`] becomes `https://localhost:{port}`, whatever names the certificate has.
    pub fn tls(mut self, identity: &TlsIdentity) -> Self {
        self.tls = Some(identity.clone());
        self
    }

    /// Which protocols the server accepts in ALPN, if it speaks TLS. Default `http/1.1`.
    pub fn alpn(mut self, alpn: Alpn) -> Self {
        self.alpn = alpn;
        self
    }

    /// Makes this emulator the same Kinde at another address. It takes over the client, the audience and the other
    /// settings of `emulator`, and shares its keys, its tokens, its negative answers and
    /// [`deny_scope`](Emulator::deny_scope). A change to one of the two changes both.
    ///
    /// Each emulator has its own address, faults, counters and TLS settings.
    ///
    /// ```
    /// # use apikey_testkit::emulator::Emulator;
    /// # #[cfg(target_os = "linux")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let old = Emulator::start().await?;
    /// // On Linux any address of 127.0.0.0/8 works. Other systems must set most of them up first.
    /// let moved = ([127, 0, 0, 2], old.address().port()).into();
    /// let new = Emulator::builder().same_business_as(&old).listen(moved).start().await?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// ```
    pub fn same_business_as(mut self, emulator: &Emulator) -> Self {
        self.settings = emulator.state.settings.clone();
        self.business = Some(emulator.state.business.clone());
        self
    }

    /// Binds the address and starts to serve on the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound, or is not a loopback address: the control plane reveals every secret.
    pub async fn start(self) -> io::Result<Emulator> {
        if !self.listen.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the emulator reveals its secrets, so it listens only on loopback addresses, and not on {}",
                    self.listen
                ),
            ));
        }
        let listener = TcpListener::bind(self.listen).await?;
        let address = listener.local_addr()?;
        let tls = self.tls.map(|identity| Tls::new(&identity, self.alpn)).transpose()?;
        let (orders, received) = mpsc::unbounded_channel();
        let state =
            Arc::new(State::new(self.settings, address, self.business.unwrap_or_default(), tls, orders));
        let stopping = Arc::new(Notify::new());
        let door = Door::new(address, listener);
        let server = tokio::spawn(connection::accept(door, received, state.clone(), stopping.clone()));
        Ok(Emulator { state, stopping, server })
    }
}
