//! The service's own token: one for everybody, renewed early, fetched by one task at a time.
//!
//! Every token costs money, so nothing that callers do may cause a storm of fetches.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use reqwest::header::HeaderValue;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

use super::config::MachineToMachine;
use super::http::Http;
use super::wire::{TokenMeaning, read_token_answer};
use crate::clock::Clock;
use crate::verifier::VerifierError;

/// Assumed where Kinde does not tell; the shortest that was seen.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(3600);
/// A token that claims to live shorter is kept this long all the same; a 401 ends it earlier.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(60);
/// A token is renewed when this part of its lifetime is left.
const EARLY: u32 = 10;
/// After an early renewal that failed, the next one is tried after this long.
const EARLY_RETRY: Duration = Duration::from_secs(30);
/// After a refusal has bought a new token, no refusal buys another for this long, unless that one proves useful: junk
/// keys may draw 401s.
const RENEWAL_PAUSE: Duration = Duration::from_secs(60);
/// So many refusals in a row are a set-up that is wrong; a few may be somebody mending it.
const PATIENCE: u32 = 16;
/// From then on, after a fetch that was refused, everybody hears of that for this long, and nobody fetches: a flood of junk
/// keys must not become one of fetches.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// A fetch is nobody's in particular, so it has a deadline of its own.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// A token, as the header that carries it. Overwritten when the last reference goes.
pub(super) struct Token {
    pub(super) authorization: HeaderValue,
    fetched_as: u64,
}

type Fetched = Result<Arc<Token>, VerifierError>;

pub(super) struct TokenSource(Arc<Inner>);

struct Inner {
    http: Http,
    url: Url,
    credentials: MachineToMachine,
    audience: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Held>,
    fetch: Option<Fetch>,
    fetches: u64,
    renewals_paused_until: Option<Instant>,
    renewal: Renewal,
    /// Why the latest fetch failed, and until when that is answer enough.
    failure: Option<(VerifierError, std::time::Instant)>,
    refusals_in_a_row: u32,
}

/// What is known of the latest renewal that a refusal has bought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Renewal {
    /// Whether it was of use; or there was none.
    #[default]
    Known,
    /// Somebody is asking with the new token.
    Pending,
    /// Nothing: Kinde failed just then, or nobody waited for its answer. The next key that is judged with it tells.
    Untold,
}

/// Held by who has bought a new token, until that was tried. Where nothing is told by then, nothing was learned.
pub(super) struct Trial<'s>(&'s Inner);

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.renewal == Renewal::Pending {
            state.renewal = Renewal::Untold;
        }
    }
}

/// A fetch under way: its number, when it began, where its outcome comes, and its task.
struct Fetch {
    number: u64,
    began: Instant,
    outcome: watch::Receiver<Option<Fetched>>,
    task: AbortHandle,
}

impl Drop for TokenSource {
    fn drop(&mut self) {
        // Nobody is left who could use the token.
        if let Some(fetch) = &self.0.lock().fetch {
            fetch.task.abort();
        }
    }
}

struct Held {
    token: Arc<Token>,
    renew_at: Instant,
    expires_at: Instant,
}

impl TokenSource {
    pub(super) fn new(
        http: Http,
        url: Url,
        credentials: MachineToMachine,
        audience: String,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner { http, url, credentials, audience, clock, state: Mutex::default() }))
    }

    /// The shared token; fetches one only where there is none that still lives.
    pub(super) async fn token(&self) -> Fetched {
        let now = self.0.clock.now();
        let fetch = {
            let mut state = self.0.lock();
            match &mut state.current {
                Some(held) if now < held.renew_at => return Ok(Arc::clone(&held.token)),
                Some(held) if now < held.expires_at => {
                    // Nobody waits for an early renewal, and a failed one is not repeated at once.
                    let token = Arc::clone(&held.token);
                    held.renew_at = now + EARLY_RETRY;
                    let _nobody_waits = self.0.fetch(&mut state);
                    return Ok(token);
                }
                _ => match state.remembered_failure() {
                    Some(error) => return Err(error),
                    None => self.0.fetch(&mut state),
                },
            }
        };
        fetched(fetch).await
    }

    /// A token after `refused` was: the one that somebody else has fetched meanwhile, or a new one; `None` while
    /// renewals are paused. Who bought it holds its trial, too.
    pub(super) async fn renewed(&self, refused: &Token) -> Option<(Fetched, Option<Trial<'_>>)> {
        let now = self.0.clock.now();
        let fetch = {
            let mut state = self.0.lock();
            match &state.current {
                Some(held) if held.token.fetched_as != refused.fetched_as => {
                    return Some((Ok(Arc::clone(&held.token)), None));
                }
                Some(_) if state.renewals_paused_until.is_some_and(|until| now < until) => return None,
                Some(_) | None => {}
            }
            state.current = None;
            // From now on, not from its failure: other keys are refused while this one is asked about again.
            state.renewals_paused_until = Some(now + RENEWAL_PAUSE);
            state.renewal = Renewal::Pending;
            self.0.fetch(&mut state)
        };
        let trial = Trial(&self.0);
        let fetched = fetched(fetch).await;
        if fetched.is_err() {
            self.0.lock().renewals_paused_until = None;
        }
        Some((fetched, Some(trial)))
    }

    /// Tells whether a new token was taken where the old one was refused; if not, it is not the token that is wrong.
    pub(super) fn renewal_was(&self, useful: bool) {
        let now = self.0.clock.now();
        let mut state = self.0.lock();
        state.renewals_paused_until = (!useful).then(|| now + RENEWAL_PAUSE);
        state.renewal = Renewal::Known;
    }

    /// A key was judged with this token. If it is a new one of which nothing was known, it is of use.
    pub(super) fn judged_with(&self, token: &Token) {
        let mut state = self.0.lock();
        let is_current = state.current.as_ref().is_some_and(|held| held.token.fetched_as == token.fetched_as);
        if state.renewal == Renewal::Untold && is_current {
            state.renewals_paused_until = None;
            state.renewal = Renewal::Known;
        }
    }
}

impl State {
    /// Real time, for the pause is a matter of load and not of expiry.
    fn remembered_failure(&self) -> Option<VerifierError> {
        let (error, until) = self.failure.as_ref()?;
        (std::time::Instant::now() < *until).then(|| error.clone())
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the fetch that is under way, or starts one in a task that no caller can cancel.
    fn fetch(self: &Arc<Self>, state: &mut State) -> watch::Receiver<Option<Fetched>> {
        let now = self.clock.now();
        // A closed channel is a fetch whose runtime has gone away; one past its own deadline has a runtime that is blocked.
        let lives = |fetch: &&Fetch| {
            fetch.outcome.has_changed().is_ok()
                && now.saturating_duration_since(fetch.began) <= 2 * FETCH_TIMEOUT
        };
        if let Some(fetch) = state.fetch.as_ref().filter(lives) {
            return fetch.outcome.clone();
        }
        let (sender, receiver) = watch::channel(None);
        state.fetches += 1;
        let (inner, fetched_as) = (Arc::clone(self), state.fetches);
        let task = tokio::spawn(async move {
            let asked_at = inner.clock.now();
            let granted = match tokio::time::timeout(FETCH_TIMEOUT, inner.request()).await {
                Ok(granted) => granted,
                Err(_elapsed) => {
                    Err(VerifierError::Unavailable("Kinde's token endpoint did not answer".to_owned()))
                }
            };
            let fetched = granted.map(|(authorization, lifetime)| {
                let token = Arc::new(Token { authorization, fetched_as });
                let renew_at = asked_at + (lifetime - lifetime / EARLY);
                let held = Held { token: Arc::clone(&token), renew_at, expires_at: asked_at + lifetime };
                let mut state = inner.lock();
                if state.fetches == fetched_as {
                    state.current = Some(held);
                }
                drop(state);
                token
            });
            if let Err(error) = &fetched {
                // Whoever waits logs it once more with the key's verification; an early renewal has nobody else.
                tracing::warn!("no token for the service itself: {error}");
            }
            let mut state = inner.lock();
            if state.fetch.take_if(|fetch| fetch.number == fetched_as).is_some() {
                let until = std::time::Instant::now() + FAILURE_PAUSE;
                // Only a set-up that is refused: an outage is the breaker's to answer, and may end at any moment.
                state.failure = None;
                match &fetched {
                    Ok(_) => state.refusals_in_a_row = 0,
                    Err(error @ VerifierError::Misconfigured(_)) => {
                        state.refusals_in_a_row = state.refusals_in_a_row.saturating_add(1);
                        if state.refusals_in_a_row >= PATIENCE {
                            state.failure = Some((error.clone(), until));
                        }
                    }
                    Err(_) => {}
                }
            }
            drop(state);
            sender.send_replace(Some(fetched));
        });
        let (outcome, task) = (receiver.clone(), task.abort_handle());
        state.fetch = Some(Fetch { number: fetched_as, began: now, outcome, task });
        receiver
    }

    async fn request(&self) -> Result<(HeaderValue, Duration), VerifierError> {
        let form = form(&[
            ("grant_type", "client_credentials"),
            ("client_id", &self.credentials.client_id),
            ("client_secret", self.credentials.client_secret.expose()),
            ("audience", &self.audience),
        ]);
        let answer = self.http.post(&self.url, "application/x-www-form-urlencoded", form, None).await?;
        match read_token_answer(answer.status.as_u16(), &answer.body) {
            TokenMeaning::Granted { token, expires_in } => {
                let lifetime = expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs);
                let lifetime = lifetime.clamp(SHORTEST_LIFETIME, Duration::from_secs(365 * 24 * 60 * 60));
                let mut value = Zeroizing::new(Vec::with_capacity(7 + token.expose().len()));
                value.extend_from_slice(b"Bearer ");
                value.extend_from_slice(token.expose().as_bytes());
                let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(value))
                    .map_err(|_| VerifierError::Unavailable("Kinde's token fits no header".to_owned()))?;
                header.set_sensitive(true);
                Ok((header, lifetime))
            }
            TokenMeaning::Unavailable(why) => Err(VerifierError::Unavailable(why)),
            TokenMeaning::UnavailableForNow(reason) => {
                Err(VerifierError::Transient { reason, retry_after: answer.retry_after })
            }
            TokenMeaning::SetUp(why) => Err(VerifierError::Misconfigured(why)),
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenSource(..)")
    }
}

async fn fetched(mut fetch: watch::Receiver<Option<Fetched>>) -> Fetched {
    let gone =
        || VerifierError::Unavailable("the task that fetched the service's token was ended".to_owned());
    match fetch.wait_for(Option::is_some).await {
        Ok(fetched) => fetched.clone().unwrap_or_else(|| Err(gone())),
        Err(_closed) => Err(gone()),
    }
}

/// `application/x-www-form-urlencoded`, in a buffer that never grows, so that no copy of a secret stays behind.
fn form(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let longest = fields.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
    let mut form = Zeroizing::new(Vec::with_capacity(longest));
    for (name, value) in fields {
        if !form.is_empty() {
            form.push(b'&');
        }
        form.extend_from_slice(name.as_bytes());
        form.push(b'=');
        for part in utf8_percent_encode(value, NON_ALPHANUMERIC) {
            form.extend_from_slice(part.as_bytes());
        }
    }
    form
}
