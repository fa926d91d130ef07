//! The circuit breaker. Bad outcomes of callers' keys only raise a suspicion, because whoever chooses a key must not be able
//! to make Kinde look ill for others. Then the service asks with a made-up key of its own, and that health check decides.
//!
//! - Suspicion: half of the last 20 outcomes, at least 5, were overload, outage or unjudged; or three connections in a row
//!   could not be made.
//! - The breaker opens if the health check fails twice in a row and no key was judged since the suspicion. While it is open, the
//!   question is repeated after pauses that double from 1 s to 30 s; with every second one, one caller's key may go, too.
//! - A health check that tells nothing counts as one that failed if half of the clients that asked last failed, too.
//! - If the health check draws overload and no key was judged since the suspicion, everybody waits until the moment that Kinde
//!   names, for at most 60 s. If it names none, the health check must draw overload twice in a row.
//! - If the health check shows that this service is set up wrong, callers hear so from memory for one second.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::client::Client;
use crate::verifier::{FailureClass, Health, VerifierError};

/// How many of the latest outcomes are looked at.
const WINDOW: usize = 20;
/// Fewer than this say nothing.
const LEAST: usize = 5;
/// So many connections in a row that could not be made raise a suspicion.
const UNCONNECTED: u32 = 3;
/// Health checks are at least this far apart.
const BETWEEN_HEALTH_CHECKS: Duration = Duration::from_secs(1);
/// How many checks in a row must fail.
const FAILURES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// For how long everybody waits at most when Kinde asks for time, and at first if it names no moment; that doubles.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
const FIRST_SILENCE: Duration = Duration::from_millis(100);
const LONGEST_UNNAMED_SILENCE: Duration = Duration::from_secs(1);
/// For how long a wrong set-up is remembered.
const MEMORY: Duration = Duration::from_secs(1);
/// What callers are told while the health check is under way.
const SOON: Duration = Duration::from_secs(1);

/// What the outcome of a caller's key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The key was judged.
    Judged,
    /// It may be a sign that nobody can be verified.
    Bad { never_connected: bool },
    /// This service seems to be set up wrong.
    SetUp,
    /// Nothing: nobody was asked, or the answer is not known.
    Nothing,
}

/// Whether a key may be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admit {
    Yes {
        /// It is the one caller's key that goes while the breaker is open.
        is_probe: bool,
    },
    /// Not before this time has passed.
    NotYet(Duration),
    /// This service is set up wrong; and what a health check drew.
    SetUp(FailureClass),
}

/// What has changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Transition {
    Opened(VerifierError),
    OpenedByOutcomes,
    Closed,
    Paused(Duration),
}

/// What follows from a health check.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Checked {
    pub(super) transition: Option<Transition>,
    /// An outage that a health check has seen is over.
    pub(super) outage_is_over: bool,
}

pub(super) struct Breaker {
    inner: Option<Mutex<Inner>>,
    wake: Notify,
}

struct Inner {
    state: State,
    latest: VecDeque<Sample>,
    unconnected: u32,
    /// When the latest health check began, and whether its outcome is still to come.
    asked_at: Option<Instant>,
    is_checking: bool,
    /// A health check that takes longer is lost, for example because its runtime is blocked.
    lost_after: Duration,
    /// Whose key drew an answer that speaks of this service.
    set_up_is_doubted_by: Option<Option<Client>>,
    set_up_is_wrong: Option<WrongSetUp>,
}

/// What is remembered of a wrong set-up.
#[derive(Clone, Copy)]
struct WrongSetUp {
    until: Instant,
    class: FailureClass,
    doubted_by: Option<Client>,
}

impl WrongSetUp {
    /// An answer that does not say why the service is refused may be about keys that nobody knows: it is remembered for the
    /// client that drew it alone.
    fn concerns(&self, client: Option<Client>, now: Instant) -> bool {
        now < self.until && (self.class == FailureClass::SetUp || self.doubted_by == client)
    }
}

struct Sample {
    is_bad: bool,
    client: Option<Client>,
}

enum State {
    Well,
    Suspected {
        failures: u32,
        judged: bool,
        /// The health check drew overload without a moment: such a one may be a matter of milliseconds.
        is_busy: bool,
    },
    Open {
        pause: Duration,
        checks: u32,
        next: Instant,
        slot: ProbeSlot,
        /// The client whose key went last and changed nothing: the next place is for another one.
        barred: Option<Option<Client>>,
    },
    /// Everybody waits.
    Paused {
        until: Instant,
        unnamed: Duration,
    },
}

/// The place for one caller's key while the breaker is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ProbeSlot {
    Shut,
    /// At first a key with an older answer may go, because its caller need not wait.
    ForOlder,
    ForAnybody,
    Taken,
}

impl Breaker {
    /// `longest` is what a health check may take.
    pub(super) fn new(is_on: bool, longest: Duration) -> Self {
        let inner = Inner {
            state: State::Well,
            latest: VecDeque::new(),
            unconnected: 0,
            asked_at: None,
            is_checking: false,
            lost_after: longest + BETWEEN_HEALTH_CHECKS,
            set_up_is_doubted_by: None,
            set_up_is_wrong: None,
        };
        Self { inner: is_on.then(|| Mutex::new(inner)), wake: Notify::new() }
    }

    /// Whether a key may be asked about now. `has_older_answer` says whether its caller could be served otherwise.
    pub(super) fn admit(&self, has_older_answer: bool, client: Option<Client>, now: Instant) -> Admit {
        let Some(mut inner) = self.lock() else { return Admit::Yes { is_probe: false } };
        if let Some(wrong) = inner.set_up_is_wrong.filter(|wrong| wrong.concerns(client, now)) {
            return Admit::SetUp(wrong.class);
        }
        let is_checking = inner.is_checking;
        let (admit, is_due) = match &mut inner.state {
            State::Well | State::Suspected { .. } => return Admit::Yes { is_probe: false },
            State::Open { slot, next, barred, .. } => {
                let is_free = *barred != Some(client)
                    && match slot {
                        ProbeSlot::ForAnybody => true,
                        ProbeSlot::ForOlder => has_older_answer,
                        ProbeSlot::Shut | ProbeSlot::Taken => false,
                    };
                if is_free {
                    *slot = ProbeSlot::Taken;
                    *barred = None;
                    return Admit::Yes { is_probe: true };
                }
                (Admit::NotYet(wait(*next, is_checking, now)), *next <= now)
            }
            State::Paused { until, .. } => (Admit::NotYet(wait(*until, is_checking, now)), *until <= now),
        };
        if is_due && !is_checking {
            self.wake.notify_one();
        }
        admit
    }

    /// How long nobody is to be asked, and whether that is because everybody was asked to wait.
    pub(super) fn wait(&self, now: Instant) -> Option<(Duration, bool)> {
        let inner = self.lock()?;
        match inner.state {
            State::Well | State::Suspected { .. } => None,
            State::Open { next, .. } => Some((wait(next, inner.is_checking, now), false)),
            State::Paused { until, .. } => Some((wait(until, inner.is_checking, now), true)),
        }
    }

    /// Whether nothing speaks against asking: then also work that nobody waits for may ask.
    pub(super) fn is_closed(&self, now: Instant) -> bool {
        self.lock().is_none_or(|inner| {
            matches!(inner.state, State::Well | State::Suspected { .. })
                && inner.set_up_is_wrong.is_none_or(|wrong| now >= wrong.until)
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().is_some_and(|inner| matches!(inner.state, State::Open { .. }))
    }

    /// Takes in how it went with a caller's key.
    pub(super) fn record(
        &self,
        seen: Seen,
        client: Option<Client>,
        is_probe: bool,
        now: Instant,
    ) -> Option<Transition> {
        let mut inner = self.lock()?;
        if is_probe && let State::Open { slot, barred, .. } = &mut inner.state {
            match seen {
                Seen::Judged => {
                    inner.recover();
                    return Some(Transition::Closed);
                }
                // Another caller's key may go instead.
                Seen::Nothing => *slot = ProbeSlot::ForAnybody,
                Seen::Bad { .. } | Seen::SetUp => (*slot, *barred) = (ProbeSlot::Shut, Some(client)),
            }
        }
        match seen {
            Seen::Judged => {
                inner.unconnected = 0;
                inner.note(Sample { is_bad: false, client });
                if let State::Suspected { judged, .. } = &mut inner.state {
                    *judged = true;
                }
                if !inner.is_checking && matches!(inner.state, State::Suspected { .. }) {
                    inner.state = State::Well;
                }
            }
            Seen::Bad { never_connected } => {
                inner.unconnected = if never_connected { inner.unconnected + 1 } else { 0 };
                inner.note(Sample { is_bad: true, client });
                if matches!(inner.state, State::Well) && inner.is_suspicious() {
                    inner.state = State::Suspected { failures: 0, judged: false, is_busy: false };
                    self.wake.notify_one();
                }
            }
            Seen::SetUp => {
                if inner.set_up_is_wrong.is_none_or(|wrong| now >= wrong.until) {
                    inner.set_up_is_doubted_by = Some(client);
                    self.wake.notify_one();
                }
            }
            Seen::Nothing => {}
        }
        None
    }

    /// Waits until a health check may be due.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// How long until the next health check; `None` if none is wanted.
    pub(super) fn next_health_check(&self, now: Instant) -> Option<Duration> {
        let inner = self.lock()?;
        let wanted = match inner.state {
            State::Well if inner.set_up_is_doubted_by.is_none() => return None,
            State::Well | State::Suspected { .. } => now,
            State::Open { next, .. } => next,
            State::Paused { until, .. } => until,
        };
        let pause = if inner.is_checking { inner.lost_after } else { BETWEEN_HEALTH_CHECKS };
        let earliest = inner.asked_at.and_then(|at| at.checked_add(pause)).unwrap_or(now);
        Some(wanted.max(earliest).saturating_duration_since(now))
    }

    /// Begins a health check if one is due.
    pub(super) fn begin_health_check(&self, now: Instant) -> bool {
        if self.next_health_check(now) != Some(Duration::ZERO) {
            return false;
        }
        let Some(mut inner) = self.lock() else { return false };
        (inner.is_checking, inner.asked_at) = (true, Some(now));
        if let State::Open { checks, slot, barred, .. } = &mut inner.state {
            *checks += 1;
            if checks.is_multiple_of(2) {
                // A place that nobody else took is for the barred client, too, the next time.
                if matches!(slot, ProbeSlot::ForOlder | ProbeSlot::ForAnybody) {
                    *barred = None;
                }
                *slot = ProbeSlot::ForOlder;
            }
        }
        true
    }

    /// Takes in the outcome of a health check.
    pub(super) fn end_health_check(&self, health: Health, now: Instant) -> Checked {
        let Some(mut inner) = self.lock() else { return Checked::default() };
        inner.is_checking = false;
        let doubted_by = inner.set_up_is_doubted_by.take();
        match health {
            Health::Up => inner.recover(),
            Health::Refused(error) => {
                // Only if a caller's key drew the same.
                inner.set_up_is_wrong = doubted_by.and_then(|doubted_by| {
                    let until = now.checked_add(MEMORY)?;
                    Some(WrongSetUp { until, class: error.class(), doubted_by })
                });
                inner.recover()
            }
            Health::Overload(error) => inner.overload(error.asked_to_wait(), now),
            Health::Down(error) => inner.fail(Some(error), now),
            Health::Unknown => inner.fail(None, now),
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Inner>> {
        self.inner.as_ref().map(|inner| inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn note(&mut self, outcome: Sample) {
        self.latest.push_back(outcome);
        if self.latest.len() > WINDOW {
            self.latest.pop_front();
        }
    }

    fn is_suspicious(&self) -> bool {
        let bad = self.latest.iter().filter(|outcome| outcome.is_bad).count();
        self.unconnected >= UNCONNECTED || (self.latest.len() >= LEAST && 2 * bad >= self.latest.len())
    }

    /// The same over clients, each counted once, for a verifier that can't tell. All callers without an address are one client.
    fn most_clients_fail(&self) -> bool {
        let mut counted: Vec<&Sample> = Vec::with_capacity(WINDOW);
        for outcome in self.latest.iter().rev() {
            if counted.iter().all(|other| other.client != outcome.client) {
                counted.push(outcome);
            }
        }
        let bad = counted.iter().filter(|outcome| outcome.is_bad).count();
        counted.len() >= LEAST && 2 * bad >= counted.len()
    }

    /// Kinde answers.
    fn recover(&mut self) -> Checked {
        let (transition, outage_is_over) = match self.state {
            State::Well => (None, false),
            State::Suspected { failures, .. } => (None, failures > 0),
            State::Paused { .. } => (None, true),
            State::Open { .. } => (Some(Transition::Closed), true),
        };
        self.state = State::Well;
        self.latest.clear();
        self.unconnected = 0;
        Checked { transition, outage_is_over }
    }

    fn overload(&mut self, named: Option<Duration>, now: Instant) -> Checked {
        let named = named.filter(|named| !named.is_zero()).map(|named| named.min(LONGEST_SILENCE));
        let unnamed = match &mut self.state {
            State::Open { pause, next, .. } => {
                *next = later(now, named.unwrap_or(*pause).max(*pause));
                *pause = (*pause * 2).min(LONGEST_PAUSE);
                return Checked::default();
            }
            State::Suspected { judged: true, .. } => {
                self.state = State::Well;
                return Checked::default();
            }
            State::Well => return Checked::default(),
            // Overload without a moment stops everybody only if it lasts.
            State::Suspected { is_busy: is_busy @ false, failures, .. } if named.is_none() => {
                (*is_busy, *failures) = (true, 0);
                return Checked::default();
            }
            State::Suspected { .. } => FIRST_SILENCE,
            State::Paused { unnamed, .. } => (*unnamed * 2).min(LONGEST_UNNAMED_SILENCE),
        };
        let silence = named.unwrap_or(unnamed);
        let is_new = !matches!(self.state, State::Paused { .. });
        self.state = State::Paused { until: later(now, silence), unnamed };
        Checked { transition: is_new.then_some(Transition::Paused(silence)), outage_is_over: false }
    }

    /// The health check failed, or (without an error) its verifier can't tell.
    fn fail(&mut self, error: Option<VerifierError>, now: Instant) -> Checked {
        let mut transition = None;
        match &mut self.state {
            State::Open { pause, next, slot, .. } => {
                *pause = (*pause * 2).min(LONGEST_PAUSE);
                *next = later(now, *pause);
                if *slot == ProbeSlot::ForOlder || (error.is_none() && *slot == ProbeSlot::Shut) {
                    *slot = ProbeSlot::ForAnybody;
                }
            }
            State::Suspected { judged: true, .. } => self.state = State::Well,
            State::Well | State::Suspected { .. } | State::Paused { .. } => {
                let earlier = if let State::Suspected { failures, .. } = self.state { failures } else { 0 };
                // An answer that tells nothing is one that failed, if most clients fail, too.
                let has_failed = error.is_some() || self.most_clients_fail();
                let opens = has_failed && earlier + 1 >= FAILURES;
                self.state = match (opens, has_failed) {
                    (true, _) => State::Open {
                        pause: FIRST_PAUSE,
                        checks: 0,
                        next: later(now, FIRST_PAUSE),
                        slot: ProbeSlot::Shut,
                        barred: None,
                    },
                    (false, true) => {
                        State::Suspected { failures: earlier + 1, judged: false, is_busy: false }
                    }
                    (false, false) => State::Well,
                };
                transition = opens.then(|| error.map_or(Transition::OpenedByOutcomes, Transition::Opened));
            }
        }
        Checked { transition, outage_is_over: false }
    }
}

fn wait(moment: Instant, is_checking: bool, now: Instant) -> Duration {
    let wait = moment.saturating_duration_since(now);
    if is_checking || wait.is_zero() { SOON } else { wait }
}

fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now)
}
