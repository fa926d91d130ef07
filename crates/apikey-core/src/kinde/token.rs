//! The service's own token: one for everybody, renewed early, fetched by one task at a time.
//!
//! There are two generations. The current token stays in use until its successor was accepted, because whoever chooses a
//! key can draw answers that seem to be about the token. Every token costs money, so nothing that callers do may cause a
//! storm of fetches.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::age::{Age, AgeClock};
use super::fetch::{Fetch, Fetched, LONGEST_FETCH, Token, TokenFetcher};
use super::http::Connection;
use crate::log_gate::LogGate;
use crate::verifier::{FailureClass, VerifierError};

/// A token is renewed when this part of its lifetime is left.
const EARLY: u32 = 10;
/// After an early renewal, the next one is tried after this long if the current token is still in use.
const EARLY_RETRY: Duration = Duration::from_secs(30);
/// After a refusal has bought a new token, no refusal buys another for this long, unless that one proves useful: junk
/// keys may draw 401s.
const RENEWAL_PAUSE: Duration = Duration::from_secs(60);
/// A successor whose trial told nothing is tried again after this long.
const NEXT_TRIAL: Duration = Duration::from_secs(1);
/// So many failed fetches in a row are a set-up that is wrong; a few may be somebody mending it.
const PATIENCE: u32 = 16;
/// From then on, everybody hears of the failure for this long, and nobody fetches: a flood of junk keys must not become
/// one of fetches. Real time, because it is a matter of load and not of expiry.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct TokenSource(Arc<Inner>);

pub(super) struct Inner {
    fetcher: Arc<TokenFetcher>,
    age: Arc<AgeClock>,
    state: Mutex<State>,
    log: LogGate,
}

#[derive(Default)]
struct State {
    current: Option<Held>,
    successor: Option<Successor>,
    fetch: Option<Fetch>,
    fetches: u64,
    renewals_paused_until: Option<Duration>,
    failures_in_a_row: u32,
    /// Why the latest fetch failed, and until when that is answer enough.
    failure: Option<(VerifierError, std::time::Instant)>,
}

struct Held {
    token: Arc<Token>,
    renew_at: Duration,
    expires_at: Duration,
}

/// A token that was not accepted yet.
struct Successor {
    held: Held,
    /// When a call may try it that has no reason to doubt the current token; `None` if no such call may.
    try_at: Option<Duration>,
    is_on_trial: bool,
    /// Some key drew a refusal with it, and with the current token: nobody knows whether it was the key.
    was_refused: bool,
}

/// A token to ask with.
pub(super) struct Lease<'s> {
    pub(super) token: Arc<Token>,
    /// If the token is on trial.
    pub(super) trial: Option<Trial<'s>>,
}

/// One call tries a successor at a time. Unless the call tells how it went, another one may.
pub(super) struct Trial<'s>(&'s Inner);

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if let Some(successor) = &mut self.0.lock().successor {
            successor.is_on_trial = false;
        }
    }
}

impl TokenSource {
    pub(super) fn new(fetcher: TokenFetcher, age: Arc<AgeClock>) -> Self {
        let fetcher = Arc::new(fetcher);
        Self(Arc::new(Inner { fetcher, age, state: Mutex::default(), log: LogGate::default() }))
    }

    /// A token to verify a caller's key with: the current one, or a successor that is to be tried. Fetches one, on
    /// this connection, if there is none that lives.
    pub(super) async fn lease(&self, connection: Connection<'static>) -> Result<Lease<'_>, VerifierError> {
        let fetch = {
            let mut state = self.0.lock();
            let now = state.settle(&self.0.age);
            match state.due(now) {
                Due::Try(token) => return Ok(Lease { token, trial: Some(Trial(&self.0)) }),
                Due::Use(token) => return Ok(Lease { token, trial: None }),
                Due::Renew(token) => {
                    if state.fetch.as_ref().is_none_or(Fetch::is_over) {
                        let _nobody_waits = self.0.fetch(&mut state, connection);
                    }
                    return Ok(Lease { token, trial: None });
                }
                Due::Fetch => match state.remembered_failure(|error| error.class() == FailureClass::SetUp) {
                    Some(error) => return Err(error),
                    None => self.0.fetch(&mut state, connection),
                },
            }
        };
        Ok(Lease { token: outcome(fetch).await?, trial: None })
    }

    /// The current token as it is; fetches one only if there is none that lives.
    pub(super) async fn as_it_is(&self) -> Fetched {
        let fetch = {
            let mut state = self.0.lock();
            state.settle(&self.0.age);
            match &state.current {
                Some(held) => return Ok(Arc::clone(&held.token)),
                None => self.0.fetch(&mut state, Connection::New),
            }
        };
        outcome(fetch).await
    }

    /// The current token, if it is another than this successor.
    pub(super) fn current_beside(&self, successor: &Token) -> Option<Arc<Token>> {
        let mut state = self.0.lock();
        state.settle(&self.0.age);
        let current = state.current.as_ref().filter(|held| held.token.number != successor.number)?;
        Some(Arc::clone(&current.token))
    }

    /// The token to ask with after this one drew a refusal: one that came into use meanwhile, a successor, or a new one.
    /// `None` while nothing is to be renewed.
    pub(super) async fn successor_of(
        &self,
        doubted: &Token,
        connection: Connection<'static>,
    ) -> Option<Fetched> {
        let fetch = {
            let mut state = self.0.lock();
            let now = state.settle(&self.0.age);
            let is_paused = state.renewals_paused_until.is_some_and(|until| !now.has_reached(until));
            if let Some(held) = state.current.as_ref().filter(|held| held.token.number != doubted.number) {
                return Some(Ok(Arc::clone(&held.token)));
            }
            if let Some(successor) = state.successor.as_ref().filter(|one| is_paused || !one.was_refused) {
                return Some(Ok(Arc::clone(&successor.held.token)));
            }
            if state.fetch.as_ref().is_none_or(Fetch::is_over) {
                if is_paused {
                    return None;
                }
                if let Some(error) = state.remembered_failure(|_| true) {
                    return Some(Err(error));
                }
            }
            // From now on, not from its failure: other keys are refused while this one is asked about again.
            state.renewals_paused_until = Some(now.after(RENEWAL_PAUSE));
            self.0.fetch(&mut state, connection)
        };
        let fetched = outcome(fetch).await;
        if fetched.is_err() {
            self.0.lock().renewals_paused_until = None;
        }
        Some(fetched)
    }

    /// A key was judged with this token. A successor comes into use.
    pub(super) fn was_accepted(&self, token: &Token) {
        let mut state = self.0.lock();
        if let Some(successor) = state.successor.take_if(|one| one.held.token.number == token.number) {
            state.current = Some(successor.held);
            state.renewals_paused_until = None;
        }
    }

    /// A key drew a refusal with the current token, and with this successor, too.
    pub(super) fn was_no_better(&self, token: &Token) {
        let mut state = self.0.lock();
        if let Some(successor) = state.successor.as_mut().filter(|one| one.held.token.number == token.number)
        {
            successor.was_refused = true;
            successor.try_at = None;
        }
    }

    /// A key drew a refusal with this successor. `is_worse` if the current token was accepted for the same key: then the
    /// successor is no good. Otherwise nothing was learned.
    pub(super) fn trial_failed(&self, token: &Token, is_worse: bool) {
        let mut state = self.0.lock();
        let now = self.0.age.now();
        let Some(mut successor) = state.successor.take_if(|one| one.held.token.number == token.number) else {
            return;
        };
        if !is_worse {
            successor.try_at = Some(now.after(NEXT_TRIAL));
            state.successor = Some(successor);
        } else if let Some(held) = &mut state.current {
            held.renew_at = now.after(RENEWAL_PAUSE);
            state.renewals_paused_until = Some(now.after(RENEWAL_PAUSE));
        }
    }
}

impl Drop for TokenSource {
    fn drop(&mut self) {
        // Nobody is left who could use the token.
        if let Some(fetch) = &self.0.lock().fetch {
            fetch.task.abort();
        }
    }
}

/// What is to be done with the tokens that are there.
enum Due {
    Use(Arc<Token>),
    /// Use it, but fetch its successor, for which nobody waits.
    Renew(Arc<Token>),
    Try(Arc<Token>),
    Fetch,
}

impl State {
    /// Drops what has expired; the successor of a token that has expired comes into use.
    fn settle(&mut self, age: &AgeClock) -> Age {
        let now = age.now();
        self.successor.take_if(|successor| now.has_reached(successor.held.expires_at));
        if self.current.as_ref().is_none_or(|held| now.has_reached(held.expires_at)) {
            self.current = self.successor.take().map(|successor| successor.held);
        }
        now
    }

    fn due(&mut self, now: Age) -> Due {
        let Some(held) = &mut self.current else { return Due::Fetch };
        let token = Arc::clone(&held.token);
        let is_time_to_renew = now.has_reached(held.renew_at);
        if is_time_to_renew {
            // A failed renewal is not repeated at once.
            held.renew_at = now.after(EARLY_RETRY);
        }
        let Some(successor) = &mut self.successor else {
            return if is_time_to_renew { Due::Renew(token) } else { Due::Use(token) };
        };
        if is_time_to_renew && successor.try_at.is_none() {
            successor.try_at = Some(now.after(Duration::ZERO));
        }
        let may_be_tried = successor.try_at.is_some_and(|at| now.has_reached(at)) && !successor.is_on_trial;
        if !may_be_tried {
            return Due::Use(token);
        }
        successor.is_on_trial = true;
        Due::Try(Arc::clone(&successor.held.token))
    }

    fn remembered_failure(&self, is_enough: impl Fn(&VerifierError) -> bool) -> Option<VerifierError> {
        let (error, until) = self.failure.as_ref()?;
        (std::time::Instant::now() < *until && is_enough(error)).then(|| error.clone())
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the fetch that is under way, or starts one in a task that no caller can cancel.
    fn fetch(
        self: &Arc<Self>,
        state: &mut State,
        connection: Connection<'static>,
    ) -> watch::Receiver<Option<Fetched>> {
        let now = self.age.now();
        // One past its own deadline has a runtime that is blocked.
        let lives = |fetch: &&Fetch| !fetch.is_over() && now.since(fetch.began) <= 2 * LONGEST_FETCH;
        if let Some(fetch) = state.fetch.as_ref().filter(lives) {
            return fetch.outcome.clone();
        }
        let (sender, receiver) = watch::channel(None);
        state.fetches += 1;
        let (inner, number) = (Arc::clone(self), state.fetches);
        let task = tokio::spawn(async move {
            let granted = inner.fetcher.fetch(connection).await;
            let fetched = granted.map(|(authorization, lifetime)| {
                let token = Arc::new(Token { authorization, number });
                // As old as the question.
                let expires_at = now.after(lifetime);
                let renew_at = now.after(lifetime - lifetime / EARLY);
                inner.install(Held { token: Arc::clone(&token), renew_at, expires_at });
                token
            });
            inner.conclude(number, fetched.as_ref().err());
            if let Err(error) = &fetched {
                inner.tell(error);
            }
            sender.send_replace(Some(fetched));
        });
        state.fetch =
            Some(Fetch { number, began: now, outcome: receiver.clone(), task: task.abort_handle() });
        receiver
    }

    /// Tells the operator of a failed fetch. Its error reaches only callers who wait for it.
    fn tell(&self, error: &VerifierError) {
        let reason = format!("no token for the service itself: {}", error.reason());
        self.log.tell(&VerifierError::new(error.class(), reason), self.age.instant());
    }

    /// Takes in a new token, unless a later one was asked for.
    fn install(&self, held: Held) {
        let mut state = self.lock();
        if state.fetches != held.token.number {
            return;
        }
        let now = state.settle(&self.age);
        if state.current.is_none() {
            state.current = Some(held);
        } else {
            let try_at = Some(now.after(Duration::ZERO));
            state.successor = Some(Successor { held, try_at, is_on_trial: false, was_refused: false });
        }
    }

    fn conclude(&self, number: u64, error: Option<&VerifierError>) {
        let mut state = self.lock();
        if state.fetch.take_if(|fetch| fetch.number == number).is_none() {
            return;
        }
        state.failure = None;
        let Some(error) = error else {
            state.failures_in_a_row = 0;
            return;
        };
        state.failures_in_a_row = state.failures_in_a_row.saturating_add(1);
        if state.failures_in_a_row >= PATIENCE {
            state.failure = Some((error.clone(), std::time::Instant::now() + FAILURE_PAUSE));
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenSource(..)")
    }
}

async fn outcome(mut fetch: watch::Receiver<Option<Fetched>>) -> Fetched {
    let gone = || VerifierError::outage("the task that fetched the service's token was ended");
    match fetch.wait_for(Option::is_some).await {
        Ok(fetched) => fetched.clone().unwrap_or_else(|| Err(gone())),
        Err(_closed) => Err(gone()),
    }
}
