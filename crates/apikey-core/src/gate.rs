//! The one place that decides whether a request may pass.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::attempt::{Attempt, PendingVerification, State};
use crate::authenticator::Authenticator;
use crate::decision_log::{self, Facts};
use crate::denial::{Audience, Denial};
use crate::policy::Policy;
use crate::request::RequestHead;
use crate::verified_key::VerifiedKey;
use crate::view::View;

/// An authenticator and a policy. This is every adapter's only way to a decision.
///
/// An adapter begins an [`Attempt`] and hands it to the gate, which decides. The gate refuses a request without a
/// key, checks the policy, and waits for a fresh answer if the policy asks for one ([`Policy::fresh`]). It makes a denial
/// the answer to its request, and notes each decision in the log. So an adapter can't forget one of these.
///
/// # In the log and in spans
///
/// Each decision is one event. A refusal has the level `DEBUG`, a failure of Kinde's `WARN`, a failure of this
/// service's `ERROR`, and an acceptance `TRACE`. In an outage, each refused request is a line. To turn these off, filter the target
/// `apikey_core::decision_log`. The event's fields are `apikey.outcome` (`accepted`, `denied` or
/// `anonymous`), `apikey.code` and `apikey.key_id`. They are recorded in the current span, too, if it declares them. If it
/// declares `apikey.organization` or `apikey.user`, the owner of the key is recorded there. If code
/// asks several times about one request, such as several branches of a router, each answer is an event, and the last
/// `apikey.outcome` of the span is that of the request:
///
/// ```
/// use tracing::field::Empty;
///
/// let span = tracing::info_span!("request", apikey.outcome = Empty, apikey.code = Empty, apikey.key_id = Empty);
/// ```
///
/// ```
/// use apikey_core::{Authenticator, Decision, Denial, Policy, RequestHead, VerifiedKey};
///
/// async fn admit(keys: &Authenticator, request: &impl RequestHead) -> Result<VerifiedKey, Denial> {
///     let policy = Policy::scope("read:users");
///     let attempt = keys.begin(request);
///     match keys.gate(&policy).decide(attempt, request, |key| key) {
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
    /// Decides for a route that requires a key. `wrap` makes the adapter's own type of the key. A denial answers the
    /// `request`, which must be the one that the attempt is about.
    #[inline]
    pub fn decide<K>(
        &self,
        attempt: Attempt,
        request: &impl RequestHead,
        wrap: fn(VerifiedKey) -> K,
    ) -> Decision<K> {
        match self.open(attempt) {
            State::Decided(Ok(key)) => Decision::Decided(self.pass(key, request).map(wrap)),
            State::Anonymous => self.refuse(self.authenticator.0.style.missing_key(), request),
            State::Decided(Err(denial)) => self.refuse(denial, request),
            State::Pending(pending) => self.pending(*pending, request, Wrap::Key(wrap)),
        }
    }

    /// Decides for a route with an optional key. A request that presents nothing passes. If a request presents a key,
    /// that key must be valid and active.
    #[inline]
    pub fn decide_optional<K>(
        &self,
        attempt: Attempt,
        request: &impl RequestHead,
        wrap: fn(Option<VerifiedKey>) -> K,
    ) -> Decision<K> {
        match self.open(attempt) {
            State::Decided(Ok(key)) => Decision::Decided(self.pass(key, request).map(|key| wrap(Some(key)))),
            State::Anonymous => {
                let view = &self.authenticator.0;
                decision_log::anonymous(view, self.policy, || Facts::of(view, request));
                Decision::Decided(Ok(wrap(None)))
            }
            State::Decided(Err(denial)) => self.refuse(denial, request),
            State::Pending(pending) => self.pending(*pending, request, Wrap::Optional(wrap)),
        }
    }

    #[inline]
    fn open(&self, attempt: Attempt) -> State {
        if attempt.is_of(&self.authenticator.0) { attempt.state } else { of_another_authenticator() }
    }

    #[inline]
    fn pass(&self, key: VerifiedKey, request: &impl RequestHead) -> Result<VerifiedKey, Denial> {
        if self.policy.allows(key.verification(), !key.is_stale()) {
            let view = &self.authenticator.0;
            decision_log::accepted(view, &key, self.policy, || Facts::of(view, request));
            return Ok(key);
        }
        self.fall_short(key, request)
    }

    /// Says what the key lacks, unless the policy asks for the scope of the request's operation and the key has that.
    #[cold]
    fn fall_short(&self, key: VerifiedKey, request: &impl RequestHead) -> Result<VerifiedKey, Denial> {
        let view = &self.authenticator.0;
        match authorize(view, &key, self.policy, || Operation::of(request)) {
            Ok(policy) => {
                decision_log::accepted(view, &key, &policy, || Facts::of(view, request));
                Ok(key)
            }
            Err(denial) => Err(self.denied(denial, request, Some(&key))),
        }
    }

    #[cold]
    fn refuse<K>(&self, denial: Denial, request: &impl RequestHead) -> Decision<K> {
        Decision::Decided(Err(self.denied(denial, request, None)))
    }

    #[cold]
    fn denied(&self, denial: Denial, request: &impl RequestHead, key: Option<&VerifiedKey>) -> Denial {
        let view = &self.authenticator.0;
        let facts = Facts::of(view, request);
        let asker = Asker { policy: self.policy, facts: facts.as_deref() };
        denied(view, denial, view.style.audience(request), key, asker)
    }

    #[cold]
    fn pending<K>(
        &self,
        mut pending: PendingVerification,
        request: &impl RequestHead,
        wrap: Wrap<K>,
    ) -> Decision<K> {
        if self.policy.refuses_stale() {
            pending.refuse_stale_answers();
        }
        let policy = self.policy.clone();
        let operation = policy.asks_for_operation().then(|| Operation::of(request)).flatten();
        let view = pending.view();
        let (audience, facts) = (view.style.audience(request), Facts::of(view, request));
        Decision::Pending(PendingDecision(Box::new(Waiting {
            pending,
            policy,
            operation,
            audience,
            facts,
            wrap,
        })))
    }
}

/// The operation that a request asks for.
struct Operation {
    method: String,
    route: String,
}

impl Operation {
    fn of(request: &impl RequestHead) -> Option<Self> {
        let (method, route) = request.operation()?;
        Some(Self { method: method.to_owned(), route: route.into_owned() })
    }
}

/// Checks a key. Returns the policy that it satisfies, with the scope of the operation in it if the policy asks for that.
///
/// # Errors
/// [`Denial`], also if it is not known which operation that is, or how Kinde names its scope.
fn authorize<'p>(
    view: &View,
    key: &VerifiedKey,
    policy: &'p Policy,
    operation: impl FnOnce() -> Option<Operation>,
) -> Result<Cow<'p, Policy>, Denial> {
    if !policy.asks_for_operation() || policy.allows(key.verification(), !key.is_stale()) {
        return view.authorize(key, policy).map(|()| Cow::Borrowed(policy));
    }
    let Some(Operation { method, route }) = operation() else {
        return Err(Denial::wiring_mistake(
            "Policy::kinde_operation() needs the route whose handler answers, and it is not certain here: use the policy in an \
             extractor or around one route, or name the operation with Policy::kinde_operation_of()",
        ));
    };
    let policy = policy.for_operation(&method, &route).map_err(|unnamed| {
        Denial::wiring_mistake(&format!(
            "Policy::kinde_operation() can't name the scope of a route: {unnamed}"
        ))
    })?;
    view.authorize(key, &policy).map(|()| Cow::Owned(policy))
}

#[cold]
fn of_another_authenticator() -> State {
    State::Decided(Err(Denial::wiring_mistake(
        "an attempt of one authenticator was given to the gate of another one",
    )))
}

/// What asked for the decision.
#[derive(Clone, Copy)]
struct Asker<'a> {
    policy: &'a Policy,
    facts: Option<&'a Facts>,
}

/// The denial as it leaves the gate.
#[cold]
fn denied(
    view: &View,
    denial: Denial,
    audience: Option<Box<Audience>>,
    key: Option<&VerifiedKey>,
    Asker { policy, facts }: Asker<'_>,
) -> Denial {
    decision_log::denied(view, &denial, key, Some(policy), facts);
    denial.presented_as(&view.style, audience)
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
    operation: Option<Operation>,
    audience: Option<Box<Audience>>,
    facts: Option<Box<Facts>>,
    wrap: Wrap<K>,
}

enum Wrap<K> {
    Key(fn(VerifiedKey) -> K),
    Optional(fn(Option<VerifiedKey>) -> K),
}

impl<K> Future for PendingDecision<K> {
    type Output = Result<K, Denial>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Waiting { pending, policy, operation, audience, facts, wrap } = &mut *self.0;
        let decision = ready!(Pin::new(&mut *pending).poll(context));
        let (view, asker) = (pending.view(), Asker { policy, facts: facts.as_deref() });
        let key = match decision {
            Ok(key) => key,
            Err(denial) => return Poll::Ready(Err(denied(view, denial, audience.take(), None, asker))),
        };
        let policy = match authorize(view, &key, policy, || operation.take()) {
            Ok(policy) => policy,
            Err(denial) => {
                return Poll::Ready(Err(denied(view, denial, audience.take(), Some(&key), asker)));
            }
        };
        decision_log::accepted(view, &key, &policy, || facts.take());
        Poll::Ready(Ok(match wrap {
            Wrap::Key(wrap) => wrap(key),
            Wrap::Optional(wrap) => wrap(Some(key)),
        }))
    }
}

impl<K> fmt::Debug for PendingDecision<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PendingDecision(..)")
    }
}
