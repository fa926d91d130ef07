//! The state of the emulated business: its keys, tokens and configured answers. It is the same at each address.

use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{answer::NegativeAnswer, keys::KeyStore, token_store::TokenStore, webhooks::SigningKey};

/// Keys, tokens and the answers for them. Several emulators can share one.
#[derive(Default)]
pub(crate) struct Business {
    pub(crate) keys: Mutex<KeyStore>,
    pub(crate) tokens: Mutex<TokenStore>,
    pub(crate) signing_key: Mutex<SigningKey>,
    pub(crate) negative_answer: Mutex<NegativeAnswer>,
    /// Takes precedence over `negative_answer` if no key has the secret.
    pub(crate) unknown_key_answer: Mutex<Option<NegativeAnswer>>,
    /// Takes precedence over both if the secret does not look like a key.
    pub(crate) malformed_key_answer: Mutex<Option<NegativeAnswer>>,
    scope_denied: AtomicBool,
}

impl Business {
    pub(crate) fn set_scope_denied(&self, denied: bool) {
        self.scope_denied.store(denied, Ordering::SeqCst);
    }

    pub(crate) fn scope_denied(&self) -> bool {
        self.scope_denied.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Business {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Business").finish_non_exhaustive()
    }
}
