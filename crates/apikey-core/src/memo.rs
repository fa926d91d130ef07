//! What one request has learned already, so that a layer and an extractor together verify once.

use std::fmt;

use crate::authenticator::{Authenticator, VerifiedKey};
use crate::denial::Denial;

/// The outcome of authenticating one request: `None` where nothing was presented.
pub type Authentication = Result<Option<VerifiedKey>, Denial>;

/// Remembers, for the length of one request, what each authenticator said about it. Adapters keep it in the request's
/// own storage, under a type that only they can name.
#[derive(Clone, Default)]
pub struct Memo(Vec<(Authenticator, Authentication)>);

impl Memo {
    /// What this authenticator said, if it was asked. Another authenticator's word never counts.
    #[must_use]
    pub fn recall(&self, authenticator: &Authenticator) -> Option<&Authentication> {
        self.0.iter().find(|(known, _)| known.is_same_as(authenticator)).map(|(_, outcome)| outcome)
    }

    /// Notes what this authenticator said.
    pub fn note(&mut self, authenticator: &Authenticator, outcome: Authentication) {
        if self.recall(authenticator).is_none() {
            self.0.push((authenticator.clone(), outcome));
        }
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memo(..)")
    }
}
