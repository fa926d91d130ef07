//! The way of one request: extract, ask the engine, verify where it says so.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::builder::AuthenticatorBuilder;
use crate::client::Client;
use crate::client::Clients;
use crate::clock::Clock;
use crate::denial::{Denial, DenialStyle};
use crate::engine::{CROWDED, CachedKey, Engine, Freshness, News, Outcome, Purge, Step, Waiter};
use crate::extract::{Extraction, Malformed};
use crate::key::{Credential, Fingerprint, MalformedKey, PresentedKey};
use crate::memo::Presented;
use crate::policy::Policy;
use crate::request::RequestHead;
use crate::verification::Verification;
use crate::verifier::{Health, ServerFault, Verifier};
use crate::worker::Worker;

/// Authenticates requests by API keys. Build one at start-up; clones are cheap and share everything.
///
/// ```
/// use apikey_core::{Authenticator, PlainRequest};
/// # use apikey_core::{Judgement, PresentedKey, Verification, Verifier, VerifierError};
/// # struct Anyone;
/// # #[async_trait::async_trait]
/// # impl Verifier for Anyone {
/// #     async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
/// #         Ok(Judgement::accepted(Verification::active("api_key_1")))
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
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) style: Arc<DenialStyle>,
    pub(crate) clients: Clients,
    pub(crate) worker: Worker,
    /// For how long a batch tries to begin a question that finds everything taken.
    pub(crate) timeout: Duration,
}

/// The outcome of authenticating one request: `None` where nothing was presented.
pub type Authentication = Result<Option<VerifiedKey>, Denial>;

/// What can be said of a request at once.
///
/// Adapters work with it; everybody else calls [`Authenticator::authenticate`]. Clones are the same attempt.
#[derive(Debug, Clone)]
#[must_use]
pub enum Attempt {
    /// Nothing was presented.
    Anonymous,
    /// Answered without waiting.
    Decided(Result<VerifiedKey, Denial>),
    /// Somebody has to be asked.
    Pending(PendingVerification),
}

impl Attempt {
    /// [`PendingVerification::for_policy`], where somebody has to be asked.
    pub fn for_policy(self, policy: &Policy) -> Self {
        match self {
            Self::Pending(pending) => Self::Pending(pending.for_policy(policy)),
            known => known,
        }
    }

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
    pub fn begin(&self, request: &impl RequestHead) -> Attempt {
        match self.0.extraction.extract(request) {
            Ok(None) => Attempt::Anonymous,
            Ok(Some(key)) => self.begin_with(key, &|| self.0.clients.client_of(request)),
            Err(code) => Attempt::Decided(Err(self.0.style.malformed(code))),
        }
    }

    /// The key that a request presents, not yet verified; for adapters that must take it out of the request early.
    ///
    /// # Errors
    /// [`Denial`], where something malformed or more than one key is presented.
    pub fn extract(&self, request: &impl RequestHead) -> Result<Option<PresentedKey>, Denial> {
        match self.0.extraction.extract(request) {
            Ok(key) => Ok(key.map(Credential::into_presented_key)),
            Err(code) => Err(self.0.style.malformed(code)),
        }
    }

    /// [`begin`](Self::begin) for a key that has been extracted before. `request` tells whose attempt it is.
    pub fn begin_verification(&self, key: PresentedKey, request: &impl RequestHead) -> Attempt {
        self.begin_if_accepted(Credential::from(key), &|| self.0.clients.client_of(request))
    }

    /// [`begin`](Self::begin), and what it was begun for.
    pub fn begin_presented(&self, request: &impl RequestHead) -> (Presented, Attempt) {
        match self.0.extraction.extract(request) {
            Ok(None) => (Presented::NOTHING, Attempt::Anonymous),
            Ok(Some(key)) => {
                let fingerprint = self.0.engine.fingerprint(key.as_bytes());
                let attempt = self.begin_with(key, &|| self.0.clients.client_of(request));
                (Presented::key(fingerprint), attempt)
            }
            Err(code) => {
                let denial = self.0.style.malformed(code);
                (Presented::malformed(code), Attempt::Decided(Err(denial)))
            }
        }
    }

    /// What a request presents now, to be compared with what an attempt was begun for.
    #[must_use]
    pub fn presented(&self, request: &impl RequestHead) -> Presented {
        match self.0.extraction.extract(request) {
            Ok(None) => Presented::NOTHING,
            Ok(Some(key)) => Presented::key(self.0.engine.fingerprint(key.as_bytes())),
            Err(code) => Presented::malformed(code),
        }
    }

    /// Whether an attempt of this authenticator's, noted before, was made for what this request presents now.
    pub(crate) fn is_made_for(&self, attempt: &Attempt, request: &impl RequestHead) -> bool {
        match self.0.extraction.extract(request) {
            Ok(None) => self.removes_credential(),
            // What is presented after a removal came later, and must be taken out, too.
            Ok(Some(_)) if self.removes_credential() => false,
            Ok(Some(key)) => matches!(attempt, Attempt::Pending(pending)
                if pending.fingerprint == self.0.engine.fingerprint(key.as_bytes())),
            Err(_) => false,
        }
    }

    /// Finds and verifies the key that a request presents.
    ///
    /// # Errors
    /// [`Denial`], also where nothing is presented.
    pub async fn authenticate(&self, request: &impl RequestHead) -> Result<VerifiedKey, Denial> {
        let key = self.begin(request).authentication().await?;
        key.ok_or_else(|| self.missing_key())
    }

    /// Verifies a key that did not come with a request, for example from a queue. It counts as nobody's attempt.
    ///
    /// # Errors
    /// [`Denial`], where the key is not let in or could not be judged.
    pub async fn verify(&self, key: PresentedKey) -> Result<VerifiedKey, Denial> {
        let key = self.begin_if_accepted(Credential::from(key), &|| None).authentication().await?;
        key.ok_or_else(|| self.missing_key())
    }

    /// Checks a verified key against a policy. Where that is [`Policy::fresh`], wait with [`Attempt::for_policy`] before.
    ///
    /// # Errors
    /// [`Denial`], saying which scopes or which owner is missing, or that the answer about the key is too old.
    pub fn authorize(&self, key: &VerifiedKey, policy: &Policy) -> Result<(), Denial> {
        policy.check(key, !key.is_stale()).map_err(|shortfall| self.0.style.shortfall(shortfall, key))
    }

    /// The denial for a request that presents nothing.
    #[must_use]
    pub fn missing_key(&self) -> Denial {
        self.0.style.missing_key()
    }

    /// Asks whether verifying works, without any key of a customer's: reaches Kinde, gets a token, and proves that the token
    /// may verify. It asks a second time if Kinde can't answer; callers within one second share an answer. Call it at start-up, so that a wrong set-up is found
    /// before the first request.
    ///
    /// ```no_run
    /// # async fn example(authenticator: apikey_core::Authenticator) -> Result<(), apikey_core::VerifierError> {
    /// authenticator.check().await.into_result()?;
    /// # Ok(()) }
    /// ```
    pub async fn check(&self) -> Health {
        self.0.worker.check().await
    }

    /// Forgets one key, as after its revocation: the next request with it asks Kinde again. An answer that was asked for
    /// before this call is neither kept nor served after it, and no outage brings the key back.
    ///
    /// # Errors
    /// [`MalformedKey`], where the text can't be a key, and so never was one.
    pub fn remove(&self, key: &str) -> Result<(), MalformedKey> {
        let key = PresentedKey::parse(key)?;
        self.0.engine.purge(Purge::Key(self.0.engine.fingerprint(key.expose())));
        Ok(())
    }

    /// Forgets the key with this id, with the same promise as [`remove`](Self::remove), with one exception: a refusal names no
    /// id. Remembered refusals are forgotten, all of them
    /// ([`negative_time_to_live`](AuthenticatorBuilder::negative_time_to_live)). A refusal that was asked for before this call
    /// may still reach callers who join that question, but it is not kept.
    pub fn remove_key_id(&self, key_id: &str) {
        self.0.engine.purge(Purge::KeyId(key_id.into()));
    }

    /// Forgets the keys with these ids, with the same promise as [`remove_key_id`](Self::remove_key_id) for each. However many
    /// they are, no request waits for this call, and no verification of another key fails or is repeated because of it.
    pub fn remove_key_ids(&self, ids: impl IntoIterator<Item = impl AsRef<str>>) {
        self.0.engine.purge_key_ids(ids.into_iter().map(|id| id.as_ref().into()));
    }

    /// Forgets the keys of this user, with the same promise as [`remove_key_id`](Self::remove_key_id). It looks at every
    /// cached key, a few at a time, so that no request waits for it. An empty id is nobody's.
    pub fn remove_user(&self, user_id: &str) {
        if !user_id.is_empty() {
            self.0.engine.purge(Purge::User(user_id.into()));
        }
    }

    /// Forgets the keys of this organization, with the same promise as [`remove_key_id`](Self::remove_key_id). It looks at
    /// every cached key, a few at a time, so that no request waits for it. An empty code is no organization's.
    pub fn remove_organization(&self, organization_code: &str) {
        if !organization_code.is_empty() {
            self.0.engine.purge(Purge::Organization(organization_code.into()));
        }
    }

    /// Forgets every key, with the same promise as [`remove`](Self::remove). It takes them out a few at a time, so that no
    /// request waits for it.
    pub fn clear(&self) {
        self.0.engine.purge(Purge::Everything);
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

    /// The path and query that the handler is to see instead of these; `None` where they stay as they are.
    #[must_use]
    pub fn target_without_credential(&self, path: &str, query: Option<&str>) -> Option<String> {
        let rest = self.0.extraction.query_without_credential(query?)?;
        Some(if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") })
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

    /// [`begin_with`](Self::begin_with) for a key that did not come out of [`extract`](Extraction::extract) just now.
    pub(crate) fn begin_if_accepted(
        &self,
        key: Credential<'_>,
        client: &dyn Fn() -> Option<Client>,
    ) -> Attempt {
        if self.0.extraction.accepts(key.as_bytes()) {
            self.begin_with(key, client)
        } else {
            Attempt::Decided(Err(self.0.style.malformed(Malformed::Format)))
        }
    }

    pub(crate) fn begin_with(&self, key: Credential<'_>, client: &dyn Fn() -> Option<Client>) -> Attempt {
        let now = self.0.clock.now();
        let fingerprint = self.0.engine.fingerprint(key.as_bytes());
        match self.0.engine.step(fingerprint, client, now) {
            Step::Hit(answer) => Attempt::Decided(Ok(VerifiedKey::fresh(answer, now))),
            step => self
                .follow(step, fingerprint, key, now)
                .unwrap_or_else(|| Attempt::Decided(Err(self.0.style.unavailable(CROWDED)))),
        }
    }

    /// [`begin_with`](Self::begin_with) for a key that came with no request; `None` if too many ask already.
    pub(crate) fn begin_or_crowded(&self, key: Credential<'_>) -> Option<Attempt> {
        let now = self.0.clock.now();
        let fingerprint = self.0.engine.fingerprint(key.as_bytes());
        let step = self.0.engine.step(fingerprint, &|| None, now);
        self.follow(step, fingerprint, key, now)
    }

    /// Does what the engine says; `None` if too many ask already.
    #[inline(never)]
    fn follow(
        &self,
        step: Step,
        fingerprint: Fingerprint,
        key: Credential<'_>,
        now: Instant,
    ) -> Option<Attempt> {
        let Shared { worker, style, .. } = &*self.0;
        let decision = match step {
            Step::Hit(answer) => Ok(VerifiedKey::fresh(answer, now)),
            Step::Refresh(answer, flight) => {
                worker.launch(flight, key.into_presented_key());
                Ok(VerifiedKey::fresh(answer, now))
            }
            Step::Stale(answer) => Ok(VerifiedKey::from_cache(answer, now)),
            Step::Refused(refusal) => Err(style.refused(refusal)),
            Step::Unavailable(wait) => Err(style.unavailable(wait)),
            Step::SetUp => Err(style.server_fault(ServerFault::Internal)),
            Step::Limited(limited) => Err(style.limited(limited)),
            Step::Crowded => return None,
            Step::Wait(waiter) => return Some(self.pending(fingerprint, waiter)),
            Step::Verify(flight, waiter) => {
                worker.launch(flight, key.into_presented_key());
                return Some(self.pending(fingerprint, waiter));
            }
        };
        Some(Attempt::Decided(decision))
    }

    fn pending(&self, fingerprint: Fingerprint, waiter: Waiter) -> Attempt {
        let authenticator = self.clone();
        Attempt::Pending(PendingVerification {
            authenticator,
            fingerprint,
            waiter,
            takes_stale: true,
            answer: None,
        })
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Waits for a verification. If Kinde can't answer, an older answer serves if there is one; if `takes_stale`, it serves
    /// also when Kinde does not answer soon. The flight has its own time limit, so nothing here needs a timer.
    async fn outcome(
        self,
        key: Fingerprint,
        waiter: Waiter,
        takes_stale: bool,
    ) -> Result<VerifiedKey, Denial> {
        let Shared { engine, clock, style, .. } = &*self.0;
        let stale = |now: Instant| engine.stale(&key, now).map(|answer| VerifiedKey::from_cache(answer, now));
        let mut heeds_slowness = takes_stale;
        let outcome = loop {
            match waiter.news(heeds_slowness).await {
                News::Landed(outcome) => break outcome,
                News::Slow => match stale(clock.now()) {
                    Some(key) => return Ok(key),
                    None => heeds_slowness = false,
                },
            }
        };
        match outcome {
            Outcome::Accepted(answer) => Ok(VerifiedKey::from_verifier(answer, clock.now())),
            Outcome::Refused(refusal) => Err(style.refused(refusal)),
            Outcome::Limited(limited) => Err(style.limited(limited)),
            Outcome::Failed { fault, older_may_serve } => {
                let older = if older_may_serve { stale(clock.now()) } else { None };
                older.ok_or_else(|| style.server_fault(fault))
            }
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
#[must_use]
pub struct PendingVerification {
    authenticator: Authenticator,
    fingerprint: Fingerprint,
    waiter: Waiter,
    takes_stale: bool,
    answer: Option<Pin<Box<Answering>>>,
}

type Answering = dyn Future<Output = Result<VerifiedKey, Denial>> + Send + Sync;

impl PendingVerification {
    /// The same, for a key that is to be checked against this policy: where the policy refuses stale answers
    /// ([`Policy::fresh`]), a slow Kinde is waited for, for as long as a verification may take.
    pub fn for_policy(mut self, policy: &Policy) -> Self {
        if policy.refuses_stale() {
            self.takes_stale = false;
            self.answer = None;
        }
        self
    }
}

impl Clone for PendingVerification {
    fn clone(&self) -> Self {
        let Self { authenticator, fingerprint, waiter, takes_stale, answer: _ } = self;
        Self {
            authenticator: authenticator.clone(),
            fingerprint: *fingerprint,
            waiter: waiter.clone(),
            takes_stale: *takes_stale,
            answer: None,
        }
    }
}

impl Future for PendingVerification {
    type Output = Result<VerifiedKey, Denial>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { authenticator, fingerprint, waiter, takes_stale, answer } = &mut *self;
        let answer = answer.get_or_insert_with(|| {
            waiter.enter();
            Box::pin(authenticator.clone().outcome(*fingerprint, waiter.clone(), *takes_stale))
        });
        let answer = ready!(answer.as_mut().poll(context));
        waiter.leave();
        Poll::Ready(answer)
    }
}

impl fmt::Debug for PendingVerification {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PendingVerification(..)")
    }
}

/// A key that Kinde says is valid and active: the caller's identity. Cheap to clone.
///
/// It dereferences to the [`Verification`], and says where the answer came from and how old it is.
#[derive(Debug, Clone)]
pub struct VerifiedKey {
    answer: Arc<CachedKey>,
    decided_at: Instant,
    from_cache: bool,
    stale: bool,
}

impl VerifiedKey {
    fn fresh(answer: Arc<CachedKey>, now: Instant) -> Self {
        Self { answer, decided_at: now, from_cache: true, stale: false }
    }

    fn from_cache(answer: Arc<CachedKey>, now: Instant) -> Self {
        let stale = answer.freshness(now) != Freshness::Fresh;
        Self { answer, decided_at: now, from_cache: true, stale }
    }

    fn from_verifier(answer: Arc<CachedKey>, now: Instant) -> Self {
        Self { answer, decided_at: now, from_cache: false, stale: false }
    }

    /// Whether the answer came from the cache, rather than from Kinde for this request.
    #[must_use]
    pub fn is_from_cache(&self) -> bool {
        self.from_cache
    }

    /// Whether the answer has outlived its time to live, and serves only because Kinde can't answer, not soon, or is not to be
    /// asked now ([`stale_if_error`](AuthenticatorBuilder::stale_if_error)).
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// How long before this request the answer was asked for.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.answer.age(self.decided_at)
    }
}

impl PartialEq for VerifiedKey {
    fn eq(&self, other: &Self) -> bool {
        self.answer.verification == other.answer.verification && self.stale == other.stale
    }
}

impl Eq for VerifiedKey {}

impl Deref for VerifiedKey {
    type Target = Verification;

    fn deref(&self) -> &Verification {
        &self.answer.verification
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
