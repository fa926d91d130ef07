//! The settings of the Kinde client, and their check.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Url;

use super::addresses::check_addresses;
use super::api_id::check_api_id;
use super::api_keys_url::ApiKeysUrl;
use super::domain::{authority, base_url};
use super::proxy::ProxySetting;
use super::secret::Secret;
use super::setting_names::{CLIENT_ID, SettingNames};
use crate::config_error::ConfigError;

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Says which Kinde business verifies keys, with which credentials, and how to reach it.
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
    pub(super) api_id: Option<String>,
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
    /// Takes the host of the Kinde business: `example.kinde.com` or a custom domain, with or without `https://` and a
    /// trailing slash. The host is an IP address, or a DNS name by RFC 1123 of at most 253 characters. A port may follow.
    /// Plain `http://` is accepted for loopback addresses only.
    ///
    /// By default the client uses the proxy that the environment names (`HTTPS_PROXY`, else `ALL_PROXY`), except for hosts
    /// in `NO_PROXY` and for loopback addresses. [`KindeVerifier::new`](crate::KindeVerifier::new) fails if that proxy can't
    /// be used, for example because it is a SOCKS proxy.
    pub fn new(domain: impl Into<String>) -> Self {
        Self {
            domain: domain.into(),
            authentication: None,
            audience: None,
            api_id: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            names: SettingNames::IN_CODE,
            root_certificates: Vec::new(),
            proxy: ProxySetting::default(),
            addresses: None,
        }
    }

    /// Verifies keys with tokens of this application. This is the normal mode.
    pub fn machine_to_machine(mut self, credentials: MachineToMachine) -> Self {
        self.authentication = Some(Authentication::MachineToMachine(credentials));
        let SettingNames { client_id, client_secret, .. } = SettingNames::IN_CODE;
        self.names = SettingNames { client_id, client_secret, ..self.names };
        self
    }

    /// Verifies keys without a token. Kinde's OpenAPI file calls the verify endpoint public, but its documentation asks for
    /// a token. Choose this only if you know that your Kinde business answers without one.
    pub fn without_token(mut self) -> Self {
        self.authentication = Some(Authentication::None);
        self
    }

    /// The audience of the tokens. Default: `https://{domain}/api`. If the domain is a custom one, set this to the API of
    /// the `kinde.com` host, for example `https://example.kinde.com/api`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self.names.audience = SettingNames::IN_CODE.audience;
        self
    }

    /// Accepts only keys that are for this API: the id of the API, as its page in Kinde shows it, for example `api_123`. All
    /// other keys are refused with [`DenialCode::ApiMismatch`](crate::DenialCode::ApiMismatch). Default: every good key of the
    /// Kinde business is accepted, and only the names of scopes keep a key for one API from opening another.
    ///
    /// Kinde's verify endpoint does not say for which APIs a key is. So after Kinde has verified a key, the client asks for it
    /// with `GET /api/v1/api_keys/{key_id}`. That is one more call, and both share one verification timeout. The cached answer
    /// stands for both calls, so a hit asks nothing. If the second call can't be answered, the key is not accepted.
    ///
    /// The call needs a token with the scope `read:api_keys`, so this can't be combined with
    /// [`without_token`](Self::without_token).
    pub fn api_id(mut self, api_id: impl Into<String>) -> Self {
        self.api_id = Some(api_id.into());
        self.names.api_id = SettingNames::IN_CODE.api_id;
        self
    }

    /// How long it may take to make a connection. Default: 2 s. The verification timeout limits it, too.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Trusts the certificates in this PEM text as authorities, in addition to those of the platform. This is for a proxy
    /// that decrypts TLS, and for tests. Call it again to add more.
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.root_certificates.push(pem.as_ref().to_vec());
        self
    }

    /// Sends every call through the proxy at this URL: `http://host:port` or `https://host:port`. The URL may hold a user
    /// name and a password, as in `http://user:password@host:port`. Write their reserved characters as `%XX`. The URL is
    /// never printed.
    ///
    /// The client opens a tunnel through the proxy (`CONNECT`) and speaks TLS with Kinde, so the proxy sees neither keys nor
    /// tokens. If the domain is a loopback address with plain `http://`, the proxy must have a loopback address, too.
    ///
    /// This setting takes the place of the environment's proxy variables, `NO_PROXY` included.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = ProxySetting::Url(Secret::new(url.into()));
        self
    }

    /// Connects to Kinde without a proxy, even if the environment or the operating system names one.
    pub fn without_proxy(mut self) -> Self {
        self.proxy = ProxySetting::None;
        self
    }

    /// Connects to these addresses instead of those that DNS gives for the domain. This is for networks in which the domain
    /// has another address, and for tests. If several are given, the client tries one after the other. Port 0 means the
    /// port of the domain.
    ///
    /// The `Host` header and the name in Kinde's certificate stay those of the domain. The environment's proxy is not used,
    /// and [`proxy`](Self::proxy) can't be combined with this, because a proxy resolves the name itself.
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

    /// The same settings for calls that are about no key, and so need neither token nor API.
    #[cfg(feature = "webhooks")]
    pub(super) fn about_no_key(self) -> Self {
        Self { api_id: None, ..self }.without_token()
    }

    /// Whether the credentials of an application are set.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        matches!(self.authentication, Some(Authentication::MachineToMachine(_)))
    }

    /// # Errors
    /// [`ConfigError`], which names the setting that is missing or can't be used.
    pub(super) fn check(self) -> Result<CheckedSettings, ConfigError> {
        self.check_with(std::env::var_os)
    }

    /// Does the same as [`check`](Self::check), but is given the environment, from which it reads the proxy.
    fn check_with(
        self,
        variable: impl Fn(&'static str) -> Option<OsString>,
    ) -> Result<CheckedSettings, ConfigError> {
        let names = self.names;
        let base = base_url(&self.domain).map_err(|problem| ConfigError::new(names.domain, problem))?;
        if self.connect_timeout.is_zero() {
            return Err(ConfigError::new("connect_timeout", "it must be longer than zero"));
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
                     application, or call without_token",
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
        if let Some(api_id) = &self.api_id {
            check_api_id(api_id, credentials.is_some())
                .map_err(|problem| ConfigError::new(names.api_id, problem))?;
        }
        let join = |path: &str| {
            base.join(path)
                .map_err(|error| ConfigError::new(names.domain, format!("it makes no URL: {error}")))
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
            api_keys_url: ApiKeysUrl::new(join("/api/v1/api_keys/")?),
            credentials,
            audience,
            api_id: self.api_id,
            connect_timeout: self.connect_timeout,
            names,
            root_certificates: self.root_certificates,
            proxy,
            addresses: self.addresses.unwrap_or_default(),
        })
    }
}

/// Settings that passed the check.
#[derive(Debug)]
pub(super) struct CheckedSettings {
    pub(super) verify_url: Url,
    pub(super) token_url: Url,
    /// The id of a key follows.
    pub(super) api_keys_url: ApiKeysUrl,
    pub(super) credentials: Option<MachineToMachine>,
    pub(super) audience: String,
    /// Keys for other APIs are refused. `None`: nobody asks for which API a key is.
    pub(super) api_id: Option<String>,
    pub(super) connect_timeout: Duration,
    /// For advice about what Kinde refuses.
    pub(super) names: SettingNames,
    pub(super) root_certificates: Vec<Vec<u8>>,
    pub(super) proxy: ProxySetting,
    /// Empty if DNS is asked.
    pub(super) addresses: Vec<SocketAddr>,
}

impl std::fmt::Debug for KindeSettings {
    /// Leaves the domain out. It is not checked yet, so somebody may have pasted a secret there.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("KindeSettings")
            .field("authentication", &self.authentication)
            .field("audience", &self.audience)
            .field("has_api_id", &self.api_id.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("root_certificates", &self.root_certificates.len())
            .field("proxy", &self.proxy)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
