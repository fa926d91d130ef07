//! The settings of a store.

use std::fmt;
use std::sync::Arc;

use apikey_core::ConfigError;
use zeroize::Zeroizing;

use crate::cluster::Cluster;
use crate::dial::Dialer;
use crate::names::Prefix;
use crate::server::{Server, Target};
use crate::servers::{Servers, Shared};
use crate::store::RedisStore;
use crate::tls;
use crate::url::{self, Kind};

/// The environment variable with the URL.
const VARIABLE: &str = "REDIS_URL";
/// Begins every key and every channel, if nobody says otherwise.
const DEFAULT_PREFIX: &str = "apikey:";
/// The longest prefix in bytes. It is in every key.
const LONGEST_PREFIX: usize = 128;

impl RedisStore {
    /// The store that the environment variable `REDIS_URL` names. It does not connect yet.
    ///
    /// # Errors
    /// [`ConfigError`] if the variable is missing or wrong. Never because a server is away: see
    /// [`check`](apikey_core::fleet::FleetStore::check).
    pub fn from_env() -> Result<Self, ConfigError> {
        RedisStoreBuilder::from_env()?.build()
    }

    /// Begins with the URL of the servers, such as `rediss://user:password@host:6379`. The [first page](crate#the-url) lists
    /// its forms.
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url)
    }
}

/// Builds a [`RedisStore`].
///
/// ```
/// use apikey_redis::RedisStore;
///
/// let store = RedisStore::builder("rediss://orders:secret@redis.internal:6379").key_prefix("orders:").build()?;
/// # Ok::<(), apikey_core::ConfigError>(())
/// ```
#[must_use]
pub struct RedisStoreBuilder {
    url: Zeroizing<String>,
    /// Where the URL comes from.
    setting: &'static str,
    prefix: String,
    root_certificates: Vec<Vec<u8>>,
}

impl RedisStoreBuilder {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            url: Zeroizing::new(url.into()),
            setting: "url",
            prefix: DEFAULT_PREFIX.to_owned(),
            root_certificates: Vec::new(),
        }
    }

    /// Begins with the environment variable `REDIS_URL`.
    ///
    /// # Errors
    /// [`ConfigError`] if it is missing, empty or not Unicode.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variable(std::env::var_os(VARIABLE))
    }

    fn from_variable(value: Option<std::ffi::OsString>) -> Result<Self, ConfigError> {
        let missing = "set it to the servers of the fleet, for example redis://redis.internal:6379";
        let value =
            value.filter(|value| !value.is_empty()).ok_or_else(|| ConfigError::new(VARIABLE, missing))?;
        let url = value.into_string().map_err(|_| ConfigError::new(VARIABLE, "it is not Unicode"))?;
        Ok(Self { setting: VARIABLE, ..Self::new(url) })
    }

    /// Begins the name of every key and of every channel, so that several programs can share a server. All instances of a
    /// fleet must have the same. The default is `apikey:`.
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Trusts the authorities in this text in PEM form, besides those of the platform. This is for servers with a private
    /// certificate.
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// Builds the store. It does not connect yet.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting to change.
    pub fn build(self) -> Result<RedisStore, ConfigError> {
        let url = url::parse(self.setting, &self.url)?;
        if self.prefix.len() > LONGEST_PREFIX {
            let problem = format!("it is longer than {LONGEST_PREFIX} bytes");
            return Err(ConfigError::new("key_prefix", problem));
        }
        // Also without TLS, so that a certificate that can't be read is found early.
        tls::parsed(&self.root_certificates)?;
        let tls = url.is_tls.then(|| tls::settings(&self.root_certificates)).transpose()?;
        let description = url.kind.to_string();
        let dialer = Arc::new(Dialer { tls, login: url.login });
        let one = |target| Servers::One(Server::new(target, Arc::clone(&dialer)));
        let servers = match url.kind {
            Kind::Standalone(address) => one(Target::At(address)),
            Kind::Sentinel(sentinels) => one(Target::PrimaryOf(Arc::new(sentinels))),
            Kind::Cluster(seeds) => Servers::Cluster(Cluster::new(seeds, Arc::clone(&dialer))),
        };
        Ok(RedisStore::new(Shared { servers, dialer }, Prefix(self.prefix), description))
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedisStoreBuilder").field("key_prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        for value in [None, Some("".into())] {
            let error = RedisStoreBuilder::from_variable(value).unwrap_err();
            assert_eq!(error.setting(), "REDIS_URL");
        }
        assert!(RedisStoreBuilder::from_variable(Some("redis://cache".into())).unwrap().build().is_ok());
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let setting = |builder: RedisStoreBuilder| builder.build().unwrap_err().setting();
        assert_eq!(setting(RedisStoreBuilder::new("ftp://cache")), "url");
        let good = || RedisStoreBuilder::new("redis://cache");
        assert_eq!(setting(good().key_prefix("x".repeat(129))), "key_prefix");
        assert_eq!(setting(good().root_certificate("no certificate")), "root_certificate");
    }

    #[test]
    fn no_password_is_shown() {
        let builder = RedisStoreBuilder::new("redis://app:s3cret@cache:7000/1");
        assert!(!format!("{builder:?}").contains("s3cret"));
        let store = builder.build().unwrap();
        let shown = format!("{store:?}");
        assert!(shown.contains("cache:7000") && !shown.contains("s3cret"), "{shown}");
    }
}
