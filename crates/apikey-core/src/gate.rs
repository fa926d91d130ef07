//! The one place that decides whether a request may pass.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::attempt::{Attempt, PendingVerification, State};
use crate::authenticator::Authenticator;
use crate::denial::Denial;
use crate::policy::Policy;
use crate::verified_key::VerifiedKey;

/// An authenticator and a policy. This is every adapter's only way to a decision.
///
/// An adapter begins an [`Attempt`] and hands it to the gate, which decides. The gate refuses a request without a
/// key, checks the policy, and waits for a fresh answer if the policy asks for one ([`Policy::fresh`]). So an adapter
/// can't forget one of these.
///
/// ```
/// use apikey_core::{Authenticator, Decision, Denial, Policy, RequestHead, VerifiedKey};
///
/// async fn admit(keys: &Authenticator, request: &impl RequestHead) -> Result<VerifiedKey, Denial> {
///     let policy = Policy::scope("read:users");
///     let attempt = keys.begin(request);
///     match keys.gate(&policy).decide(attempt, |key| key) {
///         Decision::Decided(decision) => decision, // without waiting: on a cached key, for example
///         Decision::Pending(pending) => pending.await,
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    authenticator: &'a Authenticator,
    policy: &'a Policy,
}

/// What a [`Gate`] decides about an attempt. `K` is what the adapter makes of the key.
#[derive(Debug)]
#[must_use = "a request may only pass if the decision says so"]
pub enum Decision<K> {
    /// It is decided.
    Decided(Result<K, Denial>),
    /// The verifier must be asked first.
    Pending(PendingDecision<K>),
}

impl<K> Decision<K> {
    /// Waits for the decision.
    ///
    /// # Errors
    /// [`Denial`], if the request may not pass.
    pub async fn wait(self) -> Result<K, Denial> {
        match self {
            Self::Decided(decision) => decision,
            Self::Pending(pending) => pending.await,
        }
    }
}

impl Authenticator {
    /// The gate that lets a request pass only if its key satisfies this policy.
    #[must_use]
    pub fn gate<'a>(&'a self, policy: &'a Policy) -> Gate<'a> {
        Gate { authenticator: self, policy }
    }
}

impl Gate<'_> {
    /// Decides for a route that requires a key. `wrap` makes the adapter's own type of the key.
    #[inline]
    pub fn decide<K>(&self, attempt: Attempt, wrap: fn(VerifiedKey) -> K) -> Decision<K> {
        let view = &self.authenticator.0;
        if !attempt.is_of(view) {
            return Decision::Decided(Err(of_another_authenticator()));
        }
        match attempt.state {
            State::Anonymous => Decision::Decided(Err(view.style.missing_key())),
            State::Decided(decision) => Decision::Decided(
                decision.and_then(|key| view.authorize(&key, self.policy).map(|()| wrap(key))),
            ),
            State::Pending(pending) => self.pending(*pending, Wrap::Key(wrap)),
        }
    }

    /// Decides for a route with an optional key. A request that presents nothing passes. If a request presents a key,
    /// that key must be valid and active.
    #[inline]
    pub fn decide_optional<K>(&self, attempt: Attempt, wrap: fn(Option<VerifiedKey>) -> K) -> Decision<K> {
        let view = &self.authenticator.0;
        if !attempt.is_of(view) {
            return Decision::Decided(Err(of_another_authenticator()));
        }
        match attempt.state {
            State::Anonymous => Decision::Decided(Ok(wrap(None))),
            State::Decided(decision) => Decision::Decided(
                decision.and_then(|key| view.authorize(&key, self.policy).map(|()| wrap(Some(key)))),
            ),
            State::Pending(pending) => self.pending(*pending, Wrap::Optional(wrap)),
        }
    }

    #[cold]
    fn pending<K>(&self, mut pending: PendingVerification, wrap: Wrap<K>) -> Decision<K> {
        if self.policy.refuses_stale() {
            pending.refuse_stale_answers();
        }
        let policy = self.policy.clone();
        Decision::Pending(PendingDecision(Box::new(Waiting { pending, policy, wrap })))
    }
}

#[cold]
fn of_another_authenticator() -> Denial {
    Denial::wiring_mistake("an attempt of one authenticator was given to the gate of another one")
}

/// A decision that waits for a verification, as a future. Dropping it cancels no verification.
///
/// # Errors
/// [`Denial`], if the request may not pass.
#[must_use = "futures do nothing unless they are polled"]
pub struct PendingDecision<K>(Box<Waiting<K>>);

struct Waiting<K> {
    pending: PendingVerification,
    policy: Policy,
    wrap: Wrap<K>,
}

enum Wrap<K> {
    Key(fn(VerifiedKey) -> K),
    Optional(fn(Option<VerifiedKey>) -> K),
}

impl<K> Future for PendingDecision<K> {
    type Output = Result<K, Denial>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Waiting { pending, policy, wrap } = &mut *self.0;
        let decision = ready!(Pin::new(&mut *pending).poll(context));
        Poll::Ready(decision.and_then(|key| {
            pending.view().authorize(&key, policy)?;
            Ok(match wrap {
                Wrap::Key(wrap) => wrap(key),
                Wrap::Optional(wrap) => wrap(Some(key)),
            })
        }))
    }
}

impl<K> fmt::Debug for PendingDecision<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PendingDecision(..)")
    }
}
