//! Which Kinde business to ask, and as whom: from code, or from the variables that Kinde's users already have.

use std::time::Duration;

use reqwest::Url;
use zeroize::{Zeroize as _, Zeroizing};

use super::domain::{authority, base_url, is_loopback};
use super::proxy::check_proxy_variables;
use super::secret::Secret;
use super::setting_names::{
    AUDIENCE, CLIENT_ID, CLIENT_SECRET, DOMAIN, ISSUER_URL, M2M_CLIENT_ID, M2M_CLIENT_SECRET, SettingNames,
};
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
    names: SettingNames,
    pub(super) root_certificates: Vec<Vec<u8>>,
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
    /// [`ConfigError`], naming the variable: no host, half a pair, a value that is not Unicode, or credentials in the
    /// quotes or braces that an env file had around them.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(environment)
    }

    /// [`from_env`](Self::from_env) over any source of variables, for tests and for configuration files: `None` where
    /// one is absent, `Err` where it is not Unicode.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<Result<String, ()>>,
    ) -> Result<Self, ConfigError> {
        // Each may be the secret, or hold it by mistake, so no copy is left behind.
        let read = |name: &'static str| match variable(name) {
            None => Ok(None),
            Some(Ok(value)) => {
                let value = Zeroizing::new(value);
                let trimmed = Zeroizing::new(value.trim().to_owned());
                Ok(Some(trimmed).filter(|value| !value.is_empty()))
            }
            Some(Err(())) => Err(ConfigError::new(name, "the value is not Unicode text")),
        };
        let literal = |name: &'static str| match read(name)? {
            Some(value) if is_left_over(&value) => Err(ConfigError::new(name, LEFT_OVER)),
            value => Ok(value),
        };
        let (name, domain) = match read(DOMAIN)? {
            Some(domain) => (DOMAIN, Some(domain)),
            None => (ISSUER_URL, read(ISSUER_URL)?),
        };
        let Some(domain) = domain else {
            return Err(ConfigError::new(
                DOMAIN,
                "set it to the host of your Kinde business, for example example.kinde.com",
            ));
        };
        let mut settings = Self::new(domain.as_str());
        settings.names = SettingNames { domain: name, ..SettingNames::VARIABLES };
        for (id_name, secret_name) in [(CLIENT_ID, CLIENT_SECRET), (M2M_CLIENT_ID, M2M_CLIENT_SECRET)] {
            match (literal(id_name)?, literal(secret_name)?) {
                (Some(id), Some(secret)) => {
                    let credentials = MachineToMachine {
                        client_id: id.as_str().to_owned(),
                        client_secret: Secret::from(secret),
                    };
                    settings.authentication = Some(Authentication::MachineToMachine(credentials));
                    (settings.names.client_id, settings.names.client_secret) = (id_name, secret_name);
                    break;
                }
                (None, None) => {}
                (Some(_), None) => return Err(half_a_pair(secret_name, id_name)),
                (None, Some(_)) => return Err(half_a_pair(id_name, secret_name)),
            }
        }
        settings.audience = literal(AUDIENCE)?.map(|audience| audience.as_str().to_owned());
        Ok(settings)
    }

    /// Whether credentials are set.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        matches!(self.authentication, Some(Authentication::MachineToMachine(_)))
    }

    pub(super) fn check(self) -> Result<CheckedSettings, ConfigError> {
        self.check_with(environment)
    }

    /// [`check`](Self::check), where the variables that name a proxy come from anywhere.
    fn check_with(
        self,
        variable: impl Fn(&'static str) -> Option<Result<String, ()>>,
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
        check_proxy_variables(&base, variable)?;
        Ok(CheckedSettings {
            verify_url: join("/api/v1/api_keys/verify")?,
            token_url: join("/oauth2/token")?,
            is_loopback: is_loopback(&base),
            credentials,
            audience,
            connect_timeout: self.connect_timeout,
            names,
            root_certificates: self.root_certificates,
        })
    }
}

/// Settings that have been checked.
#[derive(Debug)]
pub(super) struct CheckedSettings {
    pub(super) verify_url: Url,
    pub(super) token_url: Url,
    pub(super) is_loopback: bool,
    pub(super) credentials: Option<MachineToMachine>,
    pub(super) audience: String,
    pub(super) connect_timeout: Duration,
    /// For advice about what Kinde refuses.
    pub(super) names: SettingNames,
    pub(super) root_certificates: Vec<Vec<u8>>,
}

/// The process's own environment. What is not Unicode may be a secret all the same, and is overwritten.
fn environment(name: &'static str) -> Option<Result<String, ()>> {
    let value = std::env::var_os(name)?;
    Some(value.into_string().map_err(|value| value.into_encoded_bytes().zeroize()))
}

const LEFT_OVER: &str =
    "the value stands in quotes or braces; write it without, and a variable's value in its place";

/// Whether a value stands in the quotes or the `${...}` of an env file whose reader took them for a part of it.
fn is_left_over(value: &str) -> bool {
    [("\"", "\""), ("'", "'"), ("${", "}")]
        .iter()
        .any(|(before, after)| value.strip_prefix(before).is_some_and(|rest| rest.ends_with(after)))
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

#[cfg(test)]
mod tests;
