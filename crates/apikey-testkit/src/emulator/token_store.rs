//! The machine-to-machine tokens that the emulator issued.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use super::random;

/// All issued tokens, and until when each is accepted.
#[derive(Default)]
pub(crate) struct TokenStore {
    issued: Vec<String>,
    accepted: HashMap<String, Option<Instant>>,
    without_scope: HashSet<String>,
}

impl TokenStore {
    /// Issues a token. It looks like a JWT and contains nothing, because clients must not look inside.
    pub(crate) fn issue(&mut self, lifetime: Option<Duration>, has_scope: bool) -> String {
        let token = format!(
            "eyJ{}.eyJ{}.{}",
            random::alphanumeric(61),
            random::alphanumeric(157),
            random::alphanumeric(86)
        );
        // A lifetime that an instant cannot hold never ends.
        let end = lifetime.and_then(|lifetime| Instant::now().checked_add(lifetime));
        self.accepted.insert(token.clone(), end);
        self.issued.push(token.clone());
        if !has_scope {
            self.without_scope.insert(token.clone());
        }
        token
    }

    pub(crate) fn is_accepted(&self, token: &str) -> bool {
        self.accepted.get(token).is_some_and(|end| end.is_none_or(|end| Instant::now() < end))
    }

    /// Whether the token was issued with the scope `read:api_keys`.
    pub(crate) fn has_scope(&self, token: &str) -> bool {
        !self.without_scope.contains(token)
    }

    pub(crate) fn revoke_all(&mut self) {
        self.accepted.clear();
    }

    pub(crate) fn issued(&self) -> Vec<String> {
        self.issued.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_accepted_until_it_expires_or_is_revoked() {
        let mut store = TokenStore::default();
        let (lasting, expired) = (store.issue(None, true), store.issue(Some(Duration::ZERO), true));
        assert!(store.is_accepted(&lasting));
        assert!(!store.is_accepted(&expired));
        store.revoke_all();
        assert!(!store.is_accepted(&lasting));
        assert_eq!(store.issued(), [lasting, expired]);
    }
}
