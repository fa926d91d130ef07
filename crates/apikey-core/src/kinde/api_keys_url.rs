//! Where Kinde describes single keys.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use crate::verifier::VerifierError;

/// The longest id of a key that is asked about, in bytes. Kinde's have 40.
const LONGEST_KEY_ID: usize = 256;
/// All but the unreserved characters of RFC 3986, section 2.3.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The URL under which Kinde describes single keys.
#[derive(Debug)]
pub(super) struct ApiKeysUrl(Url);

impl ApiKeysUrl {
    /// The id of a key follows this URL.
    pub(super) fn new(url: Url) -> Self {
        Self(url)
    }

    /// The URL of the key with this id.
    ///
    /// # Errors
    /// [`VerifierError`] if that might be the URL of something else. Servers and proxies may take `..` and a slash, even if it is
    /// encoded, as steps to another place.
    pub(super) fn of(&self, key_id: &str) -> Result<Url, VerifierError> {
        let is_plain = !matches!(key_id, "" | "." | "..")
            && !key_id.contains(['/', '\\'])
            && key_id.len() <= LONGEST_KEY_ID;
        if !is_plain {
            return Err(VerifierError::unjudged("the key's id can't stand in the path of a URL"));
        }
        let mut url = self.0.clone();
        url.set_path(&format!("{}{}", self.0.path(), utf8_percent_encode(key_id, ENCODED)));
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api_keys_url() -> ApiKeysUrl {
        ApiKeysUrl::new(Url::parse("https://example.kinde.com/api/v1/api_keys/").unwrap())
    }

    #[test]
    fn a_key_id_is_one_segment_of_the_path() {
        for (key_id, path) in [
            ("api_key_0195ac80a14e8d71f42b98e75d3c61ad", "api_key_0195ac80a14e8d71f42b98e75d3c61ad"),
            ("a b?c#d%2Fe", "a%20b%3Fc%23d%252Fe"),
            ("%2e%2e", "%252e%252e"),
            ("...", "..."),
            ("a\tb\r\nc", "a%09b%0D%0Ac"),
            ("ключ", "%D0%BA%D0%BB%D1%8E%D1%87"),
            (";@:&=+$,", "%3B%40%3A%26%3D%2B%24%2C"),
        ] {
            let url = api_keys_url().of(key_id).unwrap();
            assert_eq!(url.as_str(), format!("https://example.kinde.com/api/v1/api_keys/{path}"));
        }
    }

    #[test]
    fn a_key_id_that_may_lead_elsewhere_has_no_url() {
        let long = "a".repeat(LONGEST_KEY_ID + 1);
        for key_id in ["", ".", "..", "/", "../apis", "a/b", "a/../b", "..\\apis", "\\", &long] {
            assert!(api_keys_url().of(key_id).is_err(), "{key_id}");
        }
        assert!(api_keys_url().of(&long[1..]).is_ok());
    }
}
