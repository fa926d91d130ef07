//! The circuit breaker. Bad outcomes of callers' keys only raise a suspicion, because a caller must not be able
//! to make Kinde look ill for others by the keys that it chooses. Then the service makes a health check with a
//! made-up key of its own, and that decides.
//!
//! - Suspicion: at least half of the last 20 outcomes, and at least 5 outcomes in all, were overload, outage or
//!   not judged. Or three connections in a row could not be made.
//! - The breaker opens if the health check fails twice in a row, and no key was judged since the suspicion.
//!   While it is open, the health check is repeated after pauses that double from 1 s to 30 s. With every
//!   second health check, the key of one caller may go, too.
//! - If the verifier can't tell its health, that counts as a failure if at least half of the latest clients
//!   failed, too.
//! - If the health check draws overload, and no key was judged since the suspicion, everybody waits until the
//!   moment that Kinde names, for at most 60 s. If Kinde names no moment, the health check must draw overload
//!   twice in a row.
//! - If the health check shows that this service is set up wrong, callers get that failure for one second
//!   without a call to Kinde.

mod probe;
mod samples;
mod set_up;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::client::Client;
use crate::telemetry::BreakerState;
use crate::verifier::{FailureClass, Health};
use samples::Samples;
use set_up::SetUp;
use state::State;
pub(super) use state::{Consequences, Transition};

/// How far apart two health checks begin at least.
const BETWEEN_HEALTH_CHECKS: Duration = Duration::from_secs(1);
/// How long callers are told to wait while a health check is under way.
const SOON: Duration = Duration::from_secs(1);

/// What the outcome of a caller's key says about Kinde.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The key was judged.
    Judged,
    /// It may be a sign that no key can be verified.
    Bad { never_connected: bool },
    /// This service seems to be set up wrong.
    SetUp,
    /// Nothing. Kinde was not asked, or its answer is not known.
    Nothing,
}

/// Whether a key may be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admit {
    Yes {
        /// It is the probe: the one caller's key that goes while the breaker is open.
        is_probe: bool,
    },
    /// Not before this time.
    NotYet(Duration),
    /// This service is set up wrong. A health check drew this class of failure.
    SetUp(FailureClass),
}

pub(super) struct Breaker {
    inner: Option<Mutex<Inner>>,
    wake: Notify,
}

struct Inner {
    state: State,
    samples: Samples,
    set_up: SetUp,
    /// When the latest health check began, and whether it is still under way.
    checked_at: Option<Instant>,
    is_checking: bool,
    /// A health check that takes longer than this is lost. For example, its runtime is blocked.
    lost_after: Duration,
}

impl Breaker {
    /// `longest` is how long a health check may take.
    pub(super) fn new(is_on: bool, longest: Duration) -> Self {
        let inner = Inner {
            state: State::Well,
            samples: Samples::default(),
            set_up: SetUp::default(),
            checked_at: None,
            is_checking: false,
            lost_after: longest + BETWEEN_HEALTH_CHECKS,
        };
        Self { inner: is_on.then(|| Mutex::new(inner)), wake: Notify::new() }
    }

    /// Whether Kinde may be asked about a key now. `has_stale_answer` says whether a stale answer could serve
    /// its caller.
    pub(super) fn admit(&self, has_stale_answer: bool, client: Option<Client>, now: Instant) -> Admit {
        let Some(mut inner) = self.lock() else { return Admit::Yes { is_probe: false } };
        if let Some(class) = inner.set_up.known_wrong_for(client, now) {
            return Admit::SetUp(class);
        }
        if let State::Open { probe, .. } = &mut inner.state {
            if probe.take(has_stale_answer, client) {
                return Admit::Yes { is_probe: true };
            }
        }
        let Some(until) = inner.state.blocks_until() else { return Admit::Yes { is_probe: false } };
        if until <= now && !inner.is_checking {
            self.wake.notify_one();
        }
        Admit::NotYet(inner.wait_for(until, now))
    }

    /// How long no key is sent. The flag says whether that is because Kinde asked everybody to wait.
    pub(super) fn wait(&self, now: Instant) -> Option<(Duration, bool)> {
        let inner = self.lock()?;
        let until = inner.state.blocks_until()?;
        Some((inner.wait_for(until, now), inner.state.is_paused()))
    }

    /// Whether keys are sent, and the set-up is not known to be wrong. Only then may answers be renewed in the
    /// background.
    pub(super) fn is_closed(&self, now: Instant) -> bool {
        self.lock()
            .is_none_or(|inner| inner.state.blocks_until().is_none() && !inner.set_up.is_known_wrong(now))
    }

    pub(super) fn state(&self) -> BreakerState {
        let Some(inner) = self.lock() else { return BreakerState::Closed };
        match &inner.state {
            State::Well | State::Suspected { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::Paused { .. } => BreakerState::Paused,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().is_some_and(|inner| inner.state.is_open())
    }

    /// Learns from the outcome of a caller's key.
    pub(super) fn record(
        &self,
        seen: Seen,
        client: Option<Client>,
        is_probe: bool,
        now: Instant,
    ) -> Consequences {
        let Some(mut inner) = self.lock() else { return Consequences::default() };
        if let (true, State::Open { probe, .. }) = (is_probe, &mut inner.state) {
            match seen {
                Seen::Judged => return inner.recover(),
                Seen::Nothing => probe.came_to_nothing(),
                Seen::Bad { .. } | Seen::SetUp => probe.failed(client),
            }
        }
        let needs_health_check = match seen {
            Seen::Judged => {
                inner.samples.note_judged(client);
                let is_checking = inner.is_checking;
                inner.state.key_was_judged(is_checking);
                false
            }
            Seen::Bad { never_connected } => {
                inner.samples.note_bad(client, never_connected);
                inner.samples.are_suspicious() && inner.state.suspect()
            }
            Seen::SetUp => inner.set_up.doubt(client, now),
            Seen::Nothing => false,
        };
        if needs_health_check {
            self.wake.notify_one();
        }
        Consequences::default()
    }

    /// Waits until a health check may be due.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// How long until the next health check. `None` if none is wanted.
    pub(super) fn next_health_check(&self, now: Instant) -> Option<Duration> {
        self.lock()?.next_health_check(now)
    }

    /// Begins a health check if one is due.
    pub(super) fn begin_health_check(&self, now: Instant) -> bool {
        let Some(mut inner) = self.lock() else { return false };
        let is_due = inner.next_health_check(now) == Some(Duration::ZERO);
        if is_due {
            (inner.is_checking, inner.checked_at) = (true, Some(now));
            inner.state.health_check_begins();
        }
        is_due
    }

    /// Learns from the outcome of a health check.
    pub(super) fn end_health_check(&self, health: Health, now: Instant) -> Consequences {
        let Some(mut inner) = self.lock() else { return Consequences::default() };
        let Inner { state, samples, set_up, is_checking, .. } = &mut *inner;
        *is_checking = false;
        if let Health::Refused(error) = &health {
            set_up.confirm(error.class(), now);
        }
        set_up.clear_doubt();
        match health {
            Health::Up | Health::Refused(_) => inner.recover(),
            Health::Overload(error) => state.overload(error.retry_after(), now),
            Health::Down(error) => state.fail(Some(error), || samples.most_clients_fail(), now),
            Health::Unknown => state.fail(None, || samples.most_clients_fail(), now),
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Inner>> {
        self.inner.as_ref().map(|inner| inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn next_health_check(&self, now: Instant) -> Option<Duration> {
        let wanted = match self.state.blocks_until() {
            Some(until) => until,
            None if self.state.is_suspected() || self.set_up.is_doubted() => now,
            None => return None,
        };
        let pause = if self.is_checking { self.lost_after } else { BETWEEN_HEALTH_CHECKS };
        let earliest = self.checked_at.and_then(|at| at.checked_add(pause)).unwrap_or(now);
        Some(wanted.max(earliest).saturating_duration_since(now))
    }

    /// Kinde answers.
    fn recover(&mut self) -> Consequences {
        self.samples.clear();
        self.state.recover()
    }

    /// How long a caller is told to wait for this moment.
    fn wait_for(&self, moment: Instant, now: Instant) -> Duration {
        let wait = moment.saturating_duration_since(now);
        if self.is_checking || wait.is_zero() { SOON } else { wait }
    }
}
