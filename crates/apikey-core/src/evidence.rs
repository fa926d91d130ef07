//! What follows from the class of a failure. There is one table, and all rules come from it.

use crate::verifier::FailureClass;

/// What a failure of one class means for the caller, for a stale answer and for another try. In every class the
/// attempt is given back, up to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// This service is to blame, so the caller gets a 500. Otherwise the caller gets a 503, and the failure may
    /// be a sign that no key can be verified, so the service makes a health check.
    pub(crate) is_set_up: bool,
    pub(crate) stale_answer: StaleAnswer,
    pub(crate) retry: Retry,
    /// An outage may be why. If one was seen and has ended, what the caller was given back for such failures no
    /// longer counts.
    pub(crate) is_an_outage_if_confirmed: bool,
}

/// Whether a stale answer may serve, if the settings allow it at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StaleAnswer {
    /// It serves.
    Serves,
    /// It serves while the breaker is open. Otherwise it is forgotten, because it may be this key that is odd.
    ServesWhileOpen,
}

/// When a call that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    /// It is tried again after the moment that Kinde names.
    AfterTheMoment,
    /// It is tried again at once, on a new connection.
    OnANewConnection,
}

impl FailureClass {
    /// The text in labels and fields.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Overload => "overload",
            Self::Outage => "outage",
            Self::SetUp => "set_up",
            Self::ServiceRefused => "service_refused",
            Self::Unjudged => "unjudged",
        }
    }

    pub(crate) const fn rule(self) -> Rule {
        use Retry::{AfterTheMoment, Never, OnANewConnection};
        use StaleAnswer::{Serves, ServesWhileOpen};
        let (is_set_up, stale_answer, retry, is_an_outage_if_confirmed) = match self {
            Self::Overload => (false, Serves, AfterTheMoment, true),
            Self::Outage => (false, Serves, OnANewConnection, true),
            Self::SetUp => (true, Serves, Never, false),
            Self::ServiceRefused => (true, ServesWhileOpen, Never, false),
            Self::Unjudged => (false, ServesWhileOpen, Never, false),
        };
        Rule { is_set_up, stale_answer, retry, is_an_outage_if_confirmed }
    }
}
