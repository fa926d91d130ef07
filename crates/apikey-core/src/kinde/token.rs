//! The service's own token. All calls share one. It is renewed early, and one task at a time fetches it.
//!
//! There are up to two tokens: the current one and its successor. The current one stays in use until Kinde has accepted the
//! successor, because a caller can choose a key for which Kinde's response seems to be about the token. Every token costs
//! money, so nothing that callers do may cause many fetches.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::age::{Age, AgeClock};
use super::fetch::{Fetch, Fetched, LONGEST_FETCH, Token, TokenFetcher};
use super::http::Connection;
use crate::log_gate::LogGate;
use crate::telemetry::TokenRenewal;
use crate::verifier::{FailureClass, VerifierError};

/// A token is renewed when a tenth of its lifetime is left.
const EARLY: u32 = 10;
/// If the current token is still in use this long after an early renewal began, the next one begins.
const EARLY_RETRY: Duration = Duration::from_secs(30);
/// After a refusal has caused a fetch, no other refusal causes one for this long, unless Kinde accepts the new token. Any
/// caller can cause refusals with junk keys.
const RENEWAL_PAUSE: Duration = Duration::from_secs(60);
/// A successor is tried again this long after a trial without a result.
const NEXT_TRIAL: Duration = Duration::from_secs(1);
/// After this many failed fetches in a row, the set-up is taken to be wrong. Fewer may fail while somebody repairs it.
const MOST_FAILURES: u32 = 16;
/// After [`MOST_FAILURES`] failures in a row, callers get the last failure for this long, and nobody fetches. Otherwise a
/// flood of junk keys would cause a flood of fetches. This is real time, because it limits load and decides nothing about expiry.
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
    /// Why the latest fetch failed, and until when callers get this error without a fetch.
    failure: Option<(VerifierError, std::time::Instant)>,
}

struct Held {
    token: Arc<Token>,
    renew_at: Duration,
    expires_at: Duration,
}

/// A token that Kinde has not accepted yet.
struct Successor {
    held: Held,
    /// From this moment, a call may try it even if Kinde has not refused the current token. `None`: no such call may.
    try_at: Option<Duration>,
    is_on_trial: bool,
    /// Whether Kinde refused a key with this token and with the current one. Then the reason may be the key.
    was_refused: bool,
}

/// A token for one call.
pub(super) struct Lease<'s> {
    pub(super) token: Arc<Token>,
    /// `Some` if the token is on trial.
    pub(super) trial: Option<Trial<'s>>,
}

/// The right to try a successor. One call has it at a time. When it is dropped, another call may get it.
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

    /// Returns a token for a caller's key: the current one, or a successor that is to be tried. If there is none, this
    /// fetches one, with this choice of connection.
    ///
    /// # Errors
    /// [`VerifierError`] if there is no token and none can be fetched.
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

    /// Returns the current token and renews nothing. If there is none, this fetches one.
    ///
    /// # Errors
    /// The same as [`lease`](Self::lease).
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

    /// Returns the current token, if it is not this successor itself.
    pub(super) fn current_beside(&self, successor: &Token) -> Option<Arc<Token>> {
        let mut state = self.0.lock();
        state.settle(&self.0.age);
        let current = state.current.as_ref().filter(|held| held.token.number != successor.number)?;
        Some(Arc::clone(&current.token))
    }

    /// Returns the token for the next try after Kinde refused a call with this one: the current token if it is another one by
    /// now, the successor, or a new token. Returns `None` while refusals cause no fetch.
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
            // The pause starts now, because other keys are refused while this one is tried again.
            state.renewals_paused_until = Some(now.after(RENEWAL_PAUSE));
            self.0.fetch(&mut state, connection)
        };
        let fetched = outcome(fetch).await;
        if fetched.is_err() {
            self.0.lock().renewals_paused_until = None;
        }
        Some(fetched)
    }

    /// Records that Kinde judged a key with this token. If it is the successor, it becomes the current token.
    pub(super) fn was_accepted(&self, token: &Token) {
        let mut state = self.0.lock();
        if let Some(successor) = state.successor.take_if(|one| one.held.token.number == token.number) {
            state.current = Some(successor.held);
            state.renewals_paused_until = None;
        }
    }

    /// Records that Kinde refused a key with the current token and with this successor.
    pub(super) fn was_no_better(&self, token: &Token) {
        let mut state = self.0.lock();
        if let Some(successor) = state.successor.as_mut().filter(|one| one.held.token.number == token.number)
        {
            successor.was_refused = true;
            successor.try_at = None;
        }
    }

    /// Records that Kinde refused a key with this successor. If Kinde accepted the current token for the same key
    /// (`is_worse`), the successor is dropped. Otherwise the reason may be the key.
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
        // No caller is left to use the token.
        if let Some(fetch) = &self.0.lock().fetch {
            fetch.task.abort();
        }
    }
}

/// What to do next.
enum Due {
    Use(Arc<Token>),
    /// Use this one and fetch its successor in the background.
    Renew(Arc<Token>),
    Try(Arc<Token>),
    Fetch,
}

impl State {
    /// Drops tokens that have expired. If the current token is gone, its successor takes its place.
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
            // If this renewal fails, the next one has to wait.
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

    /// Joins the fetch that is under way, or starts one. It runs in a task of its own, so that no caller can cancel it.
    fn fetch(
        self: &Arc<Self>,
        state: &mut State,
        connection: Connection<'static>,
    ) -> watch::Receiver<Option<Fetched>> {
        let now = self.age.now();
        // A fetch that is past its deadline runs on a blocked runtime, so it does not count.
        let lives = |fetch: &&Fetch| !fetch.is_over() && now.since(fetch.began) <= 2 * LONGEST_FETCH;
        if let Some(fetch) = state.fetch.as_ref().filter(lives) {
            return fetch.outcome.clone();
        }
        let (sender, receiver) = watch::channel(None);
        state.fetches += 1;
        let (inner, number) = (Arc::clone(self), state.fetches);
        // Many verifications may wait for the fetch, so its span is a child of none.
        let span = tracing::info_span!(
            parent: None,
            "apikey.token",
            otel.status_code = Empty,
            apikey.result = Empty,
            error.type = Empty,
        );
        span.follows_from(Span::current());
        let fetching = async move {
            let granted = inner.fetcher.fetch(connection).await;
            let fetched = granted.map(|(authorization, lifetime)| {
                let token = Arc::new(Token { authorization, number });
                // The lifetime counts from the request, because Kinde's clock may have started then.
                let expires_at = now.after(lifetime);
                let renew_at = now.after(lifetime - lifetime / EARLY);
                inner.install(Held { token: Arc::clone(&token), renew_at, expires_at });
                token
            });
            inner.conclude(number, fetched.as_ref().err());
            inner.tell(fetched.as_ref().err());
            sender.send_replace(Some(fetched));
        };
        let task = tokio::spawn(fetching.instrument(span));
        state.fetch =
            Some(Fetch { number, began: now, outcome: receiver.clone(), task: task.abort_handle() });
        receiver
    }

    /// Notes the end of a fetch. A failed one is logged, because otherwise only the callers that wait for it would learn of
    /// the error.
    fn tell(&self, error: Option<&VerifierError>) {
        let renewal = if error.is_some() { TokenRenewal::Failed } else { TokenRenewal::Renewed };
        let span = Span::current();
        span.record("apikey.result", renewal.as_str());
        if let Some(recorder) = self.fetcher.http.recorder() {
            recorder.token_renewal(renewal);
        }
        let Some(error) = error else { return };
        span.record("error.type", error.class().as_str()).record("otel.status_code", "ERROR");
        let reason = format!("no token for the service itself: {}", error.reason());
        self.log.tell(&VerifierError::new(error.class(), reason), self.age.instant());
    }

    /// Takes in a new token, unless a later fetch has started.
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

    /// Ends a fetch, and counts it if it failed.
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
        if state.failures_in_a_row >= MOST_FAILURES {
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
    let gone = || VerifierError::outage("the task that fetched the service's token ended early");
    match fetch.wait_for(Option::is_some).await {
        Ok(fetched) => fetched.clone().unwrap_or_else(|| Err(gone())),
        Err(_closed) => Err(gone()),
    }
}
