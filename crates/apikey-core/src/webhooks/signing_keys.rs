//! The key set of a Kinde business: when it is fetched, and how long it serves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::key_set::KeySet;
use crate::authenticator::Authenticator;
use crate::kinde::KeySetFetcher;
use crate::log_gate::LogGate;
use crate::verifier::VerifierError;

/// After this time, a webhook waits for a new key set.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// The shortest time between two fetches. Anybody can name a key that nobody knows.
const PAUSE: Duration = Duration::from_secs(60);
/// The same while there is no key set at all. Kinde repeats a delivery after 5 s for the first time.
const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(4);

/// The key set, and its fetches. There is one fetch at a time, in a task of its own: a caller that goes away cancels none.
pub(super) struct SigningKeys {
    fetcher: KeySetFetcher,
    log: Arc<LogGate>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the last fetch that succeeded brought.
    keys: Option<Arc<KeySet>>,
    fetched: Option<Instant>,
    began: Option<Instant>,
    has_failed: bool,
    /// Closed when the fetch has ended. Nothing is ever sent.
    fetch: Option<watch::Receiver<()>>,
}

impl SigningKeys {
    pub(super) fn new(fetcher: KeySetFetcher, log: Arc<LogGate>) -> Arc<Self> {
        Arc::new(Self { fetcher, log, state: Mutex::default() })
    }

    /// The key set to verify a token with that claims to be signed with this key. `None` if the keys are not known, or if
    /// this key is not among them and a newer key set can't be fetched.
    pub(super) async fn for_key(
        self: &Arc<Self>,
        key_name: &str,
        authenticator: &Authenticator,
    ) -> Option<Arc<KeySet>> {
        let fetch = {
            let mut state = self.state.lock();
            let now = authenticator.0.clock.now();
            if state.serves(key_name, now) {
                return state.keys.clone();
            }
            if state.may_fetch(now) {
                state.fetch = Some(self.begin_fetch(authenticator));
                state.began = Some(now);
            }
            state.fetch.clone()
        };
        if let Some(mut fetch) = fetch {
            while fetch.changed().await.is_ok() {}
        }
        let state = self.state.lock();
        let keys = state.keys.clone()?;
        // If the latest fetch failed, nobody can tell that Kinde has no such key.
        (keys.names(key_name) || !state.has_failed).then_some(keys)
    }

    fn begin_fetch(self: &Arc<Self>, authenticator: &Authenticator) -> watch::Receiver<()> {
        let (ended, fetch) = watch::channel(());
        let (these, clock) = (Arc::clone(self), Arc::clone(&authenticator.0.clock));
        authenticator.0.worker.spawn(async move {
            let fetched = these.fetcher.fetch().await.and_then(|body| {
                KeySet::read(&body)
                    .ok_or_else(|| VerifierError::unjudged("Kinde's key set for webhooks has no usable key"))
            });
            let now = clock.now();
            let mut state = these.state.lock();
            state.has_failed = fetched.is_err();
            match fetched {
                Ok(keys) => (state.keys, state.fetched) = (Some(Arc::new(keys)), Some(now)),
                Err(error) => {
                    drop(state);
                    these.log.warn(&format!("Kinde's webhooks can't be verified: {}", error.reason()), now);
                }
            }
            drop(ended);
        });
        fetch
    }
}

impl State {
    /// Whether the keys are fresh and have one with this name.
    fn serves(&self, key_name: &str, now: Instant) -> bool {
        let is_fresh = self.fetched.is_some_and(|at| now.saturating_duration_since(at) < FRESH);
        is_fresh && self.keys.as_ref().is_some_and(|keys| keys.names(key_name))
    }

    fn may_fetch(&self, now: Instant) -> bool {
        let is_under_way = self.fetch.as_ref().is_some_and(|fetch| fetch.has_changed().is_ok());
        let pause = if self.keys.is_some() { PAUSE } else { PAUSE_WITHOUT_KEYS };
        !is_under_way && self.began.is_none_or(|at| now.saturating_duration_since(at) >= pause)
    }
}
