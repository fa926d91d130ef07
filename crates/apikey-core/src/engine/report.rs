//! What a flight brings back, and what that says to those who count how verifications go.

use std::time::Duration;

use super::admission::Used;
use super::attempts::{Ended, Limited};
use super::breaker::Seen;
use crate::verification::Judgement;
use crate::verifier::ServerFault;
use crate::verifier::{FailureClass, VerifierError};

/// What a flight brings back.
pub(crate) enum Report {
    Judged(Judgement),
    Failed(VerifierError),
    /// Its turn to ask did not come.
    Crowded,
    /// Its turn came while no key is sent for this long.
    NotYet(Duration),
    /// Its client was limited when the turn came.
    Limited(Limited),
    /// Its task was ended, so nobody knows.
    Lost(ServerFault),
}

/// What a report says to the adaptive number of places, to the breaker and to the limiter.
pub(super) struct Lessons {
    pub(super) used: Used,
    pub(super) seen: Seen,
    pub(super) ended: Ended,
}

impl Report {
    /// `took` is the time since the question was asked.
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
            // The verifier has a bug, and perhaps this key met it.
            Self::Lost(ServerFault::Internal) => Lessons {
                used: Used::Otherwise,
                seen: Seen::Nothing,
                ended: Ended::NotJudged { may_be_an_outage: false },
            },
            Self::Crowded | Self::NotYet(_) | Self::Limited(_) | Self::Lost(_) => {
                Lessons { used: Used::Otherwise, seen: Seen::Nothing, ended: Ended::NotMade }
            }
        }
    }
}
