//! What one request has asked already, so that a layer and an extractor together verify once.

use std::fmt;

use crate::authenticator::{Attempt, Authenticator};
use crate::extract::Malformed;
use crate::key::Fingerprint;
use crate::request::RequestHead;

/// Remembers, for the length of one request, each authenticator's attempt at it. It is the attempt that is kept and not
/// its result, since extractors may run concurrently. Adapters keep it in the request's own storage, under a type that
/// only they can name.
///
/// An attempt counts only for the credential that it was made for. A request whose credential changes on its way is looked
/// at anew.
///
/// A clone is empty. Whoever clones the storage of a request makes another request, such as one of a batch. That request
/// must be judged by what it presents itself, and a purge since then must be heeded.
#[derive(Default)]
pub struct Memo(Vec<(Authenticator, Attempt)>);

impl Memo {
    /// This authenticator's attempt, if it made one at what the request presents now. Another authenticator's never counts.
    ///
    /// If the authenticator [takes credentials out](Authenticator::removes_credential), a noted attempt counts while the
    /// request presents nothing, because its credential is gone. Otherwise only an attempt counts that waits for a
    /// verification of the same key: to look at everything else again asks nobody.
    #[must_use]
    pub fn recall(&self, authenticator: &Authenticator, request: &impl RequestHead) -> Option<Attempt> {
        let (_, attempt) = self.0.iter().find(|(known, _)| known.is_same_as(authenticator))?;
        authenticator.is_made_for(attempt, request).then(|| attempt.clone())
    }

    /// Notes this authenticator's attempt, in place of one that it made before.
    pub fn note(&mut self, authenticator: &Authenticator, attempt: Attempt) {
        match self.0.iter_mut().find(|(known, _)| known.is_same_as(authenticator)) {
            Some((_, known)) => *known = attempt,
            None => self.0.push((authenticator.clone(), attempt)),
        }
    }
}

impl Clone for Memo {
    /// An empty one: see [`Memo`].
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memo(..)")
    }
}

/// What a request presents to one authenticator, without the secret: nothing, something malformed, or a key. Two are equal
/// if they are judged alike.
///
/// For adapters that must keep more than a [`Memo`] does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Presented(Option<Result<Fingerprint, Malformed>>);

impl Presented {
    pub(crate) const NOTHING: Self = Self(None);

    pub(crate) fn key(fingerprint: Fingerprint) -> Self {
        Self(Some(Ok(fingerprint)))
    }

    pub(crate) fn malformed(code: Malformed) -> Self {
        Self(Some(Err(code)))
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Presented(..)")
    }
}
