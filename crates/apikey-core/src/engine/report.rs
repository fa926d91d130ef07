//! The report of a flight, and what the places, the breaker and the limiter learn from it.

use std::time::Duration;

use super::admission::Used;
use super::attempts::{Ended, Limited};
use super::breaker::Seen;
use crate::telemetry::VerificationResult;
use crate::verification::Judgement;
use crate::verifier::ServerFault;
use crate::verifier::{FailureClass, VerifierError};

/// How a verification went.
pub(crate) enum Report {
    Judged(Judgement),
    Failed(VerifierError),
    /// The flight's turn did not come in time.
    Crowded,
    /// The flight's turn came, but no key may be sent for this much longer: the breaker is open, or Kinde asked
    /// everybody to wait.
    NotYet(Duration),
    /// Kinde refuses this service, so no key is sent.
    SetUp {
        stale_may_serve: bool,
    },
    /// The client had used up its attempts when the turn came.
    Limited(Limited),
    /// The flight's task ended without a report.
    Lost(ServerFault),
}

/// What the adaptive number of places, the breaker and the limiter learn from a report.
pub(super) struct Lessons {
    pub(super) used: Used,
    pub(super) seen: Seen,
    pub(super) ended: Ended,
}

impl Report {
    /// How an operator sees it, and what went wrong if the key was not judged.
    pub(super) fn verdict(&self) -> (VerificationResult, Option<&'static str>) {
        use VerificationResult::{Accepted, Misconfigured, Refused, Unjudged};
        match self {
            Self::Judged(judgement) => (if judgement.is_accepted() { Accepted } else { Refused }, None),
            Self::Failed(error) => {
                let result = if error.class().rule().is_set_up { Misconfigured } else { Unjudged };
                (result, Some(error.class().as_str()))
            }
            Self::Crowded => (Unjudged, Some("crowded")),
            Self::NotYet(_) => (Unjudged, Some("paused")),
            Self::SetUp { .. } => (Misconfigured, Some("set_up")),
            Self::Limited(_) => (Unjudged, Some("limited")),
            Self::Lost(ServerFault::Internal) => (Misconfigured, Some("panic")),
            Self::Lost(_) => (Unjudged, Some("ended")),
        }
    }

    /// `took` is the time since the flight asked.
    pub(super) fn lessons(&self, took: Duration) -> Lessons {
        match self {
            Self::Judged(judgement) => Lessons {
                used: Used::Judged(took),
                seen: Seen::Judged,
                ended: if judgement.is_accepted() { Ended::Accepted } else { Ended::Refused },
            },
            Self::Failed(error) => {
                let rule = error.class().rule();
                let is_overload = error.class() == FailureClass::Overload;
                Lessons {
                    used: if is_overload { Used::Overloaded } else { Used::Otherwise },
                    seen: if rule.is_set_up {
                        Seen::SetUp
                    } else {
                        Seen::Bad { never_connected: error.is_without_connection() }
                    },
                    ended: Ended::NotJudged { may_be_an_outage: rule.is_an_outage_if_confirmed },
                }
            }
            // The verifier has a bug, and this key may be what triggers it. So the attempt is given back only
            // up to the bound.
            Self::Lost(ServerFault::Internal) => Lessons {
                used: Used::Otherwise,
                seen: Seen::Nothing,
                ended: Ended::NotJudged { may_be_an_outage: false },
            },
            Self::Crowded | Self::NotYet(_) | Self::SetUp { .. } | Self::Limited(_) | Self::Lost(_) => {
                Lessons { used: Used::Otherwise, seen: Seen::Nothing, ended: Ended::NotMade }
            }
        }
    }
}
