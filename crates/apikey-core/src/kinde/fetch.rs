//! Fetches a token from Kinde's token endpoint.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use reqwest::header::HeaderValue;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::age::Age;
use super::config::MachineToMachine;
use super::http::{Connection, Http, Outgoing};
use super::setting_names::SettingNames;
use super::token_response::{Grant, read_token_response};
use crate::telemetry::Endpoint;
use crate::telemetry::calls::together;
use crate::verifier::{FailureClass, VerifierError};

/// The longest that a fetch may take. Many callers wait for one fetch, so none of their deadlines fits.
pub(super) const LONGEST_FETCH: Duration = Duration::from_secs(5);
/// If a try has no response after this time, the next one starts on a new connection. The earlier ones go on.
const SILENCE: Duration = Duration::from_millis(750);
const MOST_TRIES: u64 = 4;

/// Used if Kinde names no lifetime. It is the shortest lifetime that was seen.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(3600);
/// A token is kept for at least this long, even if Kinde names a shorter lifetime. A 401 ends it earlier.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);
const LONGEST_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A token, as the value of its header. It is overwritten when its last reference is dropped.
pub(super) struct Token {
    pub(super) authorization: HeaderValue,
    /// Counts from 1. Later tokens have higher numbers.
    pub(super) number: u64,
}

pub(super) type Fetched = Result<Arc<Token>, VerifierError>;

/// The header with a token, and the token's lifetime.
type Granted = Result<(HeaderValue, Duration), VerifierError>;

/// A fetch that is under way.
pub(super) struct Fetch {
    pub(super) number: u64,
    pub(super) began: Age,
    pub(super) outcome: watch::Receiver<Option<Fetched>>,
    pub(super) task: AbortHandle,
}

impl Fetch {
    /// Whether the fetch has ended, or will never end because its runtime is gone.
    pub(super) fn is_over(&self) -> bool {
        self.outcome.has_changed().is_err()
    }
}

/// Fetches tokens for one application.
pub(super) struct TokenFetcher {
    pub(super) http: Arc<Http>,
    pub(super) url: Url,
    pub(super) credentials: MachineToMachine,
    pub(super) audience: String,
    pub(super) names: SettingNames,
}

impl TokenFetcher {
    /// Fetches a token. The first complete response counts.
    ///
    /// The first try uses the same kind of connection as the verification that waits for it, so that both can share one.
    pub(super) async fn fetch(self: &Arc<Self>, first: Connection<'static>) -> Granted {
        let silent = || VerifierError::outage("Kinde's token endpoint did not answer");
        let deadline = Instant::now() + LONGEST_FETCH;
        let tries = self.with_second_tries(first, deadline);
        timeout_at(deadline, tries).await.unwrap_or_else(|_elapsed| Err(silent()))
    }

    async fn with_second_tries(self: &Arc<Self>, first: Connection<'static>, deadline: Instant) -> Granted {
        let mut tries = JoinSet::new();
        let mut begun = 0;
        loop {
            if begun < MOST_TRIES {
                let connection = if begun == 0 { first } else { Connection::New };
                let fetcher = Arc::clone(self);
                let request = async move { fetcher.request(connection).await };
                tries.spawn(together(begun, deadline, request).in_current_span());
                begun += 1;
            }
            let patience = if begun < MOST_TRIES { SILENCE } else { LONGEST_FETCH };
            while let Ok(Some(ended)) = timeout(patience, tries.join_next()).await {
                let granted = ended.unwrap_or_else(|_| {
                    Err(VerifierError::outage("the task that fetches the token ended early"))
                });
                let is_outage = granted.as_ref().is_err_and(|error| error.class() == FailureClass::Outage);
                if !is_outage || tries.is_empty() {
                    return granted;
                }
            }
        }
    }

    /// Sends one request.
    async fn request(&self, connection: Connection<'_>) -> Granted {
        let content = Some(("application/x-www-form-urlencoded", form_of(&self.credentials, &self.audience)));
        let (endpoint, authorization) = (Endpoint::Token, None);
        let outgoing = Outgoing { endpoint, url: &self.url, content, authorization };
        let mut response = self.http.call(connection, outgoing).await?;
        let Grant { token, expires_in } = read_token_response(response.head, response.body(), self.names)?;
        response.was_usable();
        let lifetime = expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs);
        let mut value = Zeroizing::new(Vec::with_capacity(7 + token.expose().len()));
        value.extend_from_slice(b"Bearer ");
        value.extend_from_slice(token.expose().as_bytes());
        let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(value))
            .map_err(|_| VerifierError::outage("Kinde's token can't be sent in a header"))?;
        header.set_sensitive(true);
        Ok((header, lifetime.clamp(SHORTEST_LIFETIME, LONGEST_LIFETIME)))
    }
}

/// The body of a request for a token.
pub(super) fn form_of(credentials: &MachineToMachine, audience: &str) -> Zeroizing<Vec<u8>> {
    form(&[
        ("grant_type", "client_credentials"),
        ("client_id", &credentials.client_id),
        ("client_secret", credentials.client_secret.expose()),
        ("audience", audience),
    ])
}

/// Encodes fields as `application/x-www-form-urlencoded`. The buffer never grows, because growing would leave a copy of the
/// secret in memory.
fn form(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let longest = fields.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
    let mut form = Zeroizing::new(Vec::with_capacity(longest));
    for (name, value) in fields {
        if !form.is_empty() {
            form.push(b'&');
        }
        form.extend_from_slice(name.as_bytes());
        form.push(b'=');
        for part in utf8_percent_encode(value, NON_ALPHANUMERIC) {
            form.extend_from_slice(part.as_bytes());
        }
    }
    form
}
