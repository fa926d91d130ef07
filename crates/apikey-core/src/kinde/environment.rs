//! Reads [`KindeSettings`] from the variables that Kinde's users already have.

use std::ffi::OsString;

use zeroize::Zeroizing;

use super::config::{Authentication, KindeSettings, MachineToMachine};
use super::secret::Secret;
use super::setting_names::{
    API_ID, AUDIENCE, CLIENT_ID, CLIENT_SECRET, DOMAIN, ISSUER_URL, M2M_CLIENT_ID, M2M_CLIENT_SECRET,
    SettingNames,
};
use super::variables::unicode;
use crate::config_error::ConfigError;

const LEFT_OVER: &str = "the value is in quotes or is a ${placeholder}; write the value itself";

const EMPTY_API_ID: &str =
    "the value is empty; set it to the id of this API in Kinde, or unset it to accept keys of all APIs";

impl KindeSettings {
    /// Reads the variables that Kinde's users already have:
    ///
    /// | variable | meaning |
    /// | --- | --- |
    /// | `KINDE_DOMAIN`, else `KINDE_ISSUER_URL` | the host, as in [`new`](Self::new) |
    /// | `KINDE_MANAGEMENT_CLIENT_ID` and `KINDE_MANAGEMENT_CLIENT_SECRET`, else `KINDE_M2M_CLIENT_ID` and `KINDE_M2M_CLIENT_SECRET` | [`machine_to_machine`](Self::machine_to_machine); the pairs are never mixed |
    /// | `KINDE_MANAGEMENT_AUDIENCE` | [`audience`](Self::audience) |
    /// | `KINDE_API_ID` | [`api_id`](Self::api_id) |
    ///
    /// An empty variable counts as absent, except `KINDE_API_ID`: it is refused, because otherwise a template that lost its
    /// value would silently let in the keys of other APIs. If there are no credentials,
    /// [`KindeVerifier::new`](crate::KindeVerifier::new) fails unless you call [`without_token`](Self::without_token).
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable: there is no host, half a pair is missing, a value is not Unicode, or it
    /// still has the quotes or the `${...}` of an env file around it.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// Reads the same variables as [`from_env`](Self::from_env) from anywhere: `variable` is given a name and returns the
    /// value, or `None` if the variable is absent.
    ///
    /// ```
    /// use apikey_core::KindeSettings;
    /// use std::collections::HashMap;
    ///
    /// let file = HashMap::from([
    ///     ("KINDE_DOMAIN", "example.kinde.com"),
    ///     ("KINDE_MANAGEMENT_CLIENT_ID", "client id"),
    ///     ("KINDE_MANAGEMENT_CLIENT_SECRET", "client secret"),
    /// ]);
    /// let settings = KindeSettings::from_variables(|name| file.get(name))?;
    /// # Ok::<(), apikey_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// The same as [`from_env`](Self::from_env).
    pub fn from_variables<V: Into<OsString>>(
        variable: impl Fn(&str) -> Option<V>,
    ) -> Result<Self, ConfigError> {
        let read = |name: &'static str| {
            let value = unicode(name, variable(name).map(Into::into))?;
            let trimmed = value.map(|value| Zeroizing::new(value.trim().to_owned()));
            Ok(trimmed.filter(|value| !value.is_empty()))
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
        settings.api_id = match (literal(API_ID)?, variable(API_ID)) {
            (Some(api_id), _) => Some(api_id.as_str().to_owned()),
            (None, Some(_empty)) => return Err(ConfigError::new(API_ID, EMPTY_API_ID)),
            (None, None) => None,
        };
        settings.audience = literal(AUDIENCE)?.map(|audience| audience.as_str().to_owned());
        Ok(settings)
    }
}

/// Whether the reader of an env file left quotes or a `${...}` around the value.
fn is_left_over(value: &str) -> bool {
    [("\"", "\""), ("'", "'"), ("${", "}")]
        .iter()
        .any(|(before, after)| value.strip_prefix(before).is_some_and(|rest| rest.ends_with(after)))
}

fn half_a_pair(missing: &'static str, present: &'static str) -> ConfigError {
    ConfigError::new(missing, format!("{present} is set, so set this, too"))
}

#[cfg(test)]
mod tests;
