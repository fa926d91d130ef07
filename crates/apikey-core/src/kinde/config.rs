//! Which Kinde business to ask, and as whom: from code, or from the variables that Kinde's users already have.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Url;

use super::addresses::check_addresses;
use super::domain::{authority, base_url};
use super::proxy::ProxySetting;
use super::secret::Secret;
use super::setting_names::{CLIENT_ID, SettingNames};
use crate::config_error::ConfigError;

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where and how to reach Kinde.
///
/// ```
/// use apikey_core::{KindeSettings, KindeVerifier, MachineToMachine};
///
/// let settings = KindeSettings::new("example.kinde.com")
///     .machine_to_machine(MachineToMachine::new("client id", "client secret"));
/// let verifier = KindeVerifier::new(settings)?;
/// # Ok::<(), apikey_core::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct KindeSettings {
    pub(super) domain: String,
    pub(super) authentication: Option<Authentication>,
    pub(super) audience: Option<String>,
    pub(super) connect_timeout: Duration,
    pub(super) names: SettingNames,
    root_certificates: Vec<Vec<u8>>,
    proxy: ProxySetting,
    addresses: Option<Vec<SocketAddr>>,
}

#[derive(Debug, Clone)]
pub(super) enum Authentication {
    MachineToMachine(MachineToMachine),
    None,
}

/// The credentials of a machine-to-machine application in Kinde that may use the Kinde Management API with scope
/// `read:api_keys`. The secret is overwritten when dropped and never printed.
#[derive(Debug, Clone)]
pub struct MachineToMachine {
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
}

impl MachineToMachine {
    /// Takes the client id and the client secret, as the application's page in Kinde shows them.
    #[must_use]
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), client_secret: Secret::new(client_secret.into()) }
    }
}

impl KindeSettings {
    /// Names the Kinde business by its host: `example.kinde.com` or a custom domain, with or without `https://` and a
    /// trailing slash. It must be an IP address or a DNS name by RFC 1123, of at most 253 characters; a port may follow.
    /// Plain `http://` is accepted for loopback addresses only.
    ///
    /// A proxy that the environment names (`HTTPS_PROXY`, `ALL_PROXY`, but for the hosts in `NO_PROXY`) is used. Building a
    /// verifier fails if it can't be: SOCKS proxies can't.
    pub fn new(domain: impl Into<String>) -> Self {
        Self {
            domain: domain.into(),
            authentication: None,
            audience: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            names: SettingNames::IN_CODE,
            root_certificates: Vec::new(),
            proxy: ProxySetting::default(),
            addresses: None,
        }
    }

    /// Asks with tokens of this application: the normal mode.
    pub fn machine_to_machine(mut self, credentials: MachineToMachine) -> Self {
        self.authentication = Some(Authentication::MachineToMachine(credentials));
        let SettingNames { domain, audience, .. } = self.names;
        self.names = SettingNames { domain, audience, ..SettingNames::IN_CODE };
        self
    }

    /// Asks without any token. Kinde's OpenAPI calls the verify endpoint public, its documentation does not; choose
    /// this only if you know that your business answers without one.
    pub fn without_token(mut self) -> Self {
        self.authentication = Some(Authentication::None);
        self
    }

    /// The audience of the tokens. Default: `https://{domain}/api`. With a custom domain it must be set, to the API of
    /// the `kinde.com` host: `https://example.kinde.com/api`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self.names.audience = SettingNames::IN_CODE.audience;
        self
    }

    /// How long establishing a connection may take. Default 2 s; the verification timeout bounds it, too.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Trusts the certificates in this PEM text as authorities, beside those of the platform: for a proxy that opens TLS, and
    /// for tests. [`KindeVerifier::new`](crate::KindeVerifier::new) checks them.
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.root_certificates.push(pem.as_ref().to_vec());
        self
    }

    /// Sends every call through the proxy at this URL: `http://host:port` or `https://host:port`. A user name and a password
    /// may stand before the host (`http://user:password@host:port`); they are never printed. Write the characters in them
    /// that a URL reserves as `%XX`.
    ///
    /// A proxy that the environment names is not used then, and `NO_PROXY` is not read. TLS goes through the proxy to Kinde
    /// (`CONNECT`), so the proxy sees neither keys nor tokens. If Kinde's domain is a loopback address with plain `http://`,
    /// the proxy must have a loopback address, too.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = ProxySetting::Url(Secret::new(url.into()));
        self
    }

    /// Connects to Kinde directly, even if the environment or the operating system names a proxy.
    pub fn without_proxy(mut self) -> Self {
        self.proxy = ProxySetting::None;
        self
    }

    /// Connects to these addresses instead of those that DNS gives for the domain: for a network with names of its own, and
    /// for tests. The first address that accepts a connection is used. Port 0 stands for the domain's own port.
    ///
    /// Kinde is still addressed by its domain: in the `Host` header, and in the name that its certificate must have. A proxy
    /// that the environment names is not used, and [`proxy`](Self::proxy) can't be set beside this, because a proxy resolves
    /// the name itself.
    ///
    /// ```
    /// use apikey_core::{KindeSettings, KindeVerifier, MachineToMachine};
    /// use std::net::SocketAddr;
    ///
    /// let settings = KindeSettings::new("example.kinde.com")
    ///     .machine_to_machine(MachineToMachine::new("client id", "client secret"))
    ///     .resolve_to([SocketAddr::from(([192, 0, 2, 1], 0))]);
    /// let verifier = KindeVerifier::new(settings)?;
    /// # Ok::<(), apikey_core::ConfigError>(())
    /// ```
    pub fn resolve_to(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.addresses = Some(addresses.into_iter().collect());
        self
    }

    /// Whether credentials are set.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        matches!(self.authentication, Some(Authentication::MachineToMachine(_)))
    }

    pub(super) fn check(self) -> Result<CheckedSettings, ConfigError> {
        self.check_with(std::env::var_os)
    }

    /// [`check`](Self::check), where the variables that name a proxy come from anywhere.
    fn check_with(
        self,
        variable: impl Fn(&'static str) -> Option<OsString>,
    ) -> Result<CheckedSettings, ConfigError> {
        let names = self.names;
        let base = base_url(&self.domain).map_err(|problem| ConfigError::new(names.domain, problem))?;
        if self.connect_timeout.is_zero() {
            return Err(ConfigError::new("connect_timeout", "more than zero"));
        }
        let credentials = match self.authentication {
            Some(Authentication::None) => None,
            Some(Authentication::MachineToMachine(credentials)) => {
                if credentials.client_id.is_empty() {
                    return Err(ConfigError::new(names.client_id, "the client id is empty"));
                }
                if credentials.client_secret.expose().is_empty() {
                    return Err(ConfigError::new(names.client_secret, "the client secret is empty"));
                }
                Some(credentials)
            }
            None if names.client_id == CLIENT_ID => {
                return Err(ConfigError::new(
                    CLIENT_ID,
                    "set it and KINDE_MANAGEMENT_CLIENT_SECRET to the credentials of a machine-to-machine \
                     application, or choose explicitly to verify without a token",
                ));
            }
            None => {
                return Err(ConfigError::new(
                    "machine_to_machine",
                    "call it with the credentials of a machine-to-machine application, or call without_token",
                ));
            }
        };
        let audience = match self.audience {
            Some(audience) if audience.is_empty() => {
                return Err(ConfigError::new(names.audience, "the audience is empty"));
            }
            Some(audience) => audience,
            None => format!("https://{}/api", authority(&base)),
        };
        let join = |path: &str| {
            base.join(path)
                .map_err(|error| ConfigError::new(names.domain, format!("no base for a URL: {error}")))
        };
        let proxy = match (&self.addresses, self.proxy) {
            (Some(_), ProxySetting::Environment) => ProxySetting::None,
            (_, proxy) => proxy.check(&base, variable)?,
        };
        if let Some(addresses) = &self.addresses {
            check_addresses(addresses, &base, &proxy)
                .map_err(|problem| ConfigError::new("resolve_to", problem))?;
        }
        Ok(CheckedSettings {
            verify_url: join("/api/v1/api_keys/verify")?,
            token_url: join("/oauth2/token")?,
            credentials,
            audience,
            connect_timeout: self.connect_timeout,
            names,
            root_certificates: self.root_certificates,
            proxy,
            addresses: self.addresses.unwrap_or_default(),
        })
    }
}

/// Settings that have been checked.
#[derive(Debug)]
pub(super) struct CheckedSettings {
    pub(super) verify_url: Url,
    pub(super) token_url: Url,
    pub(super) credentials: Option<MachineToMachine>,
    pub(super) audience: String,
    pub(super) connect_timeout: Duration,
    /// For advice about what Kinde refuses.
    pub(super) names: SettingNames,
    pub(super) root_certificates: Vec<Vec<u8>>,
    pub(super) proxy: ProxySetting,
    /// Where to connect instead of asking DNS; empty if DNS is asked.
    pub(super) addresses: Vec<SocketAddr>,
}

impl std::fmt::Debug for KindeSettings {
    /// The domain is left out: until it is checked, it may be anything that was pasted there.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("KindeSettings")
            .field("authentication", &self.authentication)
            .field("audience", &self.audience)
            .field("connect_timeout", &self.connect_timeout)
            .field("root_certificates", &self.root_certificates.len())
            .field("proxy", &self.proxy)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
