//! The caller's identity, as a handler sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{CachedKey, Freshness};
use crate::telemetry::AnswerSource;
use crate::verification::Verification;

/// A key that Kinde says is valid and active: the caller's identity. Cheap to clone.
///
/// [`verification`](Self::verification) holds everything that Kinde said about the key. The usual parts can be read
/// here, too. This also says where the answer came from and how old it is.
#[derive(Debug, Clone)]
pub struct VerifiedKey {
    answer: Arc<CachedKey>,
    decided_at: Instant,
    source: AnswerSource,
}

impl VerifiedKey {
    pub(crate) fn fresh(answer: Arc<CachedKey>, now: Instant) -> Self {
        Self { answer, decided_at: now, source: AnswerSource::Hit }
    }

    pub(crate) fn from_cache(answer: Arc<CachedKey>, freshness: Freshness, now: Instant) -> Self {
        let source = if freshness == Freshness::Fresh { AnswerSource::Hit } else { AnswerSource::Stale };
        Self { answer, decided_at: now, source }
    }

    /// `source` says who started the verification.
    pub(crate) fn from_verifier(answer: Arc<CachedKey>, source: AnswerSource, now: Instant) -> Self {
        Self { answer, decided_at: now, source }
    }

    /// A key that nobody has verified, for tests of handlers. The code that calls this vouches for the key, so an
    /// application must not call it for a request.
    ///
    /// ```
    /// use apikey_core::{Verification, VerifiedKey};
    ///
    /// fn greeting(key: &VerifiedKey) -> String {
    ///     format!("Hello, {}", key.key_id())
    /// }
    ///
    /// let key = VerifiedKey::assume_verified(Verification::active("api_key_1"));
    /// assert_eq!(greeting(&key), "Hello, api_key_1");
    /// ```
    #[must_use]
    pub fn assume_verified(verification: Verification) -> Self {
        let now = Instant::now();
        let answer = Arc::new(CachedKey::outside_of_any_cache(verification, now));
        Self { answer, decided_at: now, source: AnswerSource::Verified }
    }

    /// Everything that Kinde said about the key.
    #[must_use]
    pub fn verification(&self) -> &Verification {
        &self.answer.verification
    }

    /// The key's id, which is no secret and survives a rotation.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.verification().key_id()
    }

    /// The key's status: always `active`, because no other key is let in.
    #[must_use]
    pub fn status(&self) -> &'static str {
        self.verification().status()
    }

    /// The scopes, in Kinde's order.
    pub fn scopes(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.verification().scopes()
    }

    /// Whether the key carries this scope. The comparison is exact and case-sensitive.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.verification().has_scope(scope)
    }

    /// The organization that owns the key, if one does. Never empty.
    #[must_use]
    pub fn organization_code(&self) -> Option<&str> {
        self.verification().organization_code()
    }

    /// The user who owns the key, if one does. Never empty.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.verification().user_id()
    }

    /// Whether the answer came from the cache of this instance or of its fleet. Otherwise Kinde gave it for this request.
    #[must_use]
    pub fn is_from_cache(&self) -> bool {
        matches!(self.source, AnswerSource::Hit | AnswerSource::Stale | AnswerSource::Shared)
    }

    /// Whether the answer is older than the cache's time to live. Such an answer serves only if Kinde can't answer, does
    /// not answer soon, or must not be asked now ([`stale_if_error`](crate::AuthenticatorBuilder::stale_if_error)).
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.source == AnswerSource::Stale
    }

    /// Where the answer comes from.
    #[must_use]
    pub fn source(&self) -> AnswerSource {
        self.source
    }

    /// How long before this request Kinde was asked for the answer.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.answer.age(self.decided_at)
    }
}

/// Two keys are equal if Kinde said the same about them, and both are stale or neither is.
impl PartialEq for VerifiedKey {
    fn eq(&self, other: &Self) -> bool {
        self.verification() == other.verification() && self.is_stale() == other.is_stale()
    }
}

impl Eq for VerifiedKey {}
