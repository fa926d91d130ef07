//! Asks Kinde about one key.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use reqwest::Url;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use super::accepted::Accepted;
use super::age::AgeClock;
use super::config::{KindeSettings, SettingNames};
use super::fetch::FetchSettings;
use super::http::{Answer, Http, Outgoing, Way};
use super::question::OwnConnection;
use super::token::{Lease, Token, TokenSource};
use super::wire::{Doubt, Meaning, read_verify_answer, scope_advice};
use crate::clock::{Clock, SystemClock};
use crate::config_error::ConfigError;
use crate::key::{Fingerprint, Fingerprinter, PresentedKey};
use crate::verification::Judgement;
use crate::verifier::{FirstTry, Health, Verifier, VerifierError};

/// Stands for the token if none is used.
const NO_TOKEN: u64 = 0;

/// The [`Verifier`] that asks Kinde's verify endpoint, `POST /api/v1/api_keys/verify`.
///
/// It shares one token among all calls, and keeps connections open: idle ones for 15 seconds, each for about 20 seconds, so
/// that it follows an address that moves. It speaks HTTP/1.1, follows no redirect, and reads at most 64 KiB of an answer.
/// System proxies are used, except for loopback addresses.
pub struct KindeVerifier {
    http: Arc<Http>,
    verify_url: Url,
    tokens: Option<TokenSource>,
    age: Arc<AgeClock>,
    prints: Fingerprinter,
    accepted: Mutex<Accepted>,
    names: SettingNames,
    pub(super) own_connection: OwnConnection,
}

/// What came of one call.
enum Asked {
    Judged(Judgement),
    Doubted(Doubt),
}

impl KindeVerifier {
    /// Checks the settings. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting that is missing or can't be used.
    pub fn new(settings: KindeSettings) -> Result<Self, ConfigError> {
        Self::with_clock(settings, Arc::new(SystemClock))
    }

    /// [`new`](Self::new) with another clock to decide when a token is to be renewed, for tests.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_clock(settings: KindeSettings, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let settings = settings.resolve()?;
        let (http, names) = (Http::new(&settings)?, settings.names);
        let age = Arc::new(AgeClock::new(clock));
        let tokens = settings.credentials.map(|credentials| {
            let (http, url) = (Arc::clone(&http), settings.token_url);
            let fetch = FetchSettings { http, url, credentials, audience: settings.audience, names };
            TokenSource::new(fetch, Arc::clone(&age))
        });
        Ok(Self {
            http,
            verify_url: settings.verify_url,
            tokens,
            age,
            prints: Fingerprinter::random()?,
            accepted: Mutex::default(),
            names,
            own_connection: OwnConnection::default(),
        })
    }

    /// Takes the settings from the environment; [`KindeSettings::from_env`] lists the variables.
    ///
    /// # Errors
    /// [`ConfigError`], naming the variable that is missing or can't be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::new(KindeSettings::from_env()?)
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    pub(super) fn tokens(&self) -> Option<&TokenSource> {
        self.tokens.as_ref()
    }

    pub(super) fn fingerprint(&self, key: &PresentedKey) -> Fingerprint {
        self.prints.fingerprint(key.expose().as_bytes())
    }

    /// Sends one call.
    pub(super) async fn call(
        &self,
        key: &PresentedKey,
        authorization: Option<&HeaderValue>,
        way: Way<'_>,
    ) -> Result<Answer, VerifierError> {
        // A key is token68, so nothing in it needs escaping.
        let (before, after) = (br#"{"api_key":""#, br#""}"#);
        let mut body = Zeroizing::new(Vec::with_capacity(before.len() + key.expose().len() + after.len()));
        body.extend_from_slice(before);
        body.extend_from_slice(key.expose().as_bytes());
        body.extend_from_slice(after);
        let outgoing =
            Outgoing { url: &self.verify_url, content_type: "application/json", body, authorization };
        self.http.post(way, outgoing).await
    }

    pub(super) fn read(&self, answer: &Answer) -> Meaning {
        read_verify_answer(answer.head, answer.body(), self.names)
    }

    /// Asks about a key once, with this token, and remembers that it was accepted.
    async fn ask(
        &self,
        key: &PresentedKey,
        token: Option<&Token>,
        way: Way<'_>,
    ) -> Result<Asked, VerifierError> {
        let answer = self.call(key, token.map(|token| &token.authorization), way).await?;
        match self.read(&answer) {
            Meaning::Judged(judgement) => {
                self.was_accepted(token, self.fingerprint(key));
                Ok(Asked::Judged(judgement))
            }
            Meaning::TokenDoubted(doubt) => Ok(Asked::Doubted(doubt)),
            Meaning::NotJudged(error) => Err(error),
        }
    }

    /// A key was judged with this token.
    pub(super) fn was_accepted(&self, token: Option<&Token>, key: Fingerprint) {
        self.accepted().note(number(token), key, self.age.now());
        if let (Some(tokens), Some(token)) = (&self.tokens, token) {
            tokens.was_accepted(token);
        }
    }

    /// Whether this token was accepted for another key lately.
    pub(super) fn is_trusted(&self, token: Option<&Token>, key: &Fingerprint) -> bool {
        self.accepted().lately_for_another(number(token), key, self.age.now())
    }

    fn accepted(&self) -> MutexGuard<'_, Accepted> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks until the key was judged, or it is clear that it can't be.
    async fn judge(&self, key: &PresentedKey, way: Way<'static>) -> Result<Judgement, VerifierError> {
        let print = self.fingerprint(key);
        let Some(tokens) = &self.tokens else {
            return match self.ask(key, None, way).await? {
                Asked::Judged(judgement) => Ok(judgement),
                Asked::Doubted(doubt) => Err(self.not_judged(doubt, None, &print)),
            };
        };
        let Lease { mut token, trial } = tokens.lease(way.about_no_key()).await?;
        let mut doubt = match self.ask(key, Some(&token), way).await? {
            Asked::Judged(judgement) => return Ok(judgement),
            Asked::Doubted(doubt) => doubt,
        };
        if trial.is_some()
            && let Some(current) = tokens.current_beside(&token)
        {
            let asked = self.ask(key, Some(&current), way).await?;
            tokens.trial_failed(&token, matches!(asked, Asked::Judged(_)));
            return match asked {
                Asked::Judged(judgement) => Ok(judgement),
                Asked::Doubted(doubt) => Err(self.not_judged(doubt, Some(&current), &print)),
            };
        }
        if doubt != Doubt::Bare403 && !self.is_trusted(Some(&token), &print) {
            match tokens.successor_of(&token, way.about_no_key()).await {
                None => {}
                Some(Ok(successor)) => match self.ask(key, Some(&successor), way).await? {
                    Asked::Judged(judgement) => return Ok(judgement),
                    Asked::Doubted(again) => {
                        tokens.was_no_better(&successor);
                        (token, doubt) = (successor, again);
                    }
                },
                // The answer speaks of the token, and there is no other: that is the token endpoint's doing.
                Some(Err(error)) if doubt == Doubt::Refused => return Err(error),
                Some(Err(_)) => {}
            }
        }
        Err(self.not_judged(doubt, Some(&token), &print))
    }

    /// The failure that a 401 or 403 comes to if it is not about the key, and nothing is left to try.
    pub(super) fn not_judged(&self, doubt: Doubt, token: Option<&Token>, key: &Fingerprint) -> VerifierError {
        match doubt {
            Doubt::ScopeMissing => VerifierError::set_up(self.advice(doubt)),
            Doubt::Refused if !self.is_trusted(token, key) => {
                VerifierError::service_refused(self.advice(doubt))
            }
            Doubt::Refused => VerifierError::unjudged(
                "Kinde refuses the call, but took the same token for another key within the last minute",
            ),
            Doubt::Bare401 => VerifierError::unjudged("Kinde answered with status 401 and no errors"),
            Doubt::Bare403 => VerifierError::unjudged("Kinde answered with status 403 and no errors"),
        }
    }

    fn advice(&self, doubt: Doubt) -> String {
        let names = self.names;
        match (&self.tokens, doubt) {
            (None, _) => "Kinde wants a token for the verify call: call machine_to_machine, or set \
                          KINDE_MANAGEMENT_CLIENT_ID and KINDE_MANAGEMENT_CLIENT_SECRET, instead of verifying without one"
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

#[async_trait]
impl Verifier for KindeVerifier {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.judge(key, Way::Pooled(Some(self.fingerprint(key)))).await
    }

    async fn verify_again(&self, key: &PresentedKey, after: FirstTry) -> Result<Judgement, VerifierError> {
        match after {
            FirstTry::Failed => self.judge(key, Way::NewConnection).await,
            FirstTry::Silent => {
                let print = self.fingerprint(key);
                self.http.was_silent(print);
                self.judge(key, Way::Pooled(Some(print))).await
            }
        }
    }

    /// Asks about a made-up key, on a connection of its own, with the token as it is.
    async fn check(&self) -> Health {
        self.question().await
    }
}

impl fmt::Debug for KindeVerifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KindeVerifier")
            .field("verify_url", &self.verify_url.as_str())
            .field("uses_tokens", &self.tokens.is_some())
            .finish_non_exhaustive()
    }
}
