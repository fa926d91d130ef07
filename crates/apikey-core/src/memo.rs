//! What one request has asked already, so that a layer and an extractor together verify its key once.

use std::fmt;
use std::sync::Arc;

use crate::attempt::{Attempt, State};
use crate::authenticator::Authenticator;
use crate::client::Client;
use crate::extract::{Found, Malformed};
use crate::key::{Credential, PresentedKey};
use crate::request::RequestHead;

/// Remembers each authenticator's attempt for the length of one request. It keeps the attempt and not its result,
/// because extractors may run concurrently. Adapters keep it in the request's own storage, under a type that only
/// they can name.
///
/// An attempt counts only for the credential that it was made for. If something changes the request's credential, the
/// request is looked at anew.
///
/// A clone is empty. Code that clones a request's storage makes another request, such as one of a batch. That request
/// must be judged by what it presents itself, and after all purges until then.
#[derive(Default)]
pub struct Memo(Vec<(Authenticator, Known)>);

enum Known {
    Attempt(Attempt),
    /// The credential was taken out of the request, and Kinde was not asked about it yet.
    Taken {
        key: PresentedKey,
        client: Option<Client>,
    },
}

impl Known {
    /// Whether a request may look like this after its credential was taken out.
    fn leaves(&self, rest: &Found<'_>) -> bool {
        match self {
            Self::Attempt(attempt) => attempt.leaves(rest),
            Self::Taken { .. } => !matches!(rest, Found::Key(_)),
        }
    }
}

impl Attempt {
    /// Whether a request may look like this after the attempt's credential was taken out. A foreign value stays in a
    /// request, but a request that presented nothing had none.
    fn leaves(&self, rest: &Found<'_>) -> bool {
        match rest {
            Found::Nothing => true,
            Found::Foreign => !matches!(self.state, State::Anonymous),
            Found::Key(_) => false,
        }
    }
}

impl Memo {
    /// The attempt for what the request presents now: the stored one, or a new one.
    ///
    /// `None` if the authenticator [takes credentials out](Authenticator::removes_credential), and no code has called
    /// [`take`](Self::take) for the credential that the request presents. Then the adapter is wired wrong, and must
    /// not let the request in.
    pub fn begin(&mut self, authenticator: &Authenticator, request: &impl RequestHead) -> Option<Attempt> {
        if authenticator.removes_credential() {
            return self.begin_taken(authenticator, request);
        }
        if let Some(attempt) = self.recall(authenticator, request) {
            return Some(attempt);
        }
        let attempt = authenticator.begin(request);
        if authenticator.must_remember(&attempt) {
            self.note(authenticator, &attempt);
        }
        Some(attempt)
    }

    /// This authenticator's attempt, if it made one for what the request presents now. Another authenticator's
    /// attempt never counts.
    ///
    /// If the authenticator [takes credentials out](Authenticator::removes_credential), an attempt counts while the
    /// request presents no key, because its credential is gone. Otherwise an attempt counts only if it waits for a
    /// verification of the same key. In all other cases, looking again needs no call.
    #[must_use]
    pub fn recall(&self, authenticator: &Authenticator, request: &impl RequestHead) -> Option<Attempt> {
        let Known::Attempt(attempt) = self.of(authenticator)? else { return None };
        authenticator.is_made_for(attempt, request).then(|| attempt.again())
    }

    /// Stores this authenticator's attempt, in place of one that it made before.
    pub fn note(&mut self, authenticator: &Authenticator, attempt: &Attempt) {
        self.set(authenticator, Known::Attempt(attempt.again()));
    }

    /// Stores the credential that the request presents, in place of one stored before, and does not verify it yet.
    /// Middleware that takes credentials out of requests calls this. [`begin_taken`](Self::begin_taken) begins the
    /// attempt.
    ///
    /// `false` if there is nothing to do: credentials stay in their requests, or this request presents no key because
    /// its credential was stored before. Otherwise the adapter must now take the credential out of the request.
    pub fn take(&mut self, authenticator: &Authenticator, request: &impl RequestHead) -> bool {
        if !authenticator.removes_credential() {
            return false;
        }
        let view = &authenticator.0;
        let denied = |malformed| Known::Attempt(Attempt::denied(view.style.malformed(malformed)));
        let known = match view.extraction.look(request) {
            Ok(rest) if self.of(authenticator).is_some_and(|known| known.leaves(&rest)) => return false,
            Ok(Found::Nothing) => Known::Attempt(view.attempt(State::Anonymous)),
            Ok(Found::Foreign) => denied(Malformed::Format),
            Ok(Found::Key(key)) => {
                Known::Taken { key: key.into_presented_key(), client: view.client_of(request) }
            }
            Err(malformed) => denied(malformed),
        };
        self.set(authenticator, known);
        true
    }

    /// The attempt with the credential that [`take`](Self::take) stored. The first call begins it. `None` if nothing
    /// was stored, or if the request presents another credential by now. Then the adapter is wired wrong.
    pub fn begin_taken(
        &mut self,
        authenticator: &Authenticator,
        request: &impl RequestHead,
    ) -> Option<Attempt> {
        let rest = authenticator.0.extraction.look(request).ok()?;
        let (_, known) = self.0.iter_mut().find(|(owner, _)| owner.is_same_as(authenticator))?;
        if !known.leaves(&rest) {
            return None;
        }
        let before = std::mem::replace(known, Known::Attempt(authenticator.0.attempt(State::Anonymous)));
        let attempt = match before {
            Known::Attempt(attempt) => attempt,
            Known::Taken { key, client } => {
                authenticator.0.begin_if_accepted(Credential::from(key), &|| client)
            }
        };
        *known = Known::Attempt(attempt.again());
        Some(attempt)
    }

    fn of(&self, authenticator: &Authenticator) -> Option<&Known> {
        self.0.iter().find(|(owner, _)| owner.is_same_as(authenticator)).map(|(_, known)| known)
    }

    fn set(&mut self, authenticator: &Authenticator, new: Known) {
        match self.0.iter_mut().find(|(owner, _)| owner.is_same_as(authenticator)) {
            Some((_, known)) => *known = new,
            None => self.0.push((authenticator.clone(), new)),
        }
    }
}

/// # For adapters
impl Authenticator {
    /// Whether both are clones of one authenticator, with the same options.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether an attempt that was stored before was made for what this request presents now.
    fn is_made_for(&self, attempt: &Attempt, request: &impl RequestHead) -> bool {
        match self.0.extraction.look(request) {
            // A credential that is presented after a removal came later, and must be taken out, too.
            Ok(rest) if self.removes_credential() => attempt.leaves(&rest),
            Ok(Found::Key(key)) => attempt.waits_for(self.0.engine.fingerprint(key.as_bytes())),
            Ok(Found::Nothing | Found::Foreign) | Err(_) => false,
        }
    }
}

impl Clone for Memo {
    /// Returns an empty memo: see [`Memo`].
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memo(..)")
    }
}
