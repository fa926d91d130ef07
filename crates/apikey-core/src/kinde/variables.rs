//! Reads variables that may hold a secret.

use std::ffi::OsString;

use zeroize::{Zeroize as _, Zeroizing};

use crate::config_error::ConfigError;

/// Takes the value of the variable with this name. The value is overwritten when dropped, even if it is not Unicode.
///
/// # Errors
/// [`ConfigError`] if the value is not Unicode.
pub(crate) fn unicode(
    name: &'static str,
    value: Option<OsString>,
) -> Result<Option<Zeroizing<String>>, ConfigError> {
    match value.map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(Zeroizing::new(value))),
        Some(Err(value)) => {
            value.into_encoded_bytes().zeroize();
            Err(ConfigError::new(name, "the value is not Unicode text"))
        }
    }
}
