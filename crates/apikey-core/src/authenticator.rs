//! The way of one request: extract, ask the engine, verify where it says so.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tracing::Instrument as _;

use crate::builder::AuthenticatorBuilder;
use crate::clock::Clock;
use crate::denial::{Denial, DenialStyle, ServerFault};
use crate::engine::{Engine, Flight, Outcome, Step, Waiter};
use crate::extract::{Extraction, RequestHead};
use crate::key::{Credential, Fingerprinter, MalformedKey, PresentedKey};
use crate::policy::Policy;
use crate::verification::{Judgement, Verification};
use crate::verifier::{Verifier, VerifierError};

/// Authenticates requests by API keys. Build one at start-up; clones are cheap and share everything.
///
/// ```
/// use apikey_core::{Authenticator, PlainRequest};
/// # use apikey_core::{Judgement, PresentedKey, Verification, Verifier, VerifierError};
/// # struct Anyone;
/// # #[async_trait::async_trait]
/// # impl Verifier for Anyone {
/// #     async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
/// #         Ok(Judgement::Accepted(Verification::active("api_key_1")))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let verifier = Anyone;
/// let authenticator = Authenticator::builder(verifier).build()?;
///
/// let request = PlainRequest::new().with_header("Authorization", "Bearer k_live_1234567890abcdef");
/// let key = authenticator.authenticate(&request).await?;
/// assert_eq!(key.key_id(), "api_key_1");
///
/// let denial = authenticator.authenticate(&PlainRequest::new()).await.unwrap_err();
/// assert_eq!(denial.code().as_str(), "MISSING_KEY");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Authenticator(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) extraction: Extraction,
    pub(crate) engine: Arc<Engine>,
    pub(crate) fingerprinter: Fingerprinter,
    pub(crate) verifier: Arc<dyn Verifier>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) style: Arc<DenialStyle>,
    pub(crate) verification_timeout: Duration,
}

/// The outcome of authenticating one request: `None` where nothing was presented.
pub type Authentication = Result<Option<VerifiedKey>, Denial>;

/// What can be said of a request at once.
///
/// Adapters work with it; everybody else calls [`Authenticator::authenticate`]. Clones are the same attempt.
#[derive(Debug, Clone)]
pub enum Attempt {
    /// Nothing was presented.
    Anonymous,
    /// Answered without waiting.
    Decided(Result<VerifiedKey, Denial>),
    /// Somebody has to be asked.
    Pending(PendingVerification),
}

impl Attempt {
    /// Waits for the outcome: `None` where nothing was presented.
    ///
    /// # Errors
    /// [`Denial`], where something was presented and is not let in, or could not be judged.
    pub async fn authentication(self) -> Authentication {
        match self {
            Self::Anonymous => Ok(None),
            Self::Decided(decision) => decision.map(Some),
            Self::Pending(pending) => pending.await.map(Some),
        }
    }
}

impl Authenticator {
    /// Starts configuring an authenticator over any verifier.
    pub fn builder(verifier: impl Verifier) -> AuthenticatorBuilder {
        AuthenticatorBuilder::new(verifier)
    }

    pub(crate) fn from_shared(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Looks at a request: extracts the key and consults the cache, without waiting for anything.
    ///
    /// Must be called within a Tokio runtime, where a verification may go on in the background.
    pub fn begin(&self, request: &impl RequestHead) -> Attempt {
        match self.0.extraction.extract(request) {
            Ok(None) => Attempt::Anonymous,
            Ok(Some(key)) => self.begin_with(key),
            Err(code) => Attempt::Decided(Err(Denial::malformed(code, &self.0.style))),
        }
    }

    /// The key that a request presents, not yet verified; for adapters that must take it out of the request early.
    ///
    /// # Errors
    /// [`Denial`], where something malformed or more than one key is presented.
    pub fn extract(&self, request: &impl RequestHead) -> Result<Option<PresentedKey>, Denial> {
        match self.0.extraction.extract(request) {
            Ok(key) => Ok(key.map(Credential::into_presented_key)),
            Err(code) => Err(Denial::malformed(code, &self.0.style)),
        }
    }

    /// [`begin`](Self::begin) for a key that has been extracted before.
    pub fn begin_verification(&self, key: PresentedKey) -> Attempt {
        self.begin_with(Credential::from(key))
    }

    /// Finds and verifies the key that a request presents.
    ///
    /// # Errors
    /// [`Denial`], also where nothing is presented.
    pub async fn authenticate(&self, request: &impl RequestHead) -> Result<VerifiedKey, Denial> {
        let key = self.begin(request).authentication().await?;
        key.ok_or_else(|| self.missing_key())
    }

    /// Verifies a key that did not come with a request, for example from a queue.
    ///
    /// # Errors
    /// [`Denial`], where the key is not let in or could not be judged.
    pub async fn verify(&self, key: PresentedKey) -> Result<VerifiedKey, Denial> {
        let key = self.begin_verification(key).authentication().await?;
        key.ok_or_else(|| self.missing_key())
    }

    /// Checks a verified key against a policy.
    ///
    /// # Errors
    /// [`Denial`], saying which scopes or which owner is missing.
    pub fn authorize(&self, key: &VerifiedKey, policy: &Policy) -> Result<(), Denial> {
        policy.check(key).map_err(|shortfall| Denial::shortfall(shortfall, key, &self.0.style))
    }

    /// The denial for a request that presents nothing.
    #[must_use]
    pub fn missing_key(&self) -> Denial {
        Denial::missing_key(&self.0.style)
    }

    /// Forgets one key, as after its revocation or rotation: the next request with it asks Kinde again, and an answer
    /// that was asked for before this call is never kept.
    ///
    /// # Errors
    /// [`MalformedKey`], where the text can't be a key, and so never was one.
    pub fn remove(&self, key: &str) -> Result<(), MalformedKey> {
        let key = PresentedKey::parse(key)?;
        self.0.engine.remove(self.0.fingerprinter.fingerprint(key.expose()));
        Ok(())
    }

    /// Forgets every key, with the same promise as [`remove`](Self::remove).
    pub fn clear(&self) {
        self.0.engine.clear();
    }

    /// How many keys are cached, those included whose time is up but whose place nobody has needed yet.
    #[must_use]
    pub fn cached_keys(&self) -> usize {
        self.0.engine.cached_keys()
    }

    /// The headers that an adapter takes out of the request before the handler sees it, in lower case; none unless
    /// [`remove_credential`](AuthenticatorBuilder::remove_credential) is set.
    pub fn removed_headers(&self) -> impl Iterator<Item = &str> {
        self.0.extraction.removed_headers()
    }

    /// The query that the handler is to see instead of this one; `None` where it stays as it is.
    #[must_use]
    pub fn query_without_credential(&self, query: &str) -> Option<String> {
        self.0.extraction.query_without_credential(query)
    }

    /// Whether an adapter must note this attempt in the request's [`Memo`](crate::Memo): not where looking again finds
    /// the same without asking anybody, as on a hit.
    #[must_use]
    pub fn must_remember(&self, attempt: &Attempt) -> bool {
        matches!(attempt, Attempt::Pending(_)) || self.removes_credential()
    }

    /// Whether requests lose their credential, so that it can be looked at only once
    /// ([`remove_credential`](AuthenticatorBuilder::remove_credential)).
    #[must_use]
    pub fn removes_credential(&self) -> bool {
        self.0.extraction.removes_credential()
    }

    /// Whether both are clones of one authenticator.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn style(&self) -> &Arc<DenialStyle> {
        &self.0.style
    }

    pub(crate) fn begin_with(&self, key: Credential<'_>) -> Attempt {
        let fingerprint = self.0.fingerprinter.fingerprint(key.as_str());
        let waiter = match self.0.engine.step(fingerprint, self.0.clock.now()) {
            Step::Hit(verification) => {
                return Attempt::Decided(Ok(VerifiedKey { verification, from_cache: true }));
            }
            Step::Wait(waiter) => waiter,
            Step::Verify(flight, waiter) => {
                self.launch(flight, key.into_presented_key());
                waiter
            }
        };
        Attempt::Pending(PendingVerification { waiter, style: Arc::clone(&self.0.style), answer: None })
    }

    /// Verifies in a task of its own, so that a caller who hangs up cancels nobody else's answer.
    fn launch(&self, flight: Flight, key: PresentedKey) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            tracing::error!("API keys can only be verified within a Tokio runtime");
            flight.land(Err(ServerFault::Internal));
            return;
        };
        let verifier = Arc::clone(&self.0.verifier);
        let timeout = self.0.verification_timeout;
        let verification = async move {
            let outcome = verify_within(timeout, &*verifier, &key).await;
            flight.land(outcome);
        };
        runtime.spawn(verification.in_current_span());
    }
}

async fn verify_within(timeout: Duration, verifier: &dyn Verifier, key: &PresentedKey) -> Outcome {
    let judged = tokio::time::timeout(timeout, verifier.verify(key)).await.unwrap_or_else(|_elapsed| {
        Err(VerifierError::Unavailable(format!(
            "no answer within verification_timeout ({} ms)",
            timeout.as_millis()
        )))
    });
    match judged {
        Ok(Judgement::Accepted(verification)) => Ok(Ok(Arc::new(verification))),
        Ok(Judgement::Refused(refusal)) => Ok(Err(refusal)),
        Err(error) => {
            match error {
                VerifierError::Unavailable(_) => tracing::warn!("{error}"),
                VerifierError::Misconfigured(_) => tracing::error!("{error}"),
            }
            Err(ServerFault::from(&error))
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Authenticator")
            .field("cached_keys", &self.cached_keys())
            .finish_non_exhaustive()
    }
}

/// A verification that is under way, as a future. The verification goes on without it, for others may wait for it, too:
/// clones wait for the same one.
pub struct PendingVerification {
    waiter: Waiter,
    style: Arc<DenialStyle>,
    answer: Option<Pin<Box<Answer>>>,
}

type Answer = dyn Future<Output = Result<VerifiedKey, Denial>> + Send + Sync;

impl Clone for PendingVerification {
    fn clone(&self) -> Self {
        Self { waiter: self.waiter.clone(), style: Arc::clone(&self.style), answer: None }
    }
}

impl Future for PendingVerification {
    type Output = Result<VerifiedKey, Denial>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiter, style, answer } = &mut *self;
        let answer = answer.get_or_insert_with(|| {
            let (waiter, style) = (waiter.clone(), Arc::clone(style));
            Box::pin(async move {
                match waiter.outcome().await {
                    Ok(Ok(verification)) => Ok(VerifiedKey { verification, from_cache: false }),
                    Ok(Err(refusal)) => Err(Denial::refused(refusal, &style)),
                    Err(fault) => Err(Denial::server_fault(fault, &style)),
                }
            })
        });
        answer.as_mut().poll(context)
    }
}

impl fmt::Debug for PendingVerification {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PendingVerification(..)")
    }
}

/// A key that Kinde says is valid and active: the caller's identity. Cheap to clone.
///
/// It dereferences to the [`Verification`], and says where the answer came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedKey {
    verification: Arc<Verification>,
    from_cache: bool,
}

impl VerifiedKey {
    /// Whether the answer came from the cache, rather than from Kinde for this request.
    #[must_use]
    pub fn is_from_cache(&self) -> bool {
        self.from_cache
    }
}

impl Deref for VerifiedKey {
    type Target = Verification;

    fn deref(&self) -> &Verification {
        &self.verification
    }
}

#[cfg(feature = "kinde")]
impl Authenticator {
    /// The authenticator that asks the Kinde business named by the environment, with every other setting at its
    /// default. See [`KindeVerifier::from_env`](crate::KindeVerifier::from_env) for the variables.
    ///
    /// # Errors
    /// [`ConfigError`](crate::ConfigError), naming the variable that is missing or can't be used.
    pub fn kinde_from_env() -> Result<Self, crate::ConfigError> {
        Self::builder(crate::KindeVerifier::from_env()?).build()
    }
}
