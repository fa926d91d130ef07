//! What one request has asked already, so that a layer and an extractor together verify once.

use std::fmt;

use crate::authenticator::{Attempt, Authenticator};

/// Remembers, for the length of one request, each authenticator's attempt at it. It is the attempt that is kept and not
/// its result, since extractors may run concurrently. Adapters keep it in the request's own storage, under a type that
/// only they can name.
#[derive(Clone, Default)]
pub struct Memo(Vec<(Authenticator, Attempt)>);

impl Memo {
    /// This authenticator's attempt, if it made one. Another authenticator's never counts.
    #[must_use]
    pub fn recall(&self, authenticator: &Authenticator) -> Option<Attempt> {
        self.0.iter().find(|(known, _)| known.is_same_as(authenticator)).map(|(_, attempt)| attempt.clone())
    }

    /// Notes this authenticator's attempt, unless it made one before.
    pub fn note(&mut self, authenticator: &Authenticator, attempt: Attempt) {
        if self.recall(authenticator).is_none() {
            self.0.push((authenticator.clone(), attempt));
        }
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memo(..)")
    }
}
