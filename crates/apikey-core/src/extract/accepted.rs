//! Which tokens are API keys.

use zeroize::Zeroizing;

use super::{Found, Malformed};
use crate::key::Credential;

/// Which tokens are API keys, and what becomes of the others.
pub(super) struct Accepted {
    pub(super) prefixes: Vec<String>,
    /// Whether a token without one of the prefixes is nothing presented. Then there are prefixes.
    pub(super) ignores_others: bool,
}

impl Accepted {
    /// Whether the text begins with one of the prefixes, if there are any.
    pub(super) fn accepts(&self, text: &[u8]) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| text.starts_with(prefix.as_bytes()))
    }

    /// What a decoded value is. `beginning` decodes as much of it as is well-formed.
    pub(super) fn judge<'a>(
        &self,
        key: Option<Credential<'a>>,
        beginning: impl FnOnce() -> Zeroizing<Vec<u8>>,
    ) -> Result<Found<'a>, Malformed> {
        match key {
            Some(key) if self.accepts(key.as_bytes()) => Ok(Found::Key(key)),
            _ if self.ignores_others && !self.accepts(&beginning()) => Ok(Found::Foreign),
            _ => Err(Malformed::Format),
        }
    }
}
