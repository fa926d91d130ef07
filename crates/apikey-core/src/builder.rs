//! How an authenticator is configured, and what is refused before the first request.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::authenticator::{Authenticator, Shared};
use crate::clock::{Clock, SystemClock};
use crate::config::ConfigError;
use crate::denial::DenialStyle;
use crate::engine::Engine;
use crate::extract::{CredentialSource, ExtractionSettings};
use crate::key::Fingerprinter;
use crate::verifier::Verifier;

/// The time to live of a cached positive answer, as Kinde's guide recommends: five minutes.
pub const DEFAULT_CACHE_TIME_TO_LIVE: Duration = Duration::from_secs(300);
/// How many keys are cached unless something else is set.
pub const DEFAULT_CACHE_CAPACITY: usize = 100_000;
/// The whole budget of one verification unless something else is set.
pub const DEFAULT_VERIFICATION_TIMEOUT: Duration = Duration::from_secs(3);

/// A revoked key stays good for as long as its answer is cached, so longer than a day can only be a mistake.
const LONGEST_TIME_TO_LIVE: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Configures an [`Authenticator`]. Every setting has a safe default.
///
/// `A` is what [`build`](Self::build) makes: the core's [`Authenticator`], or the adapter's own, which holds one.
#[must_use]
pub struct AuthenticatorBuilder<A = Authenticator> {
    verifier: Arc<dyn Verifier>,
    clock: Arc<dyn Clock>,
    extraction: ExtractionSettings,
    realm: String,
    problem_details: bool,
    cache_time_to_live: Duration,
    cache_capacity: usize,
    verification_timeout: Duration,
    makes: PhantomData<fn() -> A>,
}

impl<A: From<Authenticator>> AuthenticatorBuilder<A> {
    /// Starts from a verifier and the defaults.
    pub fn new(verifier: impl Verifier) -> Self {
        Self {
            verifier: Arc::new(verifier),
            clock: Arc::new(SystemClock),
            extraction: ExtractionSettings::default(),
            realm: DenialStyle::default().realm,
            problem_details: false,
            cache_time_to_live: DEFAULT_CACHE_TIME_TO_LIVE,
            cache_capacity: DEFAULT_CACHE_CAPACITY,
            verification_timeout: DEFAULT_VERIFICATION_TIMEOUT,
            makes: PhantomData,
        }
    }

    /// How long a positive answer is reused, counted from when it was asked for. Default 300 s, at most a day; zero
    /// turns the cache off. A jitter shortens it by a tenth at most.
    pub fn cache_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.cache_time_to_live = time_to_live;
        self
    }

    /// How many keys the cache holds at most. Default 100 000.
    pub fn cache_capacity(mut self, keys: usize) -> Self {
        self.cache_capacity = keys;
        self
    }

    /// The whole budget of one verification: tokens, connecting, everything. Default 3 s, more than zero, at most ten
    /// minutes. Past it the caller gets a 503.
    pub fn verification_timeout(mut self, timeout: Duration) -> Self {
        self.verification_timeout = timeout;
        self
    }

    /// Where a key may be presented, in the order in which messages name the places. Default:
    /// `Authorization: Bearer` alone.
    pub fn credential_sources(mut self, sources: impl IntoIterator<Item = CredentialSource>) -> Self {
        self.extraction.sources = sources.into_iter().collect();
        self
    }

    /// Refuses keys that begin with none of these, without asking Kinde: for example `k_live_`. Default: all are
    /// accepted, for Kinde publishes no grammar of its keys.
    pub fn accepted_prefixes<S: Into<String>>(mut self, prefixes: impl IntoIterator<Item = S>) -> Self {
        self.extraction.accepted_prefixes = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// Takes the credential out of the request before the handler sees it, so that it can't be logged or forwarded
    /// by mistake. Default: off.
    pub fn remove_credential(mut self, remove: bool) -> Self {
        self.extraction.remove_credential = remove;
        self
    }

    /// The realm of the challenges. Default `api`.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// Answers denials as `application/problem+json` (RFC 9457). Default: off.
    pub fn problem_details(mut self, problem_details: bool) -> Self {
        self.problem_details = problem_details;
        self
    }

    /// Replaces the clock that decides about expiry, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the settings and builds.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting that can't be used.
    pub fn build(self) -> Result<A, ConfigError> {
        if self.cache_time_to_live > LONGEST_TIME_TO_LIVE {
            return Err(ConfigError::new(
                "cache_time_to_live",
                "at most a day (86400 s); zero turns the cache off",
            ));
        }
        if self.cache_capacity == 0 {
            return Err(ConfigError::new(
                "cache_capacity",
                "at least 1; to turn the cache off, set cache_time_to_live to zero",
            ));
        }
        if self.verification_timeout.is_zero() || self.verification_timeout > LONGEST_TIMEOUT {
            return Err(ConfigError::new("verification_timeout", "more than zero, and at most 600 s"));
        }
        if self.realm.is_empty() || !self.realm.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(ConfigError::new("realm", "visible ASCII characters and spaces, at least one"));
        }
        let mut style = DenialStyle {
            realm: self.realm,
            problem_details: self.problem_details,
            ..DenialStyle::default()
        };
        self.extraction.describe(&mut style);
        let shared = Shared {
            extraction: self.extraction.build()?,
            engine: Engine::new(self.cache_capacity, self.cache_time_to_live),
            fingerprinter: Fingerprinter::random()?,
            verifier: self.verifier,
            clock: self.clock,
            style: Arc::new(style),
            verification_timeout: self.verification_timeout,
        };
        Ok(A::from(Authenticator::from_shared(shared)))
    }
}

impl<A> std::fmt::Debug for AuthenticatorBuilder<A> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AuthenticatorBuilder")
            .field("extraction", &self.extraction)
            .field("realm", &self.realm)
            .field("problem_details", &self.problem_details)
            .field("cache_time_to_live", &self.cache_time_to_live)
            .field("cache_capacity", &self.cache_capacity)
            .field("verification_timeout", &self.verification_timeout)
            .finish_non_exhaustive()
    }
}
