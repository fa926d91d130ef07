//! One call to Kinde about a key, and what the response says about the key and about the service's token.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::Url;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use super::accepted::Accepted;
use super::age::AgeClock;
use super::binding::Binding;
use super::fetch::Token;
use super::http::{Connection, Http, Outgoing, Response};
use super::meaning::{Doubt, Meaning, scope_advice};
use super::setting_names::SettingNames;
use super::token::TokenSource;
use super::verify_response::read_verify_response;
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::key::{Fingerprint, Fingerprinter, PresentedKey};
use crate::telemetry::Endpoint;
use crate::verification::{Judgement, Verification};
use crate::verifier::VerifierError;

/// The number that stands for "no token".
const NO_TOKEN: u64 = 0;

pub(super) struct VerifyEndpoint {
    http: Arc<Http>,
    url: Url,
    tokens: Option<TokenSource>,
    age: Arc<AgeClock>,
    prints: Fingerprinter,
    accepted: Mutex<Accepted>,
    /// `None` if keys of all APIs are accepted.
    binding: Option<Binding>,
    names: SettingNames,
}

/// What a call asks about a key.
#[derive(Clone, Copy)]
pub(super) enum Question<'q> {
    /// Whether the key is good. Asked of the verify endpoint.
    IsValid(&'q PresentedKey),
    /// Whether a good key is for this API.
    IsForThisApi(&'q Binding, &'q Verification),
}

/// The result of one call.
pub(super) enum Asked {
    Judged(Judgement),
    /// Kinde may have refused the token and not the key.
    Doubted(Doubt),
}

impl VerifyEndpoint {
    /// # Errors
    /// [`ConfigError`] if the operating system gives no random numbers.
    pub(super) fn new(
        http: Arc<Http>,
        url: Url,
        tokens: Option<TokenSource>,
        binding: Option<Binding>,
        age: Arc<AgeClock>,
        names: SettingNames,
    ) -> Result<Self, ConfigError> {
        let (prints, accepted) = (Fingerprinter::random()?, Mutex::default());
        Ok(Self { http, url, tokens, age, prints, accepted, binding, names })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    pub(super) fn use_clock(&self, clock: Arc<dyn Clock>) {
        self.age.use_clock(clock);
    }

    pub(super) fn tokens(&self) -> Option<&TokenSource> {
        self.tokens.as_ref()
    }

    pub(super) fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    pub(super) fn fingerprint(&self, key: &PresentedKey) -> Fingerprint {
        self.prints.fingerprint(key.expose().as_bytes())
    }

    /// Sends one call to the verify endpoint.
    pub(super) async fn call(
        &self,
        key: &PresentedKey,
        authorization: Option<&HeaderValue>,
        connection: Connection<'_>,
        endpoint: Endpoint,
    ) -> Result<Response, VerifierError> {
        // A key is token68, so nothing in it needs escaping.
        let (before, after) = (br#"{"api_key":""#, br#""}"#);
        let mut body = Zeroizing::new(Vec::with_capacity(before.len() + key.expose().len() + after.len()));
        body.extend_from_slice(before);
        body.extend_from_slice(key.expose().as_bytes());
        body.extend_from_slice(after);
        let content = Some(("application/json", body));
        let outgoing = Outgoing { endpoint, url: &self.url, content, authorization };
        self.http.call(connection, outgoing).await
    }

    pub(super) fn read(&self, response: &Response) -> Meaning {
        read_verify_response(response.head, response.body(), self.names)
    }

    /// Sends one call that asks for Kinde's description of a verified key.
    async fn describe(
        &self,
        binding: &Binding,
        verified: &Verification,
        authorization: Option<&HeaderValue>,
        connection: Connection<'_>,
    ) -> Result<Response, VerifierError> {
        let url = binding.url_of(verified.key_id())?;
        let outgoing = Outgoing { endpoint: Endpoint::ApiKey, url: &url, content: None, authorization };
        self.http.call(connection, outgoing).await
    }

    /// Asks once, with this token. If Kinde judges the key, this records that it accepted the token. `key` is the
    /// fingerprint of the key.
    ///
    /// # Errors
    /// [`VerifierError`] if the key was not judged, and the token is not in doubt.
    pub(super) async fn ask(
        &self,
        question: Question<'_>,
        key: Fingerprint,
        token: Option<&Token>,
        connection: Connection<'_>,
    ) -> Result<Asked, VerifierError> {
        let authorization = token.map(|token| &token.authorization);
        let (mut response, meaning) = match question {
            Question::IsValid(key) => {
                let response = self.call(key, authorization, connection, Endpoint::Verify).await?;
                let meaning = self.read(&response);
                (response, meaning)
            }
            Question::IsForThisApi(binding, verified) => {
                let response = self.describe(binding, verified, authorization, connection).await?;
                let meaning = binding.read(&response, verified, self.names);
                (response, meaning)
            }
        };
        match meaning {
            Meaning::Judged(judgement) => {
                response.was_usable();
                self.was_accepted(question, token, key);
                Ok(Asked::Judged(judgement))
            }
            Meaning::TokenDoubted(doubt) => Ok(Asked::Doubted(doubt)),
            Meaning::NotJudged(error) => Err(error),
        }
    }

    /// Records that Kinde judged a key with this token.
    pub(super) fn was_accepted(&self, question: Question<'_>, token: Option<&Token>, key: Fingerprint) {
        self.accepted(question).note(number(token), key, self.age.now());
        // The verify endpoint may answer without a look at the token. If that put a successor in use, each key that is then
        // refused for the token would cause the fetch of yet another one.
        let proves_the_token = matches!(question, Question::IsForThisApi(..)) || self.binding.is_none();
        if let (Some(tokens), Some(token), true) = (&self.tokens, token, proves_the_token) {
            tokens.was_accepted(token);
        }
    }

    /// Whether Kinde accepted this token for the same question about another key within the last minute.
    pub(super) fn is_trusted(
        &self,
        question: Question<'_>,
        token: Option<&Token>,
        key: &Fingerprint,
    ) -> bool {
        self.accepted(question).recently_for_another(number(token), key, self.age.now())
    }

    fn accepted<'q>(&'q self, question: Question<'q>) -> MutexGuard<'q, Accepted> {
        let accepted = match question {
            Question::IsValid(_) => &self.accepted,
            Question::IsForThisApi(binding, _) => &binding.accepted,
        };
        accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error for a 401 or 403 that is not about the key, when nothing is left to try.
    pub(super) fn not_judged(
        &self,
        doubt: Doubt,
        question: Question<'_>,
        token: Option<&Token>,
        key: &Fingerprint,
    ) -> VerifierError {
        match doubt {
            Doubt::ScopeMissing => VerifierError::set_up(self.advice(doubt)),
            Doubt::Refused if !self.is_trusted(question, token, key) => {
                VerifierError::service_refused(self.advice(doubt))
            }
            Doubt::Refused => VerifierError::unjudged(
                "Kinde refuses the call, but accepted the same token for another key within the last minute",
            ),
            Doubt::Bare401 => VerifierError::unjudged("Kinde answered with status 401 and no errors"),
            Doubt::Bare403 => VerifierError::unjudged("Kinde answered with status 403 and no errors"),
        }
    }

    fn advice(&self, doubt: Doubt) -> String {
        let names = self.names;
        match (&self.tokens, doubt) {
            (None, _) => "Kinde asks for a token: instead of without_token call machine_to_machine, or set \
                          KINDE_MANAGEMENT_CLIENT_ID and KINDE_MANAGEMENT_CLIENT_SECRET"
                .to_owned(),
            (Some(_), Doubt::ScopeMissing) => scope_advice(names),
            (Some(_), _) => format!(
                "Kinde refuses the service's token: check {}, and that the application that {} names may use the \
                 Kinde Management API with scope read:api_keys",
                names.audience, names.client_id
            ),
        }
    }
}

fn number(token: Option<&Token>) -> u64 {
    token.map_or(NO_TOKEN, |token| token.number)
}
