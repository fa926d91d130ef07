//! The environment, as the library reads it.

use apikey_core::{ConfigError, KindeInspection, KindeSettings};

use super::steps::host;

/// Reads the settings of Kinde.
///
/// # Errors
/// [`ConfigError`], which names the variable that is missing or can't be used.
pub(crate) fn settings() -> Result<KindeSettings, ConfigError> {
    let settings = KindeSettings::from_env()?;
    match std::env::var_os("APIKEY_AUTH").as_ref().map(|value| value.to_str().map(str::trim)) {
        None | Some(Some("" | "m2m")) => Ok(settings),
        Some(Some("none")) => Ok(settings.without_token()),
        Some(_) => Err(ConfigError::new("APIKEY_AUTH", "expected m2m or none")),
    }
}

/// Checks the environment.
///
/// # Errors
/// The same as [`settings`].
pub(crate) fn inspection() -> Result<KindeInspection, ConfigError> {
    KindeInspection::new(settings()?)
}

/// What the environment says.
pub(super) fn summary(kinde: &KindeInspection) -> String {
    let token = if kinde.uses_token() { "with a token" } else { "without a token" };
    format!("{} names {}; keys are verified {token}", kinde.domain_setting(), host(kinde))
}
