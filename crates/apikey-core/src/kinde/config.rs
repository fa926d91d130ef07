//! Which Kinde business to ask, and as whom: from code, or from the variables that Kinde's users already have.

use std::time::Duration;

use reqwest::Url;
use zeroize::Zeroizing;

use super::secret::Secret;
use crate::config::ConfigError;

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
    /// trailing slash. Plain `http://` is accepted for loopback addresses only.
    pub fn new(domain: impl Into<String>) -> Self {
        Self {
            domain: domain.into(),
            authentication: None,
            audience: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
        }
    }

    /// Asks with tokens of this application: the normal mode.
    pub fn machine_to_machine(mut self, credentials: MachineToMachine) -> Self {
        self.authentication = Some(Authentication::MachineToMachine(credentials));
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
        self
    }

    /// How long establishing a connection may take. Default 2 s; the verification timeout bounds it, too.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Reads the variables that Kinde's users already have:
    ///
    /// | variable | meaning |
    /// | --- | --- |
    /// | `KINDE_DOMAIN`, else `KINDE_ISSUER_URL` | the host, as in [`new`](Self::new) |
    /// | `KINDE_MANAGEMENT_CLIENT_ID` and `KINDE_MANAGEMENT_CLIENT_SECRET`, else `KINDE_M2M_CLIENT_ID` and `KINDE_M2M_CLIENT_SECRET` | [`machine_to_machine`](Self::machine_to_machine); the pairs are never mixed |
    /// | `KINDE_MANAGEMENT_AUDIENCE` | [`audience`](Self::audience) |
    ///
    /// An empty variable counts as absent. Where no credentials are set, none are chosen: building a verifier then
    /// fails unless [`without_token`](Self::without_token) is called.
    ///
    /// # Errors
    /// [`ConfigError`], naming the variable: no host, half a pair, or a value that is not Unicode.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var_os(name).map(|value| value.into_string().map_err(|_| ())))
    }

    /// [`from_env`](Self::from_env) over any source of variables, for tests and for configuration files: `None` where
    /// one is absent, `Err` where it is not Unicode.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<Result<String, ()>>,
    ) -> Result<Self, ConfigError> {
        let read = |name: &'static str| match variable(name) {
            None => Ok(None),
            Some(Ok(value)) => {
                // It may be the secret.
                let value = Zeroizing::new(value);
                Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty()))
            }
            Some(Err(())) => Err(ConfigError::new(name, "the value is not Unicode text")),
        };
        let Some(domain) = read(DOMAIN)?.map_or_else(|| read("KINDE_ISSUER_URL"), |value| Ok(Some(value)))?
        else {
            return Err(ConfigError::new(
                DOMAIN,
                "set it to the host of your Kinde business, for example example.kinde.com",
            ));
        };
        let mut settings = Self::new(domain);
        let pairs = [(CLIENT_ID, CLIENT_SECRET), ("KINDE_M2M_CLIENT_ID", "KINDE_M2M_CLIENT_SECRET")];
        for (id_name, secret_name) in pairs {
            match (read(id_name)?, read(secret_name)?) {
                (Some(id), Some(secret)) => {
                    settings = settings.machine_to_machine(MachineToMachine::new(id, secret));
                    break;
                }
                (None, None) => {}
                (Some(_), None) => return Err(half_a_pair(secret_name, id_name)),
                (None, Some(_)) => return Err(half_a_pair(id_name, secret_name)),
            }
        }
        settings.audience = read(AUDIENCE)?;
        Ok(settings)
    }

    /// Whether credentials are set.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        matches!(self.authentication, Some(Authentication::MachineToMachine(_)))
    }

    pub(super) fn resolve(self) -> Result<Resolved, ConfigError> {
        let base = base_url(&self.domain)?;
        if self.connect_timeout.is_zero() {
            return Err(ConfigError::new("connect_timeout", "more than zero"));
        }
        let credentials = match self.authentication {
            Some(Authentication::None) => None,
            Some(Authentication::MachineToMachine(credentials)) => {
                if credentials.client_id.is_empty() {
                    return Err(ConfigError::new(CLIENT_ID, "the client id is empty"));
                }
                if credentials.client_secret.expose().is_empty() {
                    return Err(ConfigError::new(CLIENT_SECRET, "the client secret is empty"));
                }
                Some(credentials)
            }
            None => {
                return Err(ConfigError::new(
                    CLIENT_ID,
                    "set it and KINDE_MANAGEMENT_CLIENT_SECRET to the credentials of a machine-to-machine \
                     application, or choose explicitly to verify without a token",
                ));
            }
        };
        let audience = match self.audience {
            Some(audience) if audience.is_empty() => return Err(ConfigError::new(AUDIENCE, "it is empty")),
            Some(audience) => audience,
            None => format!("https://{}/api", authority(&base)),
        };
        let join = |path: &str| {
            base.join(path).map_err(|error| ConfigError::new(DOMAIN, format!("no base for a URL: {error}")))
        };
        Ok(Resolved {
            verify_url: join("/api/v1/api_keys/verify")?,
            token_url: join("/oauth2/token")?,
            is_loopback: is_loopback(&base),
            credentials,
            audience,
            connect_timeout: self.connect_timeout,
        })
    }
}

/// The names under which settings are spoken of, in errors and in the log.
pub(super) const DOMAIN: &str = "KINDE_DOMAIN";
pub(super) const CLIENT_ID: &str = "KINDE_MANAGEMENT_CLIENT_ID";
pub(super) const CLIENT_SECRET: &str = "KINDE_MANAGEMENT_CLIENT_SECRET";
pub(super) const AUDIENCE: &str = "KINDE_MANAGEMENT_AUDIENCE";

/// Settings that have been checked.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) verify_url: Url,
    pub(super) token_url: Url,
    pub(super) is_loopback: bool,
    pub(super) credentials: Option<MachineToMachine>,
    pub(super) audience: String,
    pub(super) connect_timeout: Duration,
}

impl std::fmt::Debug for KindeSettings {
    /// The domain is left out: until it is checked, it may be anything that was pasted there.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("KindeSettings")
            .field("authentication", &self.authentication)
            .field("audience", &self.audience)
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

fn half_a_pair(missing: &'static str, present: &'static str) -> ConfigError {
    ConfigError::new(missing, format!("{present} is set, so this must be set, too"))
}

fn base_url(domain: &str) -> Result<Url, ConfigError> {
    let wrong = |problem: &str| ConfigError::new(DOMAIN, problem);
    let domain = domain.trim();
    let with_scheme = if domain.contains("://") { domain.to_owned() } else { format!("https://{domain}") };
    let url = Url::parse(&with_scheme).map_err(|_| wrong("expected a host such as example.kinde.com"))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("expected a host such as example.kinde.com"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the host takes no user name or password"));
    }
    if !url.path().trim_matches('/').is_empty() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("expected a host alone, without a path"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(wrong("plain http:// is accepted for loopback addresses only; use https://")),
        _ => Err(wrong("expected https://")),
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
