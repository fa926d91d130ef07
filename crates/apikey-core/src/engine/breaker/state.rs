//! The states of the breaker, and what a health check does to them.

use std::time::{Duration, Instant};

use super::probe::Probe;
use crate::verifier::VerifierError;

/// How many health checks in a row must fail before the breaker opens.
const FAILURES: u32 = 2;
/// While the breaker is open, the pause between two health checks doubles from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long everybody waits at most when Kinde asks for time.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// How long everybody waits if Kinde names no moment. It doubles from the first to the longest.
const FIRST_UNNAMED_SILENCE: Duration = Duration::from_millis(100);
const LONGEST_UNNAMED_SILENCE: Duration = Duration::from_secs(1);

pub(super) enum State {
    Well,
    /// Outcomes of callers' keys are suspicious.
    Suspected {
        /// How many health checks failed in a row.
        failures: u32,
        /// A key was judged since the suspicion.
        judged: bool,
        /// A health check drew overload, and Kinde named no moment. The overload may end within milliseconds.
        is_busy: bool,
    },
    /// No key is sent, a probe aside.
    Open {
        /// The pause before the next health check.
        pause: Duration,
        /// When the next health check is due.
        next: Instant,
        /// How many health checks were made since the breaker opened.
        checks: u32,
        probe: Probe,
    },
    /// No key is sent until Kinde's moment, because a health check drew overload.
    Paused {
        until: Instant,
        unnamed: Duration,
    },
}

/// What changes for everybody.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) enum Transition {
    Opened(VerifierError),
    OpenedByOutcomes,
    Closed,
    Paused(Duration),
}

/// What the engine must do after the breaker has learned something.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine) struct Consequences {
    pub(in crate::engine) transition: Option<Transition>,
    /// An outage that a health check had seen is over.
    pub(in crate::engine) outage_is_over: bool,
}

impl State {
    /// Until when no key is sent, a probe aside. `None` if keys are sent.
    pub(super) fn blocks_until(&self) -> Option<Instant> {
        match self {
            Self::Well | Self::Suspected { .. } => None,
            Self::Open { next, .. } => Some(*next),
            Self::Paused { until, .. } => Some(*until),
        }
    }

    pub(super) fn is_suspected(&self) -> bool {
        matches!(self, Self::Suspected { .. })
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    pub(super) fn is_paused(&self) -> bool {
        matches!(self, Self::Paused { .. })
    }

    /// Outcomes of callers' keys are suspicious. Returns whether that is news.
    pub(super) fn suspect(&mut self) -> bool {
        let is_news = matches!(self, Self::Well);
        if is_news {
            *self = Self::Suspected { failures: 0, judged: false, is_busy: false };
        }
        is_news
    }

    /// A caller's key was judged, so the suspicion is unfounded. If a health check is under way, its outcome is
    /// awaited first.
    pub(super) fn key_was_judged(&mut self, is_checking: bool) {
        match self {
            Self::Suspected { judged, .. } if is_checking => *judged = true,
            Self::Suspected { .. } => *self = Self::Well,
            Self::Well | Self::Open { .. } | Self::Paused { .. } => {}
        }
    }

    /// A health check begins. With every second one, a probe may go, too.
    pub(super) fn health_check_begins(&mut self) {
        if let Self::Open { checks, probe, .. } = self {
            *checks += 1;
            if *checks % 2 == 0 {
                probe.offer();
            }
        }
    }

    /// Kinde answers.
    pub(super) fn recover(&mut self) -> Consequences {
        let (transition, outage_is_over) = match self {
            Self::Well => (None, false),
            Self::Suspected { failures, .. } => (None, *failures > 0),
            Self::Paused { .. } => (None, true),
            Self::Open { .. } => (Some(Transition::Closed), true),
        };
        *self = Self::Well;
        Consequences { transition, outage_is_over }
    }

    /// A health check drew overload. `named` is the wait that Kinde named.
    pub(super) fn overload(&mut self, named: Option<Duration>, now: Instant) -> Consequences {
        let named = named.filter(|named| !named.is_zero()).map(|named| named.min(LONGEST_SILENCE));
        let unnamed = match self {
            Self::Open { pause, next, .. } => {
                *next = later(now, named.unwrap_or(*pause).max(*pause));
                *pause = (*pause * 2).min(LONGEST_PAUSE);
                return Consequences::default();
            }
            Self::Suspected { judged: true, .. } => {
                *self = Self::Well;
                return Consequences::default();
            }
            Self::Well => return Consequences::default(),
            // If Kinde names no moment, everybody waits only if the next health check draws overload, too.
            Self::Suspected { is_busy: is_busy @ false, failures, .. } if named.is_none() => {
                (*is_busy, *failures) = (true, 0);
                return Consequences::default();
            }
            Self::Suspected { .. } => FIRST_UNNAMED_SILENCE,
            Self::Paused { unnamed, .. } => (*unnamed * 2).min(LONGEST_UNNAMED_SILENCE),
        };
        let silence = named.unwrap_or(unnamed);
        let is_new = !self.is_paused();
        *self = Self::Paused { until: later(now, silence), unnamed };
        Consequences { transition: is_new.then_some(Transition::Paused(silence)), outage_is_over: false }
    }

    /// A health check failed with this error. Without an error, the verifier can't tell its health. That counts
    /// as a failure if `most_clients_fail`.
    pub(super) fn fail(
        &mut self,
        error: Option<VerifierError>,
        most_clients_fail: impl FnOnce() -> bool,
        now: Instant,
    ) -> Consequences {
        let earlier = match self {
            Self::Open { pause, next, probe, .. } => {
                *pause = (*pause * 2).min(LONGEST_PAUSE);
                *next = later(now, *pause);
                probe.health_check_failed(error.is_none());
                return Consequences::default();
            }
            Self::Suspected { judged: true, .. } => {
                *self = Self::Well;
                return Consequences::default();
            }
            Self::Suspected { failures, .. } => *failures,
            Self::Well | Self::Paused { .. } => 0,
        };
        if error.is_none() && !most_clients_fail() {
            *self = Self::Well;
            return Consequences::default();
        }
        let failures = earlier + 1;
        if failures < FAILURES {
            *self = Self::Suspected { failures, judged: false, is_busy: false };
            return Consequences::default();
        }
        *self =
            Self::Open { pause: FIRST_PAUSE, next: later(now, FIRST_PAUSE), checks: 0, probe: Probe::shut() };
        let transition = error.map_or(Transition::OpenedByOutcomes, Transition::Opened);
        Consequences { transition: Some(transition), outage_is_over: false }
    }
}

fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now)
}
