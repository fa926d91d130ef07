//! The value that an application builds and asks.

use std::fmt;
use std::sync::Arc;

use crate::decision_log;
use crate::denial::Denial;
use crate::engine::Purge;
use crate::key::{Credential, MalformedKey, PresentedKey};
use crate::policy::Policy;
use crate::removal::Removal;
use crate::request::RequestHead;
use crate::telemetry::{Statistics, fleet_samples};
use crate::verified_key::VerifiedKey;
use crate::verifier::Health;
use crate::view::View;

/// Authenticates requests by API keys. Build one at start-up. Clones are cheap and share everything.
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
pub struct Authenticator(pub(crate) Arc<View>);

impl Authenticator {
    /// Finds the key that a request presents, and verifies it. The attempt begins when you call this, not when you
    /// poll the future, so the future does not borrow the request.
    ///
    /// It checks no policy: call [`authorize`](Self::authorize) with the key, or let a [`gate`](Self::gate) decide.
    ///
    /// # Errors
    /// [`Denial`], also if the request presents no key.
    pub fn authenticate<R: RequestHead>(
        &self,
        request: &R,
    ) -> impl Future<Output = Result<VerifiedKey, Denial>> + Send + 'static + use<R> {
        self.gate(&Policy::any_key()).decide(self.begin(request), request, |key| key).wait()
    }

    /// Verifies a key that did not come with a request, for example from a queue. It counts as no client's attempt.
    ///
    /// # Errors
    /// [`Denial`], if the key is not let in or could not be judged.
    pub async fn verify(&self, key: PresentedKey) -> Result<VerifiedKey, Denial> {
        let attempt = self.0.begin_if_accepted(Credential::from(key), &|| None);
        attempt.outcome().await?.ok_or_else(|| self.0.style.missing_key())
    }

    /// Checks a verified key against a policy. If the policy is [`Policy::fresh`], it refuses a stale answer. A
    /// [`gate`](Self::gate) waits for a fresh one instead.
    ///
    /// A denial is noted in the log and in the span, as at a gate, also if the caller only wants to know.
    ///
    /// It knows no request. So its denial is never a gRPC answer, and a
    /// [`denial_renderer`](crate::AuthenticatorBuilder::denial_renderer) learns nothing about the caller.
    ///
    /// # Errors
    /// [`Denial`], if the key lacks scopes or an owner, or if the answer about it is stale.
    pub fn authorize(&self, key: &VerifiedKey, policy: &Policy) -> Result<(), Denial> {
        self.0.authorize(key, policy).inspect_err(|denial| {
            decision_log::denied(&self.0, denial, Some(key), Some(policy), None);
        })
    }

    /// Checks whether verifying works, with no customer's key. It reaches Kinde, gets a token, and proves that the
    /// token may verify. If Kinde can't answer, it asks a second time. Callers within one second share an outcome.
    /// Call it at start-up, so that you learn of a wrong set-up before the first request.
    ///
    /// ```no_run
    /// # async fn example(authenticator: apikey_core::Authenticator) -> Result<(), apikey_core::VerifierError> {
    /// authenticator.check().await.into_result()?;
    /// # Ok(()) }
    /// ```
    pub async fn check(&self) -> Health {
        self.0.worker.check().await
    }

    /// Forgets one key, for example after its revocation. The next request with it asks Kinde again. An answer that
    /// was asked for before this call is neither cached nor served after it, and no outage brings the key back.
    /// Await the [`Removal`] to learn that the other instances of a fleet will have heard of it, too.
    ///
    /// # Errors
    /// [`MalformedKey`], if the text can't be a key.
    pub fn remove(&self, key: &str) -> Result<Removal, MalformedKey> {
        let key = PresentedKey::parse(key)?;
        Ok(self.0.remove([Purge::Key(self.0.engine.fingerprint(key.expose()))]))
    }

    /// Forgets the key with this id, with the same guarantee as [`remove`](Self::remove).
    ///
    /// There is one exception. A refusal carries no key id, so it can't be matched to this call. All remembered
    /// refusals are forgotten ([`negative_time_to_live`](crate::AuthenticatorBuilder::negative_time_to_live)). If a
    /// refusal was asked for before this call, callers that already wait for it get it. It is not cached.
    pub fn remove_key_id(&self, key_id: &str) -> Removal {
        self.0.remove([Purge::KeyId(key_id.into())])
    }

    /// Forgets the keys with these ids, with the same guarantee as [`remove_key_id`](Self::remove_key_id) for each.
    /// However many ids there are, no request waits for this call, and it makes no verification of another key fail or
    /// start again.
    pub fn remove_key_ids(&self, ids: impl IntoIterator<Item = impl AsRef<str>>) -> Removal {
        self.0.remove(ids.into_iter().map(|id| Purge::KeyId(id.as_ref().into())))
    }

    /// Forgets the keys of this user, with the same guarantee as [`remove_key_id`](Self::remove_key_id). It inspects
    /// every cached key, a few at a time, so that no request waits for it. No key has the empty id.
    pub fn remove_user(&self, user_id: &str) -> Removal {
        self.0.remove((!user_id.is_empty()).then(|| Purge::User(user_id.into())))
    }

    /// Forgets the keys of this organization, with the same guarantee as [`remove_key_id`](Self::remove_key_id). It
    /// inspects every cached key, a few at a time, so that no request waits for it. No key has the empty code.
    pub fn remove_organization(&self, organization_code: &str) -> Removal {
        let is_one = !organization_code.is_empty();
        self.0.remove(is_one.then(|| Purge::Organization(organization_code.into())))
    }

    /// Forgets every key, with the same guarantee as [`remove`](Self::remove). It removes them a few at a time, so that
    /// no request waits for it.
    pub fn clear(&self) -> Removal {
        self.0.remove([Purge::Everything])
    }

    /// The cached answers for this key id: one for each of its secrets that was presented. At Kinde a key has one
    /// secret, so there is at most one answer. It makes no call, and does not count as use of the key.
    ///
    /// ```
    /// # fn example(keys: &apikey_core::Authenticator) {
    /// for answer in keys.cached("api_key_123") {
    ///     println!("{} is {} s old", answer.key_id(), answer.age().as_secs());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn cached(&self, key_id: &str) -> Vec<VerifiedKey> {
        let now = self.0.clock.now();
        let answers = self.0.engine.cached(key_id, now);
        answers.into_iter().map(|answer| self.0.verified_from_cache(answer, now)).collect()
    }

    /// A snapshot of everything that this authenticator counts: decisions, verifications, calls to Kinde, and the state of
    /// its parts. Views that are made with [`with_options`](Self::with_options) count in the same place.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let View { telemetry, engine, worker, peers, .. } = &*self.0;
        let mut samples = Vec::new();
        telemetry.decisions(&mut samples);
        engine.gauges(&mut samples);
        worker.gauges(&mut samples);
        match peers {
            Some(peers) => peers.samples(&mut samples),
            None => fleet_samples(&mut samples, true, 0, [0; 3]),
        }
        telemetry.rest(&mut samples);
        Statistics::new(samples)
    }

    /// How many keys are cached. An expired answer counts until the cache needs its room.
    #[must_use]
    pub fn cached_keys(&self) -> usize {
        self.0.engine.cached_keys()
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
