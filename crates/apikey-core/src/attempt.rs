//! One request's attempt to be let in: what is known at once, and the future of what is not.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use crate::client::Client;
use crate::denial::Denial;
use crate::engine::{CROWDED, CachedKey, LandedAnswer, News, Outcome, Step, Waiter};
use crate::extract::Malformed;
use crate::key::{Credential, Fingerprint};
use crate::telemetry::AnswerSource;
use crate::verified_key::VerifiedKey;
use crate::verifier::ServerFault;
use crate::view::View;

/// One request's attempt to be let in: what is known at once.
///
/// Adapters hand it to a [`Gate`](crate::Gate). Everything else calls
/// [`authenticate`](crate::Authenticator::authenticate).
///
/// An attempt counts for one request, and only at the gate of the authenticator that made it. It does not age, so an
/// adapter must not keep it for longer than its request. A [`Memo`](crate::Memo) shares it within the request.
#[derive(Debug)]
#[must_use]
pub struct Attempt {
    pub(crate) state: State,
    /// The address of the view that made it; 0 for a denial, which counts everywhere.
    made_by: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum State {
    /// The request presents no key.
    Anonymous,
    /// It was answered without waiting.
    Decided(Result<VerifiedKey, Denial>),
    /// The verifier must be asked. Boxed, so that a decided attempt is small and cheap to move.
    Pending(Box<PendingVerification>),
}

impl Attempt {
    /// An attempt that fails with this denial. An adapter makes one if it finds that it is wired wrong
    /// ([`Denial::wiring_mistake`]).
    pub fn denied(denial: Denial) -> Self {
        Self { state: State::Decided(Err(denial)), made_by: 0 }
    }

    /// Returns the same attempt, because a later layer or extractor of its request may need it.
    pub(crate) fn again(&self) -> Self {
        Self { state: self.state.clone(), made_by: self.made_by }
    }

    /// Whether this view made it.
    pub(crate) fn is_of(&self, view: &Arc<View>) -> bool {
        self.made_by == address(view) || self.made_by == 0
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Pending(_))
    }

    /// Whether the attempt waits for a verification of this key.
    pub(crate) fn waits_for(&self, key: Fingerprint) -> bool {
        matches!(&self.state, State::Pending(pending) if pending.fingerprint == key)
    }

    /// The outcome. `None` if the request presents no key.
    pub(crate) async fn outcome(self) -> Result<Option<VerifiedKey>, Denial> {
        match self.state {
            State::Anonymous => Ok(None),
            State::Decided(decision) => decision.map(Some),
            State::Pending(pending) => pending.await.map(Some),
        }
    }
}

fn address(view: &Arc<View>) -> usize {
    Arc::as_ptr(view).addr()
}

impl View {
    /// An attempt of this view's.
    pub(crate) fn attempt(self: &Arc<Self>, state: State) -> Attempt {
        Attempt { state, made_by: address(self) }
    }

    /// Begins an attempt with a key that [`extract`](crate::extract::Extraction::extract) has just found.
    pub(crate) fn begin(
        self: &Arc<Self>,
        key: Credential<'_>,
        client: &dyn Fn() -> Option<Client>,
    ) -> Attempt {
        let now = self.clock.now();
        let fingerprint = self.engine.fingerprint(key.as_bytes());
        match self.step(fingerprint, client, now) {
            Step::Hit(answer) => self.attempt(State::Decided(Ok(VerifiedKey::fresh(answer, now)))),
            step => self
                .follow(step, fingerprint, key, now)
                .unwrap_or_else(|| Attempt::denied(self.style.unavailable(CROWDED))),
        }
    }

    /// [`begin`](Self::begin) for a key that extraction has not just found.
    pub(crate) fn begin_if_accepted(
        self: &Arc<Self>,
        key: Credential<'_>,
        client: &dyn Fn() -> Option<Client>,
    ) -> Attempt {
        if self.extraction.accepts(key.as_bytes()) {
            self.begin(key, client)
        } else {
            Attempt::denied(self.style.malformed(Malformed::Format))
        }
    }

    /// [`begin`](Self::begin) for a key that came with no request. `None` if too many callers ask already.
    pub(crate) fn begin_or_crowded(self: &Arc<Self>, key: Credential<'_>) -> Option<Attempt> {
        let now = self.clock.now();
        let fingerprint = self.engine.fingerprint(key.as_bytes());
        let mut step = self.step(fingerprint, &|| None, now);
        if let Step::Verify(flight, _) = &mut step {
            flight.wait_for_room();
        }
        self.follow(step, fingerprint, key, now)
    }

    /// Always inlined, because whether the compiler does it by itself depends on code far from here. It saves 34 of 1,400
    /// instructions of a hit.
    #[inline(always)]
    fn step(&self, key: Fingerprint, client: &dyn Fn() -> Option<Client>, now: Instant) -> Step {
        match &self.rules {
            None => self.engine.step(key, client, now),
            Some(rules) => self.engine.step_by(key, client, rules, now),
        }
    }

    /// Does what the engine says. `None` if too many callers ask already.
    #[inline(never)]
    fn follow(
        self: &Arc<Self>,
        step: Step,
        fingerprint: Fingerprint,
        key: Credential<'_>,
        now: Instant,
    ) -> Option<Attempt> {
        let Self { worker, style, .. } = &**self;
        let decision = match step {
            Step::Hit(answer) => Ok(VerifiedKey::fresh(answer, now)),
            Step::Refresh(answer, flight) => {
                worker.launch(flight, key.into_presented_key());
                Ok(VerifiedKey::fresh(answer, now))
            }
            Step::Stale(answer) => Ok(self.verified_from_cache(answer, now)),
            Step::Refused(refusal) => Err(style.refused(refusal).about(AnswerSource::Negative)),
            Step::Unavailable(wait) => Err(style.unavailable(wait)),
            Step::SetUp => Err(style.server_fault(ServerFault::Internal)),
            Step::Limited(limited) => {
                self.telemetry.limited();
                Err(style.limited(limited))
            }
            Step::Crowded => return None,
            Step::Wait(waiter) => {
                return Some(self.pending(fingerprint, waiter, AnswerSource::Coalesced));
            }
            Step::Verify(flight, waiter) => {
                worker.launch(flight, key.into_presented_key());
                return Some(self.pending(fingerprint, waiter, AnswerSource::Verified));
            }
        };
        Some(self.attempt(State::Decided(decision)))
    }

    fn pending(self: &Arc<Self>, fingerprint: Fingerprint, waiter: Waiter, source: AnswerSource) -> Attempt {
        let view = Arc::clone(self);
        self.attempt(State::Pending(Box::new(PendingVerification {
            view,
            fingerprint,
            waiter,
            source,
            takes_stale: true,
            has_looked: Arc::default(),
            answer: None,
        })))
    }

    /// Waits for a verification. If Kinde can't answer, the stale answer serves if there is one. If `takes_stale`, it
    /// also serves if Kinde is slow. The flight has its own time limit, so nothing here needs a timer.
    async fn outcome(
        self: Arc<Self>,
        key: Fingerprint,
        waiter: Waiter,
        source: AnswerSource,
        takes_stale: bool,
        has_looked: Arc<AtomicBool>,
    ) -> Result<VerifiedKey, Denial> {
        let Self { engine, clock, style, rules, timeout, .. } = &*self;
        let max_age = rules.as_ref().and_then(|rules| rules.max_age);
        let older = |now: Instant| {
            let answer = engine.stale(&key, max_age, now)?;
            Some(self.verified_from_cache(answer, now))
        };
        let mut heeds_slowness = takes_stale;
        let outcome = loop {
            match waiter.news(heeds_slowness).await {
                News::Landed(outcome) => break outcome,
                News::Slow => match older(clock.now()) {
                    Some(key) => return Ok(key),
                    None => heeds_slowness = false,
                },
            }
        };
        // Only the first look of a request counts. A request that was let in stays let in, however late it looks again.
        let current = |landed: &LandedAnswer, may_serve: &dyn Fn(&CachedKey) -> bool| {
            if has_looked.load(Ordering::Relaxed) {
                return Some(landed.answer());
            }
            let answer = engine.landed(landed).filter(|answer| may_serve(answer))?;
            has_looked.store(true, Ordering::Relaxed);
            Some(answer)
        };
        let void = |source| style.server_fault(ServerFault::UNAVAILABLE).about(source);
        match outcome {
            Outcome::Accepted(landed) => {
                let now = clock.now();
                // The verification may have begun before this request, and then its answer is older than the request.
                let largest = max_age.map(|max_age| max_age.saturating_add(*timeout));
                let answer = current(&landed, &|_| true).filter(|answer| answer.is_within(largest, now));
                answer
                    .map(|answer| VerifiedKey::from_verifier(answer, source, now))
                    .ok_or_else(|| void(source))
            }
            Outcome::Shared(landed) => {
                let now = clock.now();
                let source = AnswerSource::Shared;
                // It was fresh when it came. Who waits for a verification may ask for its outcome much later.
                let answer = current(&landed, &|answer| engine.was_fresh(answer, *timeout, now));
                answer
                    .map(|answer| VerifiedKey::from_verifier(answer, source, now))
                    .ok_or_else(|| void(source))
            }
            Outcome::Refused(refusal) => Err(style.refused(refusal).about(source)),
            Outcome::Limited(limited) => {
                self.telemetry.limited();
                Err(style.limited(limited).about(source))
            }
            Outcome::Failed { fault, stale_may_serve } => {
                let older = if stale_may_serve { older(clock.now()) } else { None };
                older.ok_or_else(|| style.server_fault(fault).about(source))
            }
        }
    }
}

/// A verification that is under way, as a future. If it is dropped, the verification goes on, because other requests
/// may wait for it, too. Clones wait for the same verification.
#[must_use]
pub(crate) struct PendingVerification {
    view: Arc<View>,
    fingerprint: Fingerprint,
    waiter: Waiter,
    /// Who started the verification.
    source: AnswerSource,
    takes_stale: bool,
    /// The answer was current when the request looked at it first. All clones are of one request.
    has_looked: Arc<AtomicBool>,
    answer: Option<Pin<Box<Answering>>>,
}

type Answering = dyn Future<Output = Result<VerifiedKey, Denial>> + Send + Sync;

impl PendingVerification {
    /// From now on it waits for a slow Kinde, for up to the verification timeout, even if there is a stale answer.
    pub(crate) fn refuse_stale_answers(&mut self) {
        self.takes_stale = false;
        self.answer = None;
    }

    /// The view that words the denials.
    pub(crate) fn view(&self) -> &Arc<View> {
        &self.view
    }
}

impl Clone for PendingVerification {
    fn clone(&self) -> Self {
        let Self { view, fingerprint, waiter, source, takes_stale, has_looked, answer: _ } = self;
        Self {
            view: Arc::clone(view),
            fingerprint: *fingerprint,
            waiter: waiter.clone(),
            source: *source,
            takes_stale: *takes_stale,
            has_looked: Arc::clone(has_looked),
            answer: None,
        }
    }
}

impl Future for PendingVerification {
    type Output = Result<VerifiedKey, Denial>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { view, fingerprint, waiter, source, takes_stale, has_looked, answer } = &mut *self;
        let answer = answer.get_or_insert_with(|| {
            waiter.enter();
            let has_looked = Arc::clone(has_looked);
            Box::pin(Arc::clone(view).outcome(
                *fingerprint,
                waiter.clone(),
                *source,
                *takes_stale,
                has_looked,
            ))
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
