//! What follows from the class of a failure: one table, from which everything else takes its rule.

use crate::verifier::FailureClass;

/// What a failure of one class means for the caller, for a stale answer and for another try. An attempt is given back in
/// every class, up to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The caller gets a 500 and not a 503: this service is to blame. Every other failure may be a sign that nobody can be
    /// verified, so that the service asks for itself.
    pub(crate) is_set_up: bool,
    pub(crate) stale_answer: StaleAnswer,
    pub(crate) retry: Retry,
    /// The caller may have been unlucky in an outage: what it was given back is forgotten when the outage has ended.
    pub(crate) is_an_outage_if_confirmed: bool,
}

/// Whether an answer past its time to live may serve, if the settings allow it at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StaleAnswer {
    Serves,
    /// While the breaker is open. Otherwise the stale answer is forgotten, because it may be this key that is odd.
    ServesWhileOpen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    /// After the moment that the other side names.
    AfterTheMoment,
    /// At once, on a new connection.
    OnANewConnection,
}

impl FailureClass {
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
