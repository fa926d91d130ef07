//! The settings of the reference servers, from the environment.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `LISTEN` | address:port | `127.0.0.1:3000` |
//! | `KINDE_DOMAIN`, `KINDE_MANAGEMENT_CLIENT_ID`, ... | see [`KindeSettings::from_env`] | required |
//! | `APIKEY_AUTH` | `m2m`, or `none` to call the verify endpoint without a token | `m2m` when credentials are set |
//! | `APIKEY_CACHE_TTL` | seconds for which the answer about a good key is reused; `0` = no cache | `300` |
//! | `APIKEY_CACHE_CAPACITY` | how many good keys the cache holds at most | `100000` |
//! | `APIKEY_STALE_IF_ERROR` | seconds after that for which it may serve as stale while Kinde can't answer | `0` |
//! | `APIKEY_NEGATIVE_TTL` | seconds for which a refusal is reused | `0` |
//! | `APIKEY_TIMEOUT_MS` | milliseconds that one verification may take, retries included | `3000` |
//! | `APIKEY_MAX_IN_FLIGHT` | how many verifications may be under way at once | `64` |
//! | `APIKEY_MAX_QUEUED` | how many callers may wait for a place among them; further ones get a 503 at once; `0` = no queue | `256` |
//! | `APIKEY_ATTEMPTS`, `APIKEY_WINDOW` | verification attempts of one client, and their window in seconds; `0` = no limit | `100`, `900` |
//! | `APIKEY_ATTEMPTS_COUNT` | `refused`: an attempt with an accepted key is given back; `all`: it counts, as in Kinde's guide | `refused` |
//! | `TRUSTED_PROXIES` | addresses or CIDRs, comma-separated, whose forwarding header is believed; `unix` stands for Unix sockets | none |
//! | `TRUSTED_PROXY_HEADER` | which one: `x-forwarded-for` or `forwarded` | `x-forwarded-for` |
//! | `METRICS_LISTEN` | address:port of a listener that answers `GET /metrics` and nothing else | off |
//! | `AUDIT_LOG` | the file to which the audit events are appended as JSON lines; `-` for standard output | none |
//! | `AUDIT` | `denials`: refused requests, keys that Kinde accepted, and what changed; `all`: every decision, too; `off` | `denials` |
//! | `REDIS_URL` | the servers of the fleet's store, for example `redis://127.0.0.1:6379` | none: no fleet |
//! | `APIKEY_SHARED_SECRET` | the fleet's secrets, comma-separated; needed with `REDIS_URL` | none |
//! | `KINDE_API_ID` | the id of this API in Kinde: keys of other APIs are refused, which takes one more call for each key; not with `APIKEY_AUTH=none` | none: keys of every API |
//! | `KINDE_WEBHOOKS` | `on`: `POST /kinde/webhook` takes Kinde's webhooks; `off` | `off` |
//!
//! `docs/observability.md` describes the metrics and the audit log, `docs/fleet.md` the fleet, and `docs/webhooks.md` the
//! webhooks.
//! If `AUDIT` is `denials` or `all` and `AUDIT_LOG` is not set, the server does not start.
//!
//! An empty variable counts as absent, except `KINDE_API_ID`, which is refused if it is empty.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use apikey_core::fleet::SharedSecrets;
use apikey_core::webhooks::KindeWebhooks;
use apikey_core::{
    AttemptLimit, Authenticator, AuthenticatorBuilder, ConfigError, DEFAULT_CACHE_CAPACITY,
    DEFAULT_CACHE_TIME_TO_LIVE, DEFAULT_MAX_IN_FLIGHT, DEFAULT_MAX_QUEUED, DEFAULT_MAX_WAITING,
    DEFAULT_VERIFICATION_TIMEOUT, KindeSettings, KindeVerifier, TrustedProxies,
};
use apikey_redis::RedisStore;
use zeroize::Zeroizing;

use crate::audit::{AuditLog, AuditSettings};
use crate::metrics;
use crate::operations::Operations;
use crate::webhooks::Webhooks;

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

/// The checked settings of one server.
#[derive(Debug)]
pub struct Settings {
    /// The address to listen on.
    pub listen: SocketAddr,
    kinde: KindeSettings,
    cache_time_to_live: Duration,
    cache_capacity: usize,
    stale_if_error: Duration,
    negative_time_to_live: Duration,
    verification_timeout: Duration,
    max_in_flight: usize,
    max_queued: usize,
    attempt_limit: Option<AttemptLimit>,
    trusted_proxies: TrustedProxies,
    metrics_listen: Option<SocketAddr>,
    audit: Option<AuditSettings>,
    fleet: Option<(RedisStore, SharedSecrets)>,
    takes_webhooks: bool,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`ConfigError`], naming the variable that is missing or can't be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// Reads the variables from anywhere. `variable` gets a name and returns the value, or `None` if the variable is
    /// absent.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_variables<V: Into<OsString>>(
        variable: impl Fn(&str) -> Option<V>,
    ) -> Result<Self, ConfigError> {
        // A value may be a secret, even one that is not Unicode.
        let secret = |name: &'static str| match variable(name).map(|value| value.into().into_string()) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(Zeroizing::new(value)).filter(|value| !value.trim().is_empty())),
            Some(Err(value)) => {
                drop(Zeroizing::new(value.into_encoded_bytes()));
                Err(ConfigError::new(name, "the value is not Unicode text"))
            }
        };
        let read = |name: &'static str| Ok(secret(name)?.map(|value| value.trim().to_owned()));
        let address = |name: &'static str| {
            let expected = "expected an IP address and a port, for example 127.0.0.1:3000";
            let parse = |text: String| text.parse().map_err(|_| ConfigError::new(name, expected));
            read(name)?.map(parse).transpose()
        };
        let listen = address("LISTEN")?.unwrap_or(DEFAULT_LISTEN);
        let metrics_listen = address("METRICS_LISTEN")?;
        let audit = AuditSettings::read(read("AUDIT_LOG")?, read("AUDIT")?.as_deref())?;
        let number = |name: &'static str, default: u64| match read(name)? {
            None => Ok(default),
            Some(text) => {
                text.parse().map_err(|_| ConfigError::new(name, "expected a whole number, 0 or more"))
            }
        };
        let seconds = |name, default: Duration| number(name, default.as_secs()).map(Duration::from_secs);
        let guide = AttemptLimit::default();
        let attempts = number("APIKEY_ATTEMPTS", guide.attempts().into())?;
        let attempts =
            u32::try_from(attempts).map_err(|_| ConfigError::new("APIKEY_ATTEMPTS", "too many"))?;
        let window = seconds("APIKEY_WINDOW", guide.window())?;
        let attempt_limit = match read("APIKEY_ATTEMPTS_COUNT")?.as_deref() {
            None | Some("refused") => AttemptLimit::new(attempts, window),
            Some("all") => AttemptLimit::new(attempts, window).count_all_attempts(),
            Some(_) => return Err(ConfigError::new("APIKEY_ATTEMPTS_COUNT", "expected refused or all")),
        };
        let count = |name, default: usize| {
            usize::try_from(number(name, default as u64)?).map_err(|_| ConfigError::new(name, "too many"))
        };
        let mut trusted_proxies = TrustedProxies::parse(&read("TRUSTED_PROXIES")?.unwrap_or_default())
            .map_err(|error| named("TRUSTED_PROXIES", &error))?;
        if let Some(header) = read("TRUSTED_PROXY_HEADER")? {
            let header = header.parse().map_err(|error| named("TRUSTED_PROXY_HEADER", &error))?;
            trusted_proxies = trusted_proxies.header(header);
        }

        let fleet = match (secret("REDIS_URL")?, secret("APIKEY_SHARED_SECRET")?) {
            (None, None) => None,
            (Some(url), Some(secrets)) => {
                let store = RedisStore::builder(url.trim()).build();
                let store = store.map_err(|error| match error.setting() {
                    "url" => named("REDIS_URL", &error),
                    _ => error,
                })?;
                Some((store, SharedSecrets::parse(&secrets)?))
            }
            (Some(_), None) => {
                let what = "set it, too: all instances need the same, for example the output of `openssl rand -base64 32`";
                return Err(ConfigError::new("APIKEY_SHARED_SECRET", what));
            }
            (None, Some(_)) => {
                return Err(ConfigError::new("REDIS_URL", "set it, too, or unset APIKEY_SHARED_SECRET"));
            }
        };
        let takes_webhooks = match read("KINDE_WEBHOOKS")?.as_deref() {
            None | Some("off") => false,
            Some("on") => true,
            Some(_) => return Err(ConfigError::new("KINDE_WEBHOOKS", "expected on or off")),
        };
        let kinde = KindeSettings::from_variables(&variable)?;
        let kinde = match read("APIKEY_AUTH")?.as_deref() {
            Some("none") => kinde.without_token(),
            Some("m2m") | None if kinde.has_credentials() => kinde,
            Some("m2m") => {
                return Err(ConfigError::new(
                    "APIKEY_AUTH",
                    "m2m needs KINDE_MANAGEMENT_CLIENT_ID and KINDE_MANAGEMENT_CLIENT_SECRET",
                ));
            }
            None => {
                return Err(ConfigError::new(
                    "KINDE_MANAGEMENT_CLIENT_ID",
                    "set it and KINDE_MANAGEMENT_CLIENT_SECRET, or APIKEY_AUTH=none to verify without a token",
                ));
            }
            Some(_) => return Err(ConfigError::new("APIKEY_AUTH", "expected m2m or none")),
        };
        Ok(Self {
            listen,
            kinde,
            cache_time_to_live: seconds("APIKEY_CACHE_TTL", DEFAULT_CACHE_TIME_TO_LIVE)?,
            cache_capacity: count("APIKEY_CACHE_CAPACITY", DEFAULT_CACHE_CAPACITY)?,
            stale_if_error: seconds("APIKEY_STALE_IF_ERROR", Duration::ZERO)?,
            negative_time_to_live: seconds("APIKEY_NEGATIVE_TTL", Duration::ZERO)?,
            verification_timeout: Duration::from_millis(number(
                "APIKEY_TIMEOUT_MS",
                DEFAULT_VERIFICATION_TIMEOUT.as_millis() as u64,
            )?),
            max_in_flight: count("APIKEY_MAX_IN_FLIGHT", DEFAULT_MAX_IN_FLIGHT)?,
            max_queued: count("APIKEY_MAX_QUEUED", DEFAULT_MAX_QUEUED)?,
            attempt_limit: Some(attempt_limit).filter(|_| attempts > 0 && !window.is_zero()),
            trusted_proxies,
            metrics_listen,
            audit,
            fleet,
            takes_webhooks,
        })
    }

    /// Builds the authenticator, the core's or an adapter's own, and starts its metrics listener and its audit log.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting that can't be used.
    pub fn start<A: From<Authenticator>>(self) -> Result<(A, Operations), ConfigError> {
        let (metrics_listen, audit) = (self.metrics_listen, self.audit.as_ref());
        let audit = audit.map(AuditLog::open).transpose()?.map(Arc::new);
        let kinde = self.takes_webhooks.then(|| self.kinde.clone());
        let keys = self.authenticator(audit.clone())?;
        let webhooks = kinde.map(|kinde| KindeWebhooks::new(&keys, kinde)).transpose()?;
        if let Some(listen) = metrics_listen {
            metrics::start(listen, keys.clone())?;
        }
        Ok((keys.into(), Operations::new(audit, webhooks.map(Webhooks::new))))
    }

    fn authenticator(self, audit: Option<Arc<AuditLog>>) -> Result<Authenticator, ConfigError> {
        let builder = AuthenticatorBuilder::new(KindeVerifier::new(self.kinde)?);
        let builder = match audit {
            Some(audit) => builder.observer(audit),
            None => builder,
        };
        let builder = match self.fleet {
            Some((store, secrets)) => builder.shared(store, secrets),
            None => builder,
        };
        builder
            .cache_time_to_live(self.cache_time_to_live)
            .cache_capacity(self.cache_capacity)
            .stale_if_error(self.stale_if_error)
            .negative_time_to_live(self.negative_time_to_live)
            .verification_timeout(self.verification_timeout)
            .max_in_flight(self.max_in_flight)
            .max_queued(self.max_queued)
            .max_waiting(DEFAULT_MAX_WAITING.max(self.max_in_flight))
            .attempt_limit(self.attempt_limit)
            .trusted_proxies(self.trusted_proxies)
            .build()
            .map_err(|error| match error.setting() {
                "cache_time_to_live" => named("APIKEY_CACHE_TTL", &error),
                "cache_capacity" => named("APIKEY_CACHE_CAPACITY", &error),
                "stale_if_error" => named("APIKEY_STALE_IF_ERROR", &error),
                "negative_time_to_live" => named("APIKEY_NEGATIVE_TTL", &error),
                "verification_timeout" => named("APIKEY_TIMEOUT_MS", &error),
                "max_in_flight" => named("APIKEY_MAX_IN_FLIGHT", &error),
                "attempt_limit" => named("APIKEY_WINDOW", &error),
                _ => error,
            })
    }
}

/// The same error, with the name that this server's operator knows.
fn named(variable: &'static str, error: &ConfigError) -> ConfigError {
    ConfigError::new(variable, error.to_string())
}

#[cfg(test)]
mod tests;
