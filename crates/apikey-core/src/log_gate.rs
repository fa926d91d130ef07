//! What the log says about failures: each kind once a minute, with the number of those that were not logged.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::verifier::{FailureClass, VerifierError};

const PAUSE: Duration = Duration::from_secs(60);
/// Once this many kinds are known, all new reasons of one class count as one kind.
const MOST_KINDS: usize = 64;

/// Remembers when each kind of failure was logged.
#[derive(Default)]
pub(crate) struct LogGate(Mutex<HashMap<(FailureClass, String), Told>>);

struct Told {
    at: Instant,
    untold: u64,
}

impl LogGate {
    /// Logs a failure, unless one of its kind was logged within the last minute.
    pub(crate) fn tell(&self, error: &VerifierError, now: Instant) {
        let Some(untold) = self.untold(error, now) else { return };
        if error.class().rule().is_set_up {
            tracing::error!(more = untold, "{error}");
        } else {
            tracing::warn!(more = untold, "{error}");
        }
    }

    /// Logs a warning that is not about a verification, unless the same was logged within the last minute.
    #[cfg(feature = "webhooks")]
    pub(crate) fn warn(&self, warning: &str, now: Instant) {
        if let Some(untold) = self.untold_of(FailureClass::Unjudged, warning, now) {
            tracing::warn!(more = untold, "{warning}");
        }
    }

    fn untold(&self, error: &VerifierError, now: Instant) -> Option<u64> {
        self.untold_of(error.class(), error.reason(), now)
    }

    /// How many failures of this kind were not logged since the latest that was. `None` if this one is not to be
    /// logged either.
    fn untold_of(&self, class: FailureClass, reason: &str, now: Instant) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kind = (class, reason.to_owned());
        if kinds.len() >= MOST_KINDS && !kinds.contains_key(&kind) {
            kind.1.clear();
        }
        match kinds.get_mut(&kind) {
            Some(told) if now.saturating_duration_since(told.at) < PAUSE => {
                told.untold += 1;
                None
            }
            Some(told) => {
                let untold = told.untold;
                *told = Told { at: now, untold: 0 };
                Some(untold)
            }
            None => {
                kinds.insert(kind, Told { at: now, untold: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_once_a_minute_with_a_count() {
        let (gate, now) = (LogGate::default(), Instant::now());
        let (one, other) = (VerifierError::set_up("one"), VerifierError::set_up("other"));
        assert_eq!(gate.untold(&one, now), Some(0));
        for _ in 0..2000 {
            assert_eq!(gate.untold(&one, now + Duration::from_secs(59)), None);
        }
        assert_eq!(gate.untold(&other, now), Some(0));
        assert_eq!(gate.untold(&one, now + PAUSE), Some(2000));
        assert_eq!(gate.untold(&one, now + 2 * PAUSE), Some(0));
    }

    #[test]
    fn reasons_without_end_are_one_kind() {
        let (gate, now) = (LogGate::default(), Instant::now());
        let told = (0..10_000)
            .filter(|number| gate.untold(&VerifierError::outage(format!("{number}")), now).is_some())
            .count();
        assert_eq!(told, MOST_KINDS + 1);
    }

    #[test]
    fn a_kind_that_is_known_stays_its_own_among_reasons_without_end() {
        let (gate, now) = (LogGate::default(), Instant::now());
        let known = VerifierError::outage("known");
        assert_eq!(gate.untold(&known, now), Some(0));
        for number in 0..1000 {
            let _told = gate.untold(&VerifierError::outage(format!("{number}")), now);
        }
        assert_eq!(gate.untold(&known, now), None);
        assert_eq!(gate.untold(&known, now + PAUSE), Some(1), "it alone");
    }
}
