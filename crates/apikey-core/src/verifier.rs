//! The one step that does I/O, and the ways in which it can fail.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::key::PresentedKey;
use crate::telemetry::Recorder;
use crate::verification::Judgement;

/// Judges a presented key. [`KindeVerifier`](crate::KindeVerifier) asks Kinde. Tests bring a fake.
///
/// The authenticator calls it in a task of its own, within its verification timeout, on the runtime that
/// [`verification_runtime`](crate::AuthenticatorBuilder::verification_runtime) names. By default that is a thread
/// that belongs to the authenticator. A verifier must not block that thread: move blocking work to
/// `tokio::task::spawn_blocking`. It need not cache, limit, retry or time out.
///
/// There is one call for a key at a time, with two exceptions: [`verify_again`](Self::verify_again) while a first
/// call is silent, and a call that outlived its timeout.
///
/// ```
/// use apikey_core::{Judgement, PresentedKey, Refusal, Verification, Verifier, VerifierError};
///
/// struct OneKey;
///
/// #[apikey_core::async_trait]
/// impl Verifier for OneKey {
///     async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
///         Ok(match key.expose() {
///             "k_live_reader" => Judgement::accepted(Verification::active("api_key_1").with_scopes(["read:users"])),
///             _ => Judgement::refused(Refusal::Invalid),
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
    /// [`VerifierError`] if the key was *not* judged. It never means that the key is bad.
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError>;

    /// Judges the key in a second try: after a first one failed, or while a first one is silent. `after` says which.
    /// A verifier that keeps connections must use another one than the first try had. Default: it calls
    /// [`verify`](Self::verify).
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    async fn verify_again(&self, key: &PresentedKey, after: FirstTry) -> Result<Judgement, VerifierError> {
        let _ = after;
        self.verify(key).await
    }

    /// Checks whether verifying works, with no caller's key. The authenticator calls it for the application
    /// ([`Authenticator::check`](crate::Authenticator::check)) and when verifications fail. The outcome decides
    /// whether callers are still let through to this verifier. Each call must ask anew, with another made-up key.
    /// There is at most one call a second.
    ///
    /// Default: [`Health::Unknown`]. Then the latest verifications decide, each client counted once.
    async fn check(&self) -> Health {
        Health::Unknown
    }

    /// Gives the verifier the clock of its authenticator
    /// ([`AuthenticatorBuilder::clock`](crate::AuthenticatorBuilder::clock)). The authenticator calls this once, when
    /// it is built and before the first verification. A verifier that keeps something until it expires, such as a
    /// token, must take the time from this clock, so that a test moves both at once. Default: it does nothing.
    fn use_clock(&self, clock: Arc<dyn Clock>) {
        let _ = clock;
    }

    /// Gives the verifier the place where it notes the calls that it makes. The authenticator calls this once, when it is
    /// built and before the first verification. Default: it does nothing, and no calls are noted.
    fn use_recorder(&self, recorder: Recorder) {
        let _ = recorder;
    }

    /// Names whose keys are judged. Instances of a fleet share answers only if they have the same realm. Default: empty. Kinde's
    /// verifier names the host of its domain.
    fn realm(&self) -> String {
        String::new()
    }

    /// What this verifier checks about a key before it accepts it that others of the same realm may not check. An instance of a
    /// fleet takes another's answer only if that one has made all of these checks. Default: nothing. Kinde's verifier names
    /// the API that keys must be for, if one is set.
    ///
    /// A verifier that wraps another must return what that one returns, and may add checks of its own. Otherwise this instance
    /// believes answers of instances that have not made these checks, and lets in keys that its own verifier would refuse.
    fn further_checks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether one key id may have several good secrets at the same time. Default: no, as at Kinde, where a rotation
    /// ends the old secret at once. Then the cache forgets the earlier secrets of an id when a later one is accepted.
    fn allows_several_secrets_per_key_id(&self) -> bool {
        false
    }
}

macro_rules! forward_to_the_inner_verifier {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        impl<V: Verifier + ?Sized> Verifier for $pointer<V> {
            async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
                (**self).verify(key).await
            }

            async fn verify_again(&self, key: &PresentedKey, after: FirstTry) -> Result<Judgement, VerifierError> {
                (**self).verify_again(key, after).await
            }

            async fn check(&self) -> Health {
                (**self).check().await
            }

            fn use_clock(&self, clock: Arc<dyn Clock>) {
                (**self).use_clock(clock);
            }

            fn use_recorder(&self, recorder: Recorder) {
                (**self).use_recorder(recorder);
            }

            fn realm(&self) -> String {
                (**self).realm()
            }

            fn further_checks(&self) -> Vec<String> {
                (**self).further_checks()
            }

            fn allows_several_secrets_per_key_id(&self) -> bool {
                (**self).allows_several_secrets_per_key_id()
            }
        }
    )*};
}

forward_to_the_inner_verifier!(Arc, Box);

/// What became of the first try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FirstTry {
    /// It failed.
    Failed,
    /// It has not answered for a third of the verification timeout. It goes on. The first complete answer counts.
    Silent,
}

/// The outcome of a health check ([`Verifier::check`]).
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub enum Health {
    /// Verifying works.
    Up,
    /// The other side answers, and asks to be left alone for a while ([`FailureClass::Overload`]).
    Overload(VerifierError),
    /// The other side can't answer.
    Down(VerifierError),
    /// The other side answers, but refuses this service: its set-up is wrong.
    Refused(VerifierError),
    /// The verifier can't tell.
    Unknown,
}

impl Health {
    /// `Ok` if verifying works, or if the verifier can't tell. Otherwise the error, which says what to do.
    ///
    /// # Errors
    /// [`VerifierError`], for every other outcome. It is for the operator.
    pub fn into_result(self) -> Result<(), VerifierError> {
        match self {
            Self::Up | Self::Unknown => Ok(()),
            Self::Overload(error) | Self::Down(error) | Self::Refused(error) => Err(error),
        }
    }
}

/// What a failure to judge a key proves. The class determines the caller's response, whether a stale answer may
/// serve, whether the attempt counts, and whether the call is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureClass {
    /// The other side asks to be left alone for a while: a 429, or a 503 with `Retry-After`. The caller gets a 503.
    /// The call is tried again after the moment that the other side names.
    Overload,
    /// The other side could not be reached, or could not answer: no connection, a broken one, a time-out, another
    /// 5xx. The caller gets a 503. The call is tried again at once.
    Outage,
    /// This service is set up wrong. For example, its own credentials are refused. The caller gets a 500.
    SetUp,
    /// The other side refuses this service without saying why. The caller gets a 500.
    ServiceRefused,
    /// The other side answered, but the answer does not judge the key. This proves something about this key alone.
    /// The caller gets a 503.
    Unjudged,
}

/// Why a key was not judged. The text is for the operator's log. It names what to change, and holds no secret.
///
/// ```
/// use apikey_core::{FailureClass, VerifierError};
/// use std::time::Duration;
///
/// let error = VerifierError::overload("the directory answered with status 429").with_retry_after(Duration::from_secs(2));
/// assert_eq!(error.class(), FailureClass::Overload);
/// assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
/// ```
#[derive(Clone)]
pub struct VerifierError {
    class: FailureClass,
    reason: Cow<'static, str>,
    wait: Option<Duration>,
    never_connected: bool,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl VerifierError {
    /// An error of this class. `reason` ends the sentence that begins "API keys can't be verified right now:".
    #[must_use]
    pub fn new(class: FailureClass, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { class, reason: reason.into(), wait: None, never_connected: false, source: None }
    }

    /// An error of class [`FailureClass::Overload`].
    #[must_use]
    pub fn overload(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureClass::Overload, reason)
    }

    /// An error of class [`FailureClass::Outage`].
    #[must_use]
    pub fn outage(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureClass::Outage, reason)
    }

    /// An error of class [`FailureClass::SetUp`]. The reason says what to change.
    #[must_use]
    pub fn set_up(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureClass::SetUp, reason)
    }

    /// An error of class [`FailureClass::ServiceRefused`]. The reason says what to check.
    #[must_use]
    pub fn service_refused(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureClass::ServiceRefused, reason)
    }

    /// An error of class [`FailureClass::Unjudged`].
    #[must_use]
    pub fn unjudged(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureClass::Unjudged, reason)
    }

    /// Adds how long the other side asked to be left alone, counted from now.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Adds that no connection could be made.
    #[must_use]
    pub fn without_connection(mut self) -> Self {
        self.never_connected = true;
        self
    }

    /// Adds the error behind this one. Its text must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What this error proves.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        self.class
    }

    /// What happened, and what to do about it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How long the other side asked to be left alone, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.wait
    }

    /// Whether no connection could be made.
    #[must_use]
    pub fn is_without_connection(&self) -> bool {
        self.never_connected
    }
}

impl fmt::Display for VerifierError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = match self.class {
            FailureClass::Overload | FailureClass::Outage => "API keys can't be verified right now",
            FailureClass::SetUp | FailureClass::ServiceRefused => {
                "this service can't verify API keys until its set-up is changed"
            }
            FailureClass::Unjudged => "an API key can't be verified",
        };
        write!(formatter, "{start}: {}", self.reason)
    }
}

impl fmt::Debug for VerifierError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifierError")
            .field("class", &self.class)
            .field("reason", &self.reason)
            .field("retry_after", &self.wait)
            .field("never_connected", &self.never_connected)
            .finish_non_exhaustive()
    }
}

/// Sources are not compared.
impl PartialEq for VerifierError {
    fn eq(&self, other: &Self) -> bool {
        let parts = |error: &Self| (error.class, error.wait, error.never_connected);
        parts(self) == parts(other) && self.reason == other.reason
    }
}

impl Eq for VerifierError {}

impl Error for VerifierError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

/// How a failure on the server's side looks to a caller. It can only become a 5xx, never an "invalid key".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerFault {
    Unavailable { retry_after: Duration },
    Internal,
}

impl ServerFault {
    /// It is not known when a retry makes sense, so the caller is asked to wait for 5 s.
    pub(crate) const UNAVAILABLE: Self = Self::Unavailable { retry_after: Duration::from_secs(5) };
}
