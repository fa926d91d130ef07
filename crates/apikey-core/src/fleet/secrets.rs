//! The secrets that the instances of a fleet share.

use std::ffi::OsString;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::config_error::ConfigError;
use crate::kinde::variables::unicode;

const SETTING: &str = "APIKEY_SHARED_SECRET";
const HOW_TO_MAKE_ONE: &str = "make one with `openssl rand -base64 32`, and give it to every instance";
/// The shortest secret, in bytes.
const LEAST_BYTES: usize = 32;
/// 32 random bytes have about 30 different values. A placeholder such as a repeated word has a few.
const LEAST_VALUES: usize = 9;
/// A rotation needs two. Each one more costs every look-up a name more.
const MOST_SECRETS: usize = 4;

/// One secret or more, which all instances of a fleet share. They seal what the instances keep in the store, and name it.
///
/// To change the secret without a wrong decision and without an interruption, take three steps. Finish each on all
/// instances before the next one: `old,new`, then `new,old`, then `new`. The first secret seals. Every secret opens.
///
/// While the second step is under way, a part of the instances counts attempts apart from the others, so a client may make
/// up to twice as many.
///
/// The secrets are overwritten when dropped. Nothing prints them.
///
/// ```
/// use apikey_core::fleet::SharedSecrets;
///
/// let text = "hTOkf4kMlpoLki+A8NwmH3pMuKT6AUtyk5i3W7U2AIU=";
/// let secrets = SharedSecrets::parse(text)?;
/// assert_eq!(format!("{secrets:?}"), "SharedSecrets(..)");
/// # Ok::<(), apikey_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SharedSecrets(Vec<Zeroizing<Vec<u8>>>);

impl SharedSecrets {
    /// Reads the variable `APIKEY_SHARED_SECRET`, as [`parse`](Self::parse) does.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable and says what to do: it is absent, empty or not Unicode, or a secret can't
    /// be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// Reads the same variable as [`from_env`](Self::from_env) from anywhere: `variable` is given a name and returns the
    /// value, or `None` if the variable is absent.
    ///
    /// # Errors
    /// The same as [`from_env`](Self::from_env).
    pub fn from_variables<V: Into<OsString>>(
        variable: impl Fn(&str) -> Option<V>,
    ) -> Result<Self, ConfigError> {
        let value = unicode(SETTING, variable(SETTING).map(Into::into))?;
        Self::parse(value.as_ref().map_or("", |value| value))
    }

    /// Reads one secret, or up to 4 with commas between them. Each has 32 random bytes or more, in base64 or in hexadecimal
    /// digits.
    ///
    /// # Errors
    /// [`ConfigError`], which names `APIKEY_SHARED_SECRET` and says what to do. Secrets are refused that are too short, that
    /// are the same, or that are plainly not random.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |problem: &str| Err(ConfigError::new(SETTING, format!("{problem}; {HOW_TO_MAKE_ONE}")));
        if text.trim().is_empty() {
            return wrong("no secret is set");
        }
        let mut secrets: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        for (index, item) in text.split(',').map(str::trim).enumerate() {
            let number = index + 1;
            let secret = match decoded(item.as_bytes()) {
                Some(secret) => secret,
                None if item.is_empty() => return wrong(&format!("secret {number} of the list is empty")),
                None => return wrong(&format!("secret {number} is neither base64 nor hexadecimal digits")),
            };
            if secret.len() < LEAST_BYTES {
                return wrong(&format!("secret {number} is shorter than {LEAST_BYTES} bytes"));
            }
            if different_values(&secret) < LEAST_VALUES {
                return wrong(&format!("secret {number} is not random"));
            }
            if secrets.contains(&secret) {
                return wrong(&format!("secret {number} is in the list already"));
            }
            if number > MOST_SECRETS {
                return wrong(&format!("more than {MOST_SECRETS} secrets are set; remove the oldest"));
            }
            secrets.push(secret);
        }
        Ok(Self(secrets))
    }

    /// In the order of the setting.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|secret| secret.as_slice())
    }
}

impl fmt::Debug for SharedSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SharedSecrets(..)")
    }
}

/// Decodes hexadecimal digits or base64. Digits alone are never read as base64, which would make them look longer.
fn decoded(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if text.is_empty() {
        None
    } else if text.iter().all(u8::is_ascii_hexdigit) {
        of_digits(text)
    } else {
        of_base64(text)
    }
}

fn of_digits(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for pair in text.chunks(2) {
        let [high, low] = pair else { return None };
        bytes.push(value(high)? << 4 | value(low)?);
    }
    Some(bytes)
}

/// Takes both alphabets, with and without padding.
fn of_base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let is_for_urls = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = if is_for_urls { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let settings = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    // It is long enough from the beginning, so that no part of the secret stays in memory that a growing vector gave up.
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = GeneralPurpose::new(alphabet, settings).decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

fn different_values(bytes: &[u8]) -> usize {
    (0..=u8::MAX).filter(|value| bytes.contains(value)).count()
}

#[cfg(test)]
mod tests;
