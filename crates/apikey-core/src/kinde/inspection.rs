//! Asks Kinde one step at a time, for a check of the set-up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Request, Url};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::api_keys_url::ApiKeysUrl;
use super::client_factory::ClientFactory;
use super::config::{KindeSettings, MachineToMachine};
use super::endpoint::Question;
use super::fetch::{Token, form_of};
use super::health_check::made_up_key;
use super::http::{describe, read};
use super::meaning::Meaning;
use super::noted_call::address_of;
use super::retry_after::RetryAfter;
use super::setting_names::SettingNames;
use super::status::Head;
use super::verifier::KindeVerifier;
use super::verify_response::read_verify_response;
use crate::config_error::ConfigError;
use crate::verification::{Judgement, Verification};
use crate::verifier::{FailureClass, Health, Verifier as _, VerifierError};

/// The id of a key that no business has.
const UNKNOWN_KEY_ID: &str = "api_key_00000000000000000000000000000000";
/// The longest that one call may take.
const LONGEST_CALL: Duration = Duration::from_secs(5);

/// Asks Kinde one step at a time, with the settings, the TLS and the proxy of a [`KindeVerifier`], and reads the answers as
/// it does. It is for programs that check a set-up, such as `apikey-check`. To protect an API, use the verifier.
///
/// Each call goes out on a new connection and takes at most 5 s. All calls with a token share one.
///
/// ```no_run
/// use apikey_core::{KindeInspection, KindeSettings};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let kinde = KindeInspection::new(KindeSettings::from_env()?)?;
/// kinde.connect().await?;
/// kinde.token().await?;
/// assert!(kinde.scope().await?);
/// # Ok(()) }
/// ```
pub struct KindeInspection {
    verifier: KindeVerifier,
    client: Client,
    verify_url: Url,
    api_keys_url: ApiKeysUrl,
    token_url: Url,
    credentials: Option<MachineToMachine>,
    audience: String,
    names: SettingNames,
    uses_proxy: bool,
}

/// Which token a call carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InspectionToken {
    /// That of the service. Without credentials, none.
    Own,
    /// No token.
    None,
    /// A text that is nobody's token.
    MadeUp,
}

/// An answer of Kinde's as it came. It may hold secrets: a token, or what is known of a customer. `Debug` shows its status
/// alone.
pub struct KindeResponse {
    status: u16,
    headers: HeaderMap,
    body: Option<Zeroizing<Vec<u8>>>,
}

impl KindeResponse {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers, with their names in lower case. A value that is not visible ASCII is left out.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }

    /// The body; `None` if it is longer than 64 KiB.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_ref().map(|body| body.as_slice())
    }
}

impl KindeInspection {
    /// Checks the settings, as [`KindeVerifier::new`] does. This sends nothing.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting that is missing or can't be used.
    pub fn new(settings: KindeSettings) -> Result<Self, ConfigError> {
        let checked = settings.clone().check()?;
        let client = ClientFactory::new(&checked)?.without_idle_connections().client();
        let wrong = |error: reqwest::Error| {
            ConfigError::new("TLS", format!("can't be set up: {}", error.without_url()))
        };
        Ok(Self {
            verifier: KindeVerifier::new(settings)?,
            client: client.map_err(wrong)?,
            uses_proxy: checked.proxy.is_used_for(&checked.verify_url),
            verify_url: checked.verify_url,
            api_keys_url: checked.api_keys_url,
            token_url: checked.token_url,
            credentials: checked.credentials,
            audience: checked.audience,
            names: checked.names,
        })
    }

    /// The host of the domain: a DNS name, or an IP address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        address_of(&self.verify_url).unwrap_or_default()
    }

    /// The port of the domain.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.verify_url.port_or_known_default().unwrap_or_default()
    }

    /// Whether Kinde is called over TLS. Only a loopback address may be called without it.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        self.verify_url.scheme() == "https"
    }

    /// Whether Kinde is called through a proxy. Then the proxy resolves the host name.
    #[must_use]
    pub fn uses_proxy(&self) -> bool {
        self.uses_proxy
    }

    /// Whether calls carry a token of the service.
    #[must_use]
    pub fn uses_token(&self) -> bool {
        self.credentials.is_some()
    }

    /// The setting that names the domain: a variable, or `KindeSettings::new`.
    #[must_use]
    pub fn domain_setting(&self) -> &'static str {
        self.names.domain
    }

    /// Makes a connection and sends a request without a secret (`GET /.well-known/jwks`). Any answer proves that the
    /// connection works.
    ///
    /// # Errors
    /// [`VerifierError`]. If [`is_without_connection`](VerifierError::is_without_connection) says so, TCP or TLS failed.
    pub async fn connect(&self) -> Result<(), VerifierError> {
        let mut url = self.verify_url.clone();
        url.set_path("/.well-known/jwks");
        self.send(Method::GET, url, None, None).await.map(|_response| ())
    }

    /// Gets the token of the service, as the verifier does, unless it was got before. Without credentials this asks nobody.
    ///
    /// # Errors
    /// [`VerifierError`], which says what to change.
    pub async fn token(&self) -> Result<(), VerifierError> {
        self.own_token().await.map(|_token| ())
    }

    /// Asks about a made-up key, and looks only at what the answer says of the service. Returns whether it says that the
    /// service may verify keys: an answer may say nothing of that.
    ///
    /// # Errors
    /// [`VerifierError`]. Of the classes `SetUp` and `ServiceRefused`, if Kinde refuses the service: the token lacks the scope
    /// `read:api_keys`, or is refused. Of another class, if no answer came.
    pub async fn scope(&self) -> Result<bool, VerifierError> {
        let key = made_up_key()?;
        let response = self.verify_response(key.expose(), InspectionToken::Own).await?;
        self.is_granted(self.meaning(&response), Question::IsValid(&key)).await
    }

    /// Whether only keys of one API are let in ([`KindeSettings::api_id`]).
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.verifier.endpoint().binding().is_some()
    }

    /// Asks for the description of a key that does not exist, and looks only at what the answer says of the service. `Ok(false)`
    /// if it says nothing, or if the settings name no API.
    ///
    /// # Errors
    /// [`VerifierError`], if Kinde refuses the service or does not know the endpoint.
    pub async fn binding(&self) -> Result<bool, VerifierError> {
        let Some(binding) = self.verifier.endpoint().binding() else { return Ok(false) };
        let response = self.key_response(UNKNOWN_KEY_ID, InspectionToken::Own).await?;
        let head = Self::head(&response);
        let unknown = Verification::active(UNKNOWN_KEY_ID);
        let meaning = binding.read_answer(head, response.body(), &unknown, self.names);
        match meaning {
            // Kinde does not know the endpoint.
            Meaning::NotJudged(error) if error.class() == FailureClass::SetUp => Err(error),
            meaning => self.is_granted(meaning, Question::IsForThisApi(binding, &unknown)).await,
        }
    }

    /// Whether Kinde answers the service. `Ok(false)` if the answer does not say.
    async fn is_granted(&self, meaning: Meaning, question: Question<'_>) -> Result<bool, VerifierError> {
        let error = match meaning {
            Meaning::Judged(_) => return Ok(true),
            Meaning::NotJudged(_) => return Ok(false),
            Meaning::TokenDoubted(doubt) => {
                let (endpoint, token) = (self.verifier.endpoint(), self.own_token().await?);
                endpoint.not_judged(doubt, question, token.as_deref(), &endpoint.fingerprint(&made_up_key()?))
            }
        };
        match error.class() {
            FailureClass::SetUp | FailureClass::ServiceRefused => Err(error),
            _ => Ok(false),
        }
    }

    /// Checks whether verifying works, as the verifier's own health check does.
    pub async fn health(&self) -> Health {
        let silent = |_elapsed| Health::Down(did_not_answer());
        timeout(LONGEST_CALL, self.verifier.check()).await.unwrap_or_else(silent)
    }

    /// Asks for a token, and returns the answer as it came; `None` without credentials. Each call costs what a token costs.
    ///
    /// # Errors
    /// [`VerifierError`], if no answer came.
    pub async fn token_response(&self) -> Result<Option<KindeResponse>, VerifierError> {
        let Some(credentials) = &self.credentials else { return Ok(None) };
        let content = ("application/x-www-form-urlencoded", form_of(credentials, &self.audience));
        self.send(Method::POST, self.token_url.clone(), Some(content), None).await.map(Some)
    }

    /// Asks about a key, which may be any text, and returns the answer as it came.
    ///
    /// # Errors
    /// [`VerifierError`], if no answer came, or if there is no token.
    pub async fn verify_response(
        &self,
        key: &str,
        token: InspectionToken,
    ) -> Result<KindeResponse, VerifierError> {
        #[derive(serde::Serialize)]
        struct Body<'k> {
            api_key: &'k str,
        }
        // The buffer does not grow: escaped, a byte of a text takes at most six.
        let mut body = Zeroizing::new(Vec::with_capacity(16 + 6 * key.len()));
        serde_json::to_writer(&mut *body, &Body { api_key: key })
            .map_err(|_| VerifierError::outage("the key can't be written as JSON"))?;
        self.with_token(Method::POST, self.verify_url.clone(), Some(("application/json", body)), token).await
    }

    /// Asks for what Kinde shows of the key with this id (`GET /api/v1/api_keys/{key_id}`), and returns the answer as it came.
    ///
    /// # Errors
    /// [`VerifierError`], if no answer came, or if there is no token. Also if the id might lead to another URL: then nothing is sent.
    pub async fn key_response(
        &self,
        key_id: &str,
        token: InspectionToken,
    ) -> Result<KindeResponse, VerifierError> {
        let url = self.api_keys_url.of(key_id)?;
        self.with_token(Method::GET, url, None, token).await
    }

    /// What a verifier that has judged no other key makes of an answer of [`verify_response`](Self::verify_response).
    ///
    /// # Errors
    /// [`VerifierError`], if the answer does not judge the key.
    pub fn judge(&self, response: &KindeResponse) -> Result<Judgement, VerifierError> {
        match self.meaning(response) {
            Meaning::Judged(judgement) => Ok(judgement),
            Meaning::NotJudged(error) => Err(error),
            Meaning::TokenDoubted(doubt) => {
                let (endpoint, key) = (self.verifier.endpoint(), made_up_key()?);
                Err(endpoint.not_judged(doubt, Question::IsValid(&key), None, &endpoint.fingerprint(&key)))
            }
        }
    }

    fn meaning(&self, response: &KindeResponse) -> Meaning {
        read_verify_response(Self::head(response), response.body(), self.names)
    }

    fn head(response: &KindeResponse) -> Head {
        let status = response.status;
        Head { status, retry_after: RetryAfter::read(status, &response.headers, jiff::Timestamp::now()) }
    }

    async fn own_token(&self) -> Result<Option<Arc<Token>>, VerifierError> {
        match self.verifier.endpoint().tokens() {
            Some(tokens) => tokens.as_it_is().await.map(Some),
            None => Ok(None),
        }
    }

    async fn with_token(
        &self,
        method: Method,
        url: Url,
        content: Option<(&'static str, Zeroizing<Vec<u8>>)>,
        token: InspectionToken,
    ) -> Result<KindeResponse, VerifierError> {
        let authorization = match token {
            InspectionToken::Own => self.own_token().await?.map(|token| token.authorization.clone()),
            InspectionToken::None => None,
            InspectionToken::MadeUp => Some(HeaderValue::from_static("Bearer made-up")),
        };
        self.send(method, url, content, authorization).await
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        content: Option<(&'static str, Zeroizing<Vec<u8>>)>,
        authorization: Option<HeaderValue>,
    ) -> Result<KindeResponse, VerifierError> {
        let mut request = Request::new(method, url);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        if let Some((content_type, body)) = content {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            *request.body_mut() = Some(Bytes::from_owner(body).into());
        }
        let broken = |error: reqwest::Error| {
            let connecting = error.is_connect();
            describe(
                error,
                if connecting { "no connection to Kinde" } else { "the connection to Kinde broke" },
            )
        };
        let answered = async {
            let mut response = self.client.execute(request).await.map_err(broken)?;
            let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
            let body = read(response).await.map_err(broken)?;
            Ok(KindeResponse { status, headers, body })
        };
        timeout(LONGEST_CALL, answered).await.unwrap_or_else(|_elapsed| Err(did_not_answer()))
    }
}

fn did_not_answer() -> VerifierError {
    VerifierError::outage(format!("Kinde did not answer within {} s", LONGEST_CALL.as_secs()))
}

impl fmt::Debug for KindeInspection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.verifier, formatter)
    }
}

impl fmt::Debug for KindeResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KindeResponse").field("status", &self.status).finish_non_exhaustive()
    }
}
