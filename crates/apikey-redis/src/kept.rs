//! Something that takes a while to make, and that all callers share: a connection, or the map of a cluster.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::fault::Fault;

/// How long nobody tries again after a success or the first failure. It doubles with each further failure.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause. The protocol of removals rests on it: it lets a new primary wait until every instance has had the time
/// to find it.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// It is made when somebody asks for it and it is not there.
pub(crate) struct Kept<T>(Arc<watch::Sender<State<T>>>);

struct State<T> {
    value: Option<T>,
    /// A task makes it, or a newer one.
    is_making: bool,
    /// How often it failed, one after the other.
    failures: u32,
    /// Nobody tries again before.
    not_before: Option<Instant>,
    /// Why the last try failed.
    fault: Option<Fault>,
}

impl<T: Clone + Send + Sync + 'static> Kept<T> {
    pub(crate) fn new() -> Self {
        let (value, not_before, fault) = (None, None, None);
        let state = State { value, is_making: false, failures: 0, not_before, fault };
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// It, if it is there. Otherwise a task begins to make it.
    pub(crate) fn at_once<F>(&self, make: impl FnOnce() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        if let Some(value) = self.there() {
            return Ok(value);
        }
        self.renew(make);
        self.0.borrow().outcome()
    }

    /// It, if it is there or the next try succeeds.
    pub(crate) async fn soon<F>(&self, make: impl FnOnce() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let mut state = self.0.subscribe();
        let not_before = match &*state.borrow() {
            State { value: Some(value), .. } => return Ok(value.clone()),
            State { is_making: true, .. } => None,
            state => state.not_before,
        };
        if let Some(not_before) = not_before {
            sleep_until(not_before).await;
        }
        self.renew(make);
        // The sender is here, so this does not fail.
        let made = state.wait_for(|state| !state.is_making).await;
        made.map_or_else(|_| Err(not_yet()), |state| state.outcome())
    }

    pub(crate) fn there(&self) -> Option<T> {
        self.0.borrow().value.clone()
    }

    /// Whether it is not there, and the last try failed.
    pub(crate) fn has_failed(&self) -> bool {
        let state = self.0.borrow();
        state.value.is_none() && state.failures > 0
    }

    /// Begins to make a new one, unless a task does so or it is too early. Until that is done, the old one stays.
    pub(crate) fn renew<F>(&self, make: impl FnOnce() -> F)
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let begins = self.0.send_if_modified(|state| {
            let begins = !state.is_making && state.not_before.is_none_or(|moment| moment <= Instant::now());
            state.is_making |= begins;
            begins
        });
        if begins {
            // If the runtime ends before the task does, this says that nobody makes it.
            let guard = Making(Arc::clone(&self.0));
            let making = make();
            tokio::spawn(async move { guard.ended(making.await) });
        }
    }

    /// Forgets it, if this is true of it.
    pub(crate) fn forget(&self, is_meant: impl Fn(&T) -> bool) {
        self.0.send_if_modified(|state| state.value.take_if(|value| is_meant(value)).is_some());
    }

    /// Changes it, if it is there.
    pub(crate) fn change(&self, change: impl FnOnce(&mut T)) {
        self.0.send_if_modified(|state| state.value.as_mut().map(change).is_some());
    }
}

impl<T: Clone> State<T> {
    fn outcome(&self) -> Result<T, Fault> {
        self.value.clone().ok_or_else(|| self.fault.clone().unwrap_or_else(not_yet))
    }
}

fn not_yet() -> Fault {
    Fault::Unavailable("not connected yet".to_owned())
}

struct Making<T>(Arc<watch::Sender<State<T>>>);

impl<T> Making<T> {
    fn ended(self, outcome: Result<T, Fault>) {
        self.0.send_modify(|state| match outcome {
            Ok(value) => {
                (state.value, state.failures, state.fault) = (Some(value), 0, None);
                // If it is of no use, the next one is not made at once, either.
                state.not_before = Some(Instant::now() + FIRST_PAUSE);
            }
            Err(fault) => {
                let pause = FIRST_PAUSE * 2_u32.pow(state.failures.min(5));
                state.failures += 1;
                state.not_before = Some(Instant::now() + pause.min(LONGEST_PAUSE));
                state.fault = Some(fault);
            }
        });
    }
}

impl<T> Drop for Making<T> {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.is_making = false);
    }
}

#[cfg(test)]
mod tests;
