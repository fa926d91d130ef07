//! The attempts at a request, kept in its extensions so that all its filters together verify once. A filter can't
//! write to a request, so [`per_request`](crate::per_request()) puts the memo into the request's extensions before
//! warp sees the request.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apikey_core::{Attempt, Authenticator, Memo, RequestHead};

/// The attempts at this request. The type is private, so no other code can reach them.
#[derive(Default)]
pub(crate) struct RequestMemo {
    shared: Arc<Mutex<Memo>>,
    /// The address at the other end of the connection, if [`with_peer`](crate::PerRequest::with_peer) told it.
    pub(crate) peer: Option<IpAddr>,
    is_copy: bool,
}

impl RequestMemo {
    /// The memo for a request whose extensions held `found`. `peer` is the address that the service itself knows.
    pub(crate) fn of_request(found: Option<Self>, peer: Option<IpAddr>) -> Self {
        let found = found.unwrap_or_default();
        let peer = peer.or(found.peer);
        // A copy came with cloned extensions, so it belongs to another request.
        if found.is_copy { Self { peer, ..Self::default() } } else { Self { peer, ..found } }
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
    /// from extensions that were cloned, and so it belongs to another request: it knows the peer and nothing else.
    fn clone(&self) -> Self {
        let shared = if self.is_copy { Arc::default() } else { Arc::clone(&self.shared) };
        Self { shared, peer: self.peer, is_copy: true }
    }
}
