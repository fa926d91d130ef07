//! The settings of the reference servers, from the environment.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `LISTEN` | address:port | `127.0.0.1:3000` |
//! | `KINDE_DOMAIN`, `KINDE_MANAGEMENT_CLIENT_ID`, ... | see [`KindeSettings::from_env`] | required |
//! | `APIKEY_AUTH` | `m2m`, or `none` to call the verify endpoint without a token | `m2m` when credentials are set |
//! | `APIKEY_CACHE_TTL` | seconds that a positive answer is reused; `0` = no cache | `300` |
//! | `APIKEY_TIMEOUT_MS` | the whole budget of one verification | `3000` |
//!
//! The other settings of the contract have no capability behind them yet. Setting one refuses the start, so that nobody
//! relies on what is not there. An empty variable counts as absent.

use std::net::SocketAddr;
use std::time::Duration;

use apikey_core::{
    Authenticator, AuthenticatorBuilder, ConfigError, DEFAULT_CACHE_TIME_TO_LIVE,
    DEFAULT_VERIFICATION_TIMEOUT, KindeSettings, KindeVerifier,
};

const NOT_YET: &[&str] = &[
    "APIKEY_STALE_IF_ERROR",
    "APIKEY_NEGATIVE_TTL",
    "APIKEY_MAX_IN_FLIGHT",
    "APIKEY_ATTEMPTS",
    "APIKEY_WINDOW",
    "TRUSTED_PROXIES",
    "TRUSTED_PROXY_HEADER",
    "REDIS_URL",
    "APIKEY_SHARED_SECRET",
    "METRICS_LISTEN",
];

/// The checked settings of one server.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    kinde: KindeSettings,
    cache_time_to_live: Duration,
    verification_timeout: Duration,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`ConfigError`], naming the variable that is missing or can't be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var_os(name).map(|value| value.into_string().map_err(|_| ())))
    }

    /// Reads the variables from anywhere: `None` where one is absent, `Err` where it is not Unicode.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<Result<String, ()>>,
    ) -> Result<Self, ConfigError> {
        let read = |name: &'static str| match variable(name) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
            Some(Err(())) => Err(ConfigError::new(name, "the value is not Unicode text")),
        };
        for name in NOT_YET {
            if read(name)?.is_some() {
                return Err(ConfigError::new(name, "this setting is not available yet; unset it"));
            }
        }
        let listen = read("LISTEN")?.unwrap_or_else(|| "127.0.0.1:3000".to_owned());
        let listen = listen.parse().map_err(|_| {
            ConfigError::new("LISTEN", "expected an IP address and a port, for example 127.0.0.1:3000")
        })?;
        let number = |name: &'static str, default: Duration, unit: fn(u64) -> Duration| match read(name)? {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map(unit)
                .map_err(|_| ConfigError::new(name, "expected a whole number, 0 or more")),
        };
        let cache_time_to_live = number("APIKEY_CACHE_TTL", DEFAULT_CACHE_TIME_TO_LIVE, Duration::from_secs)?;
        let verification_timeout =
            number("APIKEY_TIMEOUT_MS", DEFAULT_VERIFICATION_TIMEOUT, Duration::from_millis)?;

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
        Ok(Self { listen, kinde, cache_time_to_live, verification_timeout })
    }

    /// Builds the authenticator: the core's, or an adapter's own.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting that can't be used.
    pub fn authenticator<A: From<Authenticator>>(self) -> Result<A, ConfigError> {
        AuthenticatorBuilder::new(KindeVerifier::new(self.kinde)?)
            .cache_time_to_live(self.cache_time_to_live)
            .verification_timeout(self.verification_timeout)
            .build()
            .map_err(|error| match error.setting() {
                "cache_time_to_live" => named("APIKEY_CACHE_TTL", &error),
                "verification_timeout" => named("APIKEY_TIMEOUT_MS", &error),
                _ => error,
            })
    }
}

/// The same error under the name that this server's operator knows.
fn named(variable: &'static str, error: &ConfigError) -> ConfigError {
    ConfigError::new(variable, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [(&str, &str); 3] = [
        ("KINDE_DOMAIN", "example.kinde.com"),
        ("KINDE_MANAGEMENT_CLIENT_ID", "id"),
        ("KINDE_MANAGEMENT_CLIENT_SECRET", "secret"),
    ];

    fn with(variables: &[(&str, &str)]) -> Result<Authenticator, ConfigError> {
        let all: Vec<_> = variables.iter().chain(&REQUIRED).copied().collect();
        build(&all)
    }

    fn build(variables: &[(&str, &str)]) -> Result<Authenticator, ConfigError> {
        let lookup = |name: &'static str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| Ok((*value).to_owned()))
        };
        Settings::from_variables(lookup)?.authenticator()
    }

    #[test]
    fn the_required_settings_are_enough() {
        assert!(with(&[]).is_ok());
        let listen = Settings::from_variables(|name| {
            REQUIRED.iter().find(|(known, _)| *known == name).map(|(_, value)| Ok((*value).to_owned()))
        });
        assert_eq!(listen.unwrap().listen.to_string(), "127.0.0.1:3000");
    }

    #[test]
    fn a_setting_without_its_capability_is_refused_by_name() {
        for name in NOT_YET {
            for value in ["0", "1", "x"] {
                assert_eq!(with(&[(name, value)]).unwrap_err().setting(), *name);
            }
            assert!(with(&[(name, "")]).is_ok());
        }
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (name, values) in [
            ("LISTEN", &["3000", "localhost:3000", "127.0.0.1", "x"][..]),
            ("APIKEY_CACHE_TTL", &["-1", "1.5", "five", "86401", "99999999999999999999"][..]),
            ("APIKEY_TIMEOUT_MS", &["0", "-1", "x", "600001"][..]),
            ("APIKEY_AUTH", &["M2M", "basic", "true"][..]),
        ] {
            for value in values {
                assert_eq!(with(&[(name, value)]).unwrap_err().setting(), name, "{value}");
            }
        }
    }

    #[test]
    fn to_ask_without_a_token_is_an_explicit_choice() {
        let domain = REQUIRED[0];
        assert_eq!(build(&[domain]).unwrap_err().setting(), "KINDE_MANAGEMENT_CLIENT_ID");
        assert_eq!(build(&[domain, ("APIKEY_AUTH", "m2m")]).unwrap_err().setting(), "APIKEY_AUTH");
        assert!(build(&[domain, ("APIKEY_AUTH", "none")]).is_ok());
        assert!(with(&[("APIKEY_AUTH", "none")]).is_ok());
        assert!(with(&[("APIKEY_AUTH", "m2m")]).is_ok());
    }
}
