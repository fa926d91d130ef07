//! Fetches the public keys with which Kinde signs webhooks.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::config::KindeSettings;
use super::http::{Connection, Http, Outgoing};
use super::json::is_object;
use super::setting_names::SettingNames;
use super::status::{failure_by_status, status_decides};
use crate::config_error::ConfigError;
use crate::telemetry::{Endpoint, Recorder};
use crate::verifier::VerifierError;

/// The longest that a fetch may take.
const LONGEST_FETCH: Duration = Duration::from_secs(5);
const SUBJECT: &str = "Kinde's key set for webhooks";

/// Fetches the key set of one Kinde business.
pub(crate) struct KeySetFetcher {
    http: Arc<Http>,
    url: Url,
    names: SettingNames,
}

impl KeySetFetcher {
    /// Needs no credentials, because the key set is public. Notes its calls in the recorder.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting that can't be used.
    pub(crate) fn new(settings: KindeSettings, recorder: Recorder) -> Result<Self, ConfigError> {
        let settings = settings.about_no_key().check()?;
        let names = settings.names;
        let url = settings.verify_url.join("/.well-known/jwks");
        let url = url.map_err(|error| ConfigError::new(names.domain, format!("it makes no URL: {error}")))?;
        let http = Http::new(&settings)?;
        http.use_recorder(recorder);
        Ok(Self { http, url, names })
    }

    /// Fetches the key set once, on a new connection.
    ///
    /// # Errors
    /// [`VerifierError`], whose text repeats nothing of the response.
    pub(crate) async fn fetch(&self) -> Result<Zeroizing<Vec<u8>>, VerifierError> {
        let silent = |_elapsed| VerifierError::outage(format!("{SUBJECT} did not come in time"));
        timeout(LONGEST_FETCH, self.request()).await.unwrap_or_else(|elapsed| Err(silent(elapsed)))
    }

    async fn request(&self) -> Result<Zeroizing<Vec<u8>>, VerifierError> {
        let outgoing =
            Outgoing { endpoint: Endpoint::KeySet, url: &self.url, content: None, authorization: None };
        let mut response = self.http.call(Connection::New, outgoing).await?;
        let status = response.head.status;
        if status_decides(status) {
            return Err(failure_by_status(response.head, SUBJECT, self.names));
        }
        match response.body() {
            Some(body) if status == 200 && is_object(body) => {
                let body = Zeroizing::new(body.to_vec());
                response.was_usable();
                Ok(body)
            }
            _ if status == 200 => {
                Err(VerifierError::unjudged(format!("{SUBJECT} is no JSON object of at most 64 KiB")))
            }
            _ => Err(VerifierError::set_up(format!(
                "{SUBJECT} is not at this host (status {status}): check {}",
                self.names.domain
            ))),
        }
    }
}
