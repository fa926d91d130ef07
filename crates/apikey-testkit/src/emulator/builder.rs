//! Settings of an emulator, and its start.

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

/// What an emulator is to be like; see [`Emulator::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing listens before `start`"]
pub struct EmulatorBuilder {
    listen: SocketAddr,
    settings: Settings,
    /// `None` for one of its own.
    business: Option<Arc<Business>>,
    /// `None` for plain HTTP.
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
    /// The address to listen on; port 0, the default, takes a free one. It must be a loopback address.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The client id and client secret that get a token.
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.settings.client_id = id.into();
        self.settings.client_secret = secret.into();
        self
    }

    /// The audience that tokens are issued for; default `https://emulator.kinde.com/api`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audience = audience.into();
        self
    }

    /// How long a token lives, in whole seconds: what `expires_in` says, and when the token stops being accepted.
    ///
    /// Default 86399 seconds. `None` leaves `expires_in` out, and the token never expires.
    pub fn token_lifetime(mut self, lifetime: Option<Duration>) -> Self {
        self.settings.token_lifetime = lifetime;
        self
    }

    /// Lets the verify endpoint answer without a token. The management endpoints still need one.
    pub fn without_authentication(mut self) -> Self {
        self.settings.authentication = false;
        self
    }

    /// Speaks TLS and nothing else, the control plane included: TLS 1.2 and 1.3, with sessions that can be resumed.
    ///
    /// [`Emulator::url`] becomes `https://localhost:{port}`, whatever names the certificate has.
    pub fn tls(mut self, identity: &TlsIdentity) -> Self {
        self.tls = Some(identity.clone());
        self
    }

    /// What the server agrees to in ALPN, if it speaks TLS; default `http/1.1`.
    pub fn alpn(mut self, alpn: Alpn) -> Self {
        self.alpn = alpn;
        self
    }

    /// Takes over client, audience and the other settings of an emulator, and shares its keys, its tokens, how they are
    /// answered and [`deny_scope`](Emulator::deny_scope): Kinde at another address. What is set for one of the two is
    /// set for both.
    ///
    /// Address, faults, counters and TLS are each emulator's own.
    ///
    /// ```
    /// # use apikey_testkit::emulator::Emulator;
    /// # #[cfg(target_os = "linux")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let old = Emulator::start().await?;
    /// // Any address of 127.0.0.0/8 will do on Linux; elsewhere most need to be set up first.
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
    /// When the address can't be bound, or isn't a loopback address: the control plane reveals every secret.
    pub async fn start(self) -> io::Result<Emulator> {
        if !self.listen.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the emulator reveals its secrets, so it listens on loopback only, not on {}",
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
