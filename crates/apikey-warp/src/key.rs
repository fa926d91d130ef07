//! What the filters extract.

use std::marker::PhantomData;
use std::ops::Deref;

use apikey_core::VerifiedKey;

/// The caller's key, as [`api_key`](crate::api_key) and [`try_api_key`](crate::try_api_key) extract it: verified, active,
/// and enough for the filter's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey(pub(crate) VerifiedKey);

/// The caller's key where one is presented, as [`optional_api_key`](crate::optional_api_key) extracts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaybeApiKey(pub(crate) Option<VerifiedKey>);

/// The caller's key with the scopes that the type names, as [`scoped`](crate::scoped) extracts it.
///
/// `P` is a scope made by [`scopes!`](crate::scopes), a tuple of such (all of them), or
/// [`AnyOf`](crate::AnyOf) such a tuple. A handler that takes it can't be put behind a filter that asks for less.
///
/// ```compile_fail
/// use apikey_warp::{ApiKey, Authenticator, Policy, Scoped, api_key, scopes};
/// use warp::Filter;
///
/// scopes! { ReadUsers = "read:users"; }
///
/// fn wrong(keys: Authenticator) {
///     let _ = api_key(&keys, Policy::any_key()).map(|key: Scoped<ReadUsers>| "users");
/// }
/// ```
#[derive(Debug)]
pub struct Scoped<P> {
    key: VerifiedKey,
    policy: PhantomData<fn() -> P>,
}

impl ApiKey {
    /// The key by itself, to be handed on.
    #[must_use]
    pub fn into_key(self) -> VerifiedKey {
        self.0
    }
}

impl MaybeApiKey {
    /// The key, where one was presented.
    #[must_use]
    pub fn key(&self) -> Option<&VerifiedKey> {
        self.0.as_ref()
    }

    /// The key by itself, to be handed on.
    #[must_use]
    pub fn into_key(self) -> Option<VerifiedKey> {
        self.0
    }
}

impl<P> Scoped<P> {
    pub(crate) fn new(key: VerifiedKey) -> Self {
        Self { key, policy: PhantomData }
    }

    /// The key by itself, to be handed on.
    #[must_use]
    pub fn into_key(self) -> VerifiedKey {
        self.key
    }
}

impl Deref for ApiKey {
    type Target = VerifiedKey;

    fn deref(&self) -> &VerifiedKey {
        &self.0
    }
}

impl<P> Deref for Scoped<P> {
    type Target = VerifiedKey;

    fn deref(&self) -> &VerifiedKey {
        &self.key
    }
}
