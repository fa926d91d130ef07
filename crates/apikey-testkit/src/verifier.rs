//! A verifier with fixed answers, for tests of handlers without a network.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use apikey_core::{Judgement, PresentedKey, Refusal, Verification, Verifier, VerifierError};
use async_trait::async_trait;

/// A [`Verifier`] with scripted answers. It answers [`Refusal::Invalid`] for every other key.
///
/// Clones share everything, so a test can keep one to count calls or to change answers.
///
/// ```
/// use apikey_core::{Authenticator, PlainRequest, Refusal, Verification};
/// use apikey_testkit::FakeVerifier;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = FakeVerifier::new()
///     .with_key("k_live_reader", Verification::active("api_key_1").with_scopes(["read:users"]))
///     .with_refusal("k_live_old", Refusal::Revoked);
/// let authenticator = Authenticator::builder(verifier.clone()).build()?;
///
/// let request = PlainRequest::new().with_header("Authorization", "Bearer k_live_reader");
/// assert_eq!(authenticator.authenticate(&request).await?.key_id(), "api_key_1");
///
/// let request = PlainRequest::new().with_header("Authorization", "Bearer k_live_old");
/// let denial = authenticator.authenticate(&request).await.unwrap_err();
/// assert_eq!(denial.code().as_str(), "KEY_REVOKED");
/// assert_eq!(verifier.calls(), 2);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct FakeVerifier(Arc<Shared>);

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    calls: AtomicU64,
}

type Answer = Result<Judgement, VerifierError>;

impl FakeVerifier {
    /// A verifier that knows no key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts this key.
    pub fn with_key(self, key: impl Into<String>, verification: Verification) -> Self {
        self.answer(key, Ok(Judgement::accepted(verification)));
        self
    }

    /// Refuses this key.
    pub fn with_refusal(self, key: impl Into<String>, refusal: Refusal) -> Self {
        self.answer(key, Ok(Judgement::refused(refusal)));
        self
    }

    /// Fails to judge this key. What the caller gets depends on the failure's [class](apikey_core::FailureClass): a
    /// 500 if this service is set up wrong, otherwise a 503.
    pub fn with_failure(self, key: impl Into<String>, failure: VerifierError) -> Self {
        self.answer(key, Err(failure));
        self
    }

    /// Changes the answer for a key from now on. What an authenticator has cached stays cached.
    pub fn answer(&self, key: impl Into<String>, answer: Result<Judgement, VerifierError>) {
        self.answers().insert(key.into(), answer);
    }

    /// How often the authenticator asked about a key, over all clones.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<String, Answer>> {
        self.0.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Verifier for FakeVerifier {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        self.answers().get(key.expose()).cloned().unwrap_or(Ok(Judgement::refused(Refusal::Invalid)))
    }
}

impl fmt::Debug for FakeVerifier {
    /// Shows no key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FakeVerifier").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn judged(verifier: &FakeVerifier, key: &str) -> Answer {
        verifier.verify(&PresentedKey::parse(key).unwrap()).await
    }

    #[tokio::test]
    async fn it_answers_what_it_was_told() {
        let down = VerifierError::outage("down");
        let verifier = FakeVerifier::new()
            .with_key("good", Verification::active("1"))
            .with_refusal("off", Refusal::Inactive)
            .with_failure("odd", down.clone());
        let clone = verifier.clone();
        assert_eq!(judged(&verifier, "good").await, Ok(Judgement::accepted(Verification::active("1"))));
        assert_eq!(judged(&verifier, "off").await, Ok(Judgement::refused(Refusal::Inactive)));
        assert_eq!(judged(&verifier, "odd").await, Err(down));
        assert_eq!(judged(&clone, "unknown").await, Ok(Judgement::refused(Refusal::Invalid)));
        clone.answer("good", Ok(Judgement::refused(Refusal::Revoked)));
        assert_eq!(judged(&verifier, "good").await, Ok(Judgement::refused(Refusal::Revoked)));
        assert_eq!((verifier.calls(), clone.calls()), (5, 5));
        assert!(!format!("{verifier:?}").contains("good"));
    }
}
