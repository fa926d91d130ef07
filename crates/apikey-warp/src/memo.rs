//! What one request has learned, for all filters that look at it. warp gives filters nothing that they could write to, so
//! the memo is put into the request's extensions before warp sees the request.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apikey_core::{Attempt, Authenticator, Memo, RequestHead};

/// The memo of a request, under a type that nobody else can name.
#[derive(Default)]
pub(crate) struct RequestMemo {
    shared: Arc<Mutex<Memo>>,
    /// The address at the other end of the connection, if the service was told.
    pub(crate) peer: Option<IpAddr>,
    is_copy: bool,
}

impl RequestMemo {
    /// The memo of a request whose extensions held `found`, for a service that may know the peer.
    pub(crate) fn of_request(found: Option<Self>, peer: Option<IpAddr>) -> Self {
        let found = found.unwrap_or_default();
        let peer = peer.or(found.peer);
        // A copy came with cloned extensions: it is another request's.
        if found.is_copy { Self { peer, ..Self::default() } } else { Self { peer, ..found } }
    }

    /// Whether the service must now take the credential out of the request. Asks nobody yet.
    pub(crate) fn take(&self, keys: &Authenticator, request: &impl RequestHead) -> bool {
        keys.removes_credential() && self.lock().take(keys, request)
    }

    /// This authenticator's attempt, which the first filter that asks begins. `None` if the credential should have been
    /// taken out of the request, and was not.
    pub(crate) fn begin(&self, keys: &Authenticator, request: &impl RequestHead) -> Option<Attempt> {
        let mut memo = self.lock();
        if keys.removes_credential() {
            return memo.begin_taken(keys, request);
        }
        if let Some(attempt) = memo.recall(keys, request) {
            return Some(attempt);
        }
        let attempt = keys.begin(request);
        if keys.must_remember(&attempt) {
            memo.note(keys, attempt.clone());
        }
        Some(attempt)
    }

    fn lock(&self) -> MutexGuard<'_, Memo> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for RequestMemo {
    /// warp hands each filter a copy of what the extensions hold, and that copy is the same memo. A copy of a copy comes
    /// from extensions that were cloned, and so it belongs to another request: it knows the peer and nothing else.
    fn clone(&self) -> Self {
        let shared = if self.is_copy { Arc::default() } else { Arc::clone(&self.shared) };
        Self { shared, peer: self.peer, is_copy: true }
    }
}
