//! The binding to one API: only keys that are for it are accepted.

use std::sync::Mutex;

use reqwest::Url;

use super::accepted::Accepted;
use super::api_key_response::read_api_key_response;
use super::api_keys_url::ApiKeysUrl;
use super::http::Response;
use super::meaning::Meaning;
use super::setting_names::SettingNames;
use super::status::Head;
use crate::verification::Verification;
use crate::verifier::VerifierError;

pub(super) struct Binding {
    api_id: String,
    api_keys_url: ApiKeysUrl,
    /// For which keys Kinde has answered with which token. The verify endpoint may answer without a look at the token, so what
    /// it has answered does not count here.
    pub(super) accepted: Mutex<Accepted>,
}

impl Binding {
    pub(super) fn new(api_id: String, api_keys_url: ApiKeysUrl) -> Self {
        Self { api_id, api_keys_url, accepted: Mutex::default() }
    }

    /// The URL of the key with this id.
    ///
    /// # Errors
    /// The same as [`ApiKeysUrl::of`].
    pub(super) fn url_of(&self, key_id: &str) -> Result<Url, VerifierError> {
        self.api_keys_url.of(key_id)
    }

    /// Reads Kinde's description of a key that it has verified.
    pub(super) fn read(&self, response: &Response, verified: &Verification, names: SettingNames) -> Meaning {
        self.read_answer(response.head, response.body(), verified, names)
    }

    /// The same, of an answer in its parts.
    pub(super) fn read_answer(
        &self,
        head: Head,
        body: Option<&[u8]>,
        verified: &Verification,
        names: SettingNames,
    ) -> Meaning {
        read_api_key_response(head, body, &self.api_id, verified, names)
    }

    /// What this binding checks, in a text that the other instances of a fleet compare with theirs.
    pub(super) fn statement(&self) -> String {
        format!("api:{}", self.api_id)
    }
}
