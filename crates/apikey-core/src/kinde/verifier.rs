//! The verifier that asks Kinde: its questions about one key, and the order of its tries with each.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::age::AgeClock;
use super::binding::Binding;
use super::config::KindeSettings;
use super::endpoint::{Asked, Question, VerifyEndpoint};
use super::fetch::TokenFetcher;
use super::health_check::HealthCheck;
use super::http::{Connection, Http};
use super::meaning::Doubt;
use super::noted_call::address_of;
use super::token::{Lease, TokenSource};
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::key::{Fingerprint, PresentedKey};
use crate::telemetry::Recorder;
use crate::verification::{Judgement, Verdict};
use crate::verifier::{FirstTry, Health, Verifier, VerifierError};

/// The [`Verifier`] that asks Kinde's verify endpoint, `POST /api/v1/api_keys/verify`. With [`KindeSettings::api_id`] it then
/// asks for which APIs an accepted key is, `GET /api/v1/api_keys/{key_id}`.
///
/// All calls share one token. Connections are kept open and reused: an idle one for up to 15 s, and each one for about 20 s,
/// so that a new address of Kinde's is noticed. The client speaks HTTP/1.1, follows no redirects, and reads at most 64 KiB
/// of a response. [`KindeSettings`] says through which proxy it connects.
pub struct KindeVerifier {
    endpoint: VerifyEndpoint,
    health_check: HealthCheck,
}

impl KindeVerifier {
    /// Checks the settings. This sends nothing.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting that is missing or can't be used.
    pub fn new(settings: KindeSettings) -> Result<Self, ConfigError> {
        let settings = settings.check()?;
        let (http, names) = (Http::new(&settings)?, settings.names);
        let age = Arc::new(AgeClock::default());
        let tokens = settings.credentials.map(|credentials| {
            let (http, url) = (Arc::clone(&http), settings.token_url);
            let fetcher = TokenFetcher { http, url, credentials, audience: settings.audience, names };
            TokenSource::new(fetcher, Arc::clone(&age))
        });
        let binding = settings.api_id.map(|api_id| Binding::new(api_id, settings.api_keys_url));
        let endpoint = VerifyEndpoint::new(http, settings.verify_url, tokens, binding, age, names)?;
        Ok(Self { endpoint, health_check: HealthCheck::default() })
    }

    /// Reads the settings from the environment. [`KindeSettings::from_env`] lists the variables.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable that is missing or can't be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::new(KindeSettings::from_env()?)
    }

    pub(super) fn endpoint(&self) -> &VerifyEndpoint {
        &self.endpoint
    }

    /// Asks until Kinde has judged the key. A key that it accepts must also be for this API, if one is set.
    async fn judge(
        &self,
        key: &PresentedKey,
        connection: Connection<'static>,
    ) -> Result<Judgement, VerifierError> {
        let print = self.endpoint.fingerprint(key);
        let judgement = self.settle(Question::IsValid(key), print, connection).await?;
        match (self.endpoint.binding(), judgement.verdict()) {
            (Some(binding), Verdict::Accepted(verified)) => {
                self.settle(Question::IsForThisApi(binding, verified), print, connection).await
            }
            _ => Ok(judgement),
        }
    }

    /// Asks until Kinde has answered the question, or until nothing is left to try.
    async fn settle(
        &self,
        question: Question<'_>,
        print: Fingerprint,
        connection: Connection<'static>,
    ) -> Result<Judgement, VerifierError> {
        let endpoint = &self.endpoint;
        let Some(tokens) = endpoint.tokens() else {
            return match endpoint.ask(question, print, None, connection).await? {
                Asked::Judged(judgement) => Ok(judgement),
                Asked::Doubted(doubt) => Err(endpoint.not_judged(doubt, question, None, &print)),
            };
        };
        let Lease { mut token, trial } = tokens.lease(connection.about_no_key()).await?;
        let mut doubt = match endpoint.ask(question, print, Some(&token), connection).await? {
            Asked::Judged(judgement) => return Ok(judgement),
            Asked::Doubted(doubt) => doubt,
        };
        let current = if trial.is_some() { tokens.current_beside(&token) } else { None };
        if let Some(current) = current {
            let asked = endpoint.ask(question, print, Some(&current), connection).await?;
            tokens.trial_failed(&token, matches!(asked, Asked::Judged(_)));
            return match asked {
                Asked::Judged(judgement) => Ok(judgement),
                Asked::Doubted(doubt) => Err(endpoint.not_judged(doubt, question, Some(&current), &print)),
            };
        }
        if doubt != Doubt::Bare403 && !endpoint.is_trusted(question, Some(&token), &print) {
            match tokens.successor_of(&token, connection.about_no_key()).await {
                None => {}
                Some(Ok(successor)) => {
                    match endpoint.ask(question, print, Some(&successor), connection).await? {
                        Asked::Judged(judgement) => return Ok(judgement),
                        Asked::Doubted(again) => {
                            tokens.was_no_better(&successor);
                            (token, doubt) = (successor, again);
                        }
                    }
                }
                // Kinde refused the token, and no other can be fetched, so the fetch's error says more.
                Some(Err(error)) if doubt == Doubt::Refused => return Err(error),
                Some(Err(_)) => {}
            }
        }
        Err(endpoint.not_judged(doubt, question, Some(&token), &print))
    }
}

#[async_trait]
impl Verifier for KindeVerifier {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.judge(key, Connection::Pooled(Some(self.endpoint.fingerprint(key)))).await
    }

    async fn verify_again(&self, key: &PresentedKey, after: FirstTry) -> Result<Judgement, VerifierError> {
        match after {
            FirstTry::Failed => self.judge(key, Connection::New).await,
            FirstTry::Silent => {
                let print = self.endpoint.fingerprint(key);
                self.endpoint.http().was_silent(print);
                self.judge(key, Connection::Pooled(Some(print))).await
            }
        }
    }

    /// Asks about a made-up key, on a connection of its own, with the current token.
    async fn check(&self) -> Health {
        self.health_check.run(&self.endpoint).await
    }

    /// Measures the age of the token on this clock. If several authenticators share the verifier, it keeps the first clock.
    fn use_clock(&self, clock: Arc<dyn Clock>) {
        self.endpoint.use_clock(clock);
    }

    fn realm(&self) -> String {
        self.endpoint.url().authority().to_owned()
    }

    fn further_checks(&self) -> Vec<String> {
        self.endpoint.binding().map(Binding::statement).into_iter().collect()
    }

    /// Notes every call here, those for tokens and of health checks, too. If several authenticators share the verifier, it
    /// keeps the first recorder.
    fn use_recorder(&self, recorder: Recorder) {
        let url = self.endpoint.url();
        if let Some((address, port)) = address_of(url).zip(url.port_or_known_default()) {
            recorder.calls_go_to(address, port);
        }
        self.endpoint.http().use_recorder(recorder);
    }
}

impl fmt::Debug for KindeVerifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KindeVerifier")
            .field("verify_url", &self.endpoint.url().as_str())
            .field("uses_tokens", &self.endpoint.tokens().is_some())
            .finish_non_exhaustive()
    }
}
