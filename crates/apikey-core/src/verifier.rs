//! The one step that does I/O, and how it can fail.

use async_trait::async_trait;

use crate::key::PresentedKey;
use crate::verification::Judgement;

/// Judges a presented key. [`KindeVerifier`](crate::KindeVerifier) asks Kinde; tests bring a fake.
///
/// The engine calls it at most once at a time for one key (unless a call is past its time), in a task of its own, within the authenticator's
/// verification timeout. It need not cache, limit or time out itself.
///
/// ```
/// use apikey_core::{Judgement, PresentedKey, Refusal, Verification, Verifier, VerifierError};
///
/// struct OneKey;
///
/// #[async_trait::async_trait]
/// impl Verifier for OneKey {
///     async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
///         Ok(match key.expose() {
///             "k_live_reader" => Judgement::Accepted(Verification::active("api_key_1").with_scopes(["read:users"])),
///             _ => Judgement::Refused(Refusal::Invalid),
///         })
///     }
/// }
/// let verifier: Box<dyn Verifier> = Box::new(OneKey);
/// ```
#[async_trait]
pub trait Verifier: Send + Sync + 'static {
    /// Judges the key.
    ///
    /// # Errors
    /// [`VerifierError`] where the key was *not* judged. It never means that the key is bad.
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError>;

    /// Checks at start-up that verifying will work, without any key of a customer's. By default there is nothing to check.
    ///
    /// # Errors
    /// [`VerifierError`], saying what to mend.
    async fn check(&self) -> Result<(), VerifierError> {
        Ok(())
    }
}

/// Why a key was not judged. The text is for the operator's log: it names what to change, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// Nobody could judge the key just now: connect error, time-out, 5xx, 429, unreadable answer. The caller gets
    /// a 503, for the key may be good.
    #[error("API keys can't be verified right now: {0}")]
    Unavailable(String),
    /// As [`Unavailable`](Self::Unavailable), but asking again soon may help: a connection that broke, a 5xx, a 429. It is
    /// tried again within the verification timeout.
    #[error("API keys can't be verified right now: {reason}")]
    Transient {
        /// What went wrong.
        reason: String,
        /// How long the other side asked to wait, if it did.
        retry_after: Option<std::time::Duration>,
    },
    /// Kinde answered, but can't make anything of this key: neither good nor bad. The caller gets a 503; what it says of
    /// other keys is nothing, so it is no sign of an outage, however often it comes.
    #[error("an API key can't be verified: {0}")]
    Unjudged(String),
    /// This service is set up wrong, for example its own credentials are refused. The caller gets a 500.
    #[error("this service can't verify API keys until its set-up is mended: {0}")]
    Misconfigured(String),
}
