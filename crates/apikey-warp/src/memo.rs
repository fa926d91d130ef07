//! The attempts at a request, kept in its extensions so that all its filters together verify once. A filter can't
//! write to a request, so [`per_request`](crate::per_request()) puts the memo into the request's extensions before
//! warp sees the request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apikey_core::{Attempt, Authenticator, Memo, RequestHead};

/// The attempts at this request. The type is private, so no other code can reach them.
#[derive(Default)]
pub(crate) struct RequestMemo {
    shared: Arc<Mutex<Memo>>,
    is_copy: bool,
}

impl RequestMemo {
    /// The memo for a request whose extensions held `found`. A copy came with cloned extensions, so it belongs to another
    /// request.
    pub(crate) fn of_request(found: Option<Self>) -> Self {
        found.filter(|found| !found.is_copy).unwrap_or_default()
    }

    /// Notes the credential, and verifies nothing yet. If this returns true, the service must now take the credential
    /// out of the request.
    pub(crate) fn take(&self, keys: &Authenticator, request: &impl RequestHead) -> bool {
        self.lock().take(keys, request)
    }

    /// Returns this authenticator's attempt. The first filter that asks begins it. `None` if a service should have
    /// taken the credential out of the request and did not.
    pub(crate) fn begin(&self, keys: &Authenticator, request: &impl RequestHead) -> Option<Attempt> {
        self.lock().begin(keys, request)
    }

    fn lock(&self) -> MutexGuard<'_, Memo> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for RequestMemo {
    /// warp hands each filter a copy of what the extensions hold, and that copy is the same memo. A copy of a copy comes
    /// from extensions that were cloned, and so it belongs to another request: it is empty.
    fn clone(&self) -> Self {
        let shared = if self.is_copy { Arc::default() } else { Arc::clone(&self.shared) };
        Self { shared, is_copy: true }
    }
}
