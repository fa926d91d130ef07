//! Asks Kinde about one key.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use super::config::KindeSettings;
use super::http::Http;
use super::token::TokenSource;
use super::wire::{Meaning, read_verify_answer};
use crate::clock::{Clock, SystemClock};
use crate::config::ConfigError;
use crate::key::PresentedKey;
use crate::verification::Judgement;
use crate::verifier::{Verifier, VerifierError};

/// What the check at start-up asks about: that Kinde judges it proves host, token and scope.
const NOBODYS_KEY: &str = "k_live_start_up_check";

/// The [`Verifier`] that asks Kinde's verify endpoint, `POST /api/v1/api_keys/verify`.
///
/// It keeps connections open and shares one token among all calls. It follows no redirect, and reads at most 64 KiB of
/// an answer. System proxies are used, except for loopback addresses.
pub struct KindeVerifier {
    http: Http,
    verify_url: Url,
    tokens: Option<TokenSource>,
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
        let http = Http::new(&settings)?;
        let tokens = settings.credentials.map(|credentials| {
            TokenSource::new(http.clone(), settings.token_url, credentials, settings.audience, clock)
        });
        Ok(Self { http, verify_url: settings.verify_url, tokens })
    }

    /// Takes the settings from the environment; [`KindeSettings::from_env`] lists the variables.
    ///
    /// # Errors
    /// [`ConfigError`], naming the variable that is missing or can't be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::new(KindeSettings::from_env()?)
    }

    async fn ask(
        &self,
        key: &PresentedKey,
        authorization: Option<&HeaderValue>,
    ) -> Result<Meaning, VerifierError> {
        // A key is token68, so nothing in it needs escaping.
        let (before, after) = (br#"{"api_key":""#, br#""}"#);
        let mut body = Zeroizing::new(Vec::with_capacity(before.len() + key.expose().len() + after.len()));
        body.extend_from_slice(before);
        body.extend_from_slice(key.expose().as_bytes());
        body.extend_from_slice(after);
        let answer = self.http.post(&self.verify_url, "application/json", body, authorization).await?;
        match read_verify_answer(answer.status.as_u16(), &answer.body) {
            Meaning::UnjudgedForNow(reason) => {
                Err(VerifierError::Transient { reason, retry_after: answer.retry_after })
            }
            meaning => Ok(meaning),
        }
    }

    /// Asks with the shared token; where that is refused, once more with a new one.
    async fn ask_with_token(
        &self,
        tokens: &TokenSource,
        key: &PresentedKey,
    ) -> Result<Meaning, VerifierError> {
        let token = tokens.token().await?;
        let first = self.ask(key, Some(&token.authorization)).await?;
        match first {
            Meaning::TokenRefused { .. } => {}
            Meaning::Judged(_) => {
                tokens.judged_with(&token);
                return Ok(first);
            }
            Meaning::Unjudged(_)
            | Meaning::UnjudgedForNow(_)
            | Meaning::Unreadable(_)
            | Meaning::SetUp(_) => return Ok(first),
        }
        let Some((renewed, _trial)) = tokens.renewed(&token).await else { return Ok(first) };
        let second = self.ask(key, Some(&renewed?.authorization)).await?;
        match second {
            Meaning::Judged(_) => tokens.renewal_was(true),
            Meaning::TokenRefused { .. } => tokens.renewal_was(false),
            // It tells nothing of the token.
            Meaning::Unjudged(_)
            | Meaning::UnjudgedForNow(_)
            | Meaning::Unreadable(_)
            | Meaning::SetUp(_) => {}
        }
        Ok(second)
    }
}

#[async_trait]
impl Verifier for KindeVerifier {
    async fn check(&self) -> Result<(), VerifierError> {
        let nobodys = PresentedKey::parse(NOBODYS_KEY)
            .map_err(|error| VerifierError::Misconfigured(error.to_string()))?;
        self.verify(&nobodys).await.map(|_judged| ())
    }

    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        let meaning = match &self.tokens {
            Some(tokens) => self.ask_with_token(tokens, key).await?,
            None => self.ask(key, None).await?,
        };
        match meaning {
            Meaning::Judged(judgement) => Ok(judgement),
            Meaning::Unjudged(why) | Meaning::UnjudgedForNow(why) => Err(VerifierError::Unavailable(why)),
            Meaning::Unreadable(why) => Err(VerifierError::Unjudged(why)),
            Meaning::SetUp(why) => Err(VerifierError::Misconfigured(why)),
            Meaning::TokenRefused { scope_missing } => {
                Err(VerifierError::Misconfigured(self.advice(scope_missing).to_owned()))
            }
        }
    }
}

impl KindeVerifier {
    fn advice(&self, scope_missing: bool) -> &'static str {
        match (&self.tokens, scope_missing) {
            (None, _) => {
                "Kinde wants a token for the verify call: set KINDE_MANAGEMENT_CLIENT_ID and \
                 KINDE_MANAGEMENT_CLIENT_SECRET instead of verifying without one"
            }
            (Some(_), true) => {
                "Kinde says that the token lacks a scope: grant read:api_keys to the application that \
                 KINDE_MANAGEMENT_CLIENT_ID names, on the Kinde Management API"
            }
            (Some(_), false) => {
                "Kinde refuses the service's token: check KINDE_MANAGEMENT_AUDIENCE, and that the application \
                 that KINDE_MANAGEMENT_CLIENT_ID names may use the Kinde Management API with scope read:api_keys"
            }
        }
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
