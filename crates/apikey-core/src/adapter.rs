//! What adapters have in common, beyond decisions: the names that an application sees, and the types that each adapter
//! must define for itself, since a framework's traits can be implemented only for a crate's own types.

/// Everything that an application names in any framework, for adapters to re-export whole. An adapter whose
/// `Authenticator` is a type of its own defines it beside: that one comes before this.
pub mod application {
    pub use crate::{
        AnyOf, AttemptLimit, Authenticator, AuthenticatorBuilder, ConfigError, CredentialSource, Denial,
        DenialCode, ForwardingHeader, Fresh, OrganizationKey, Policy, TrustedProxies, TypedPolicy, UserKey,
        Verification, VerifiedKey, Verifier, scopes,
    };
    #[cfg(feature = "kinde")]
    pub use crate::{KindeSettings, KindeVerifier, MachineToMachine};
}

/// Defines an adapter's `ApiKey`, `MaybeApiKey` and `Scoped<P>` around a [`VerifiedKey`](crate::VerifiedKey), each with the
/// attributes (the documentation) that are given. The adapter implements its framework's traits for them.
///
/// ```
/// apikey_core::adapter_keys! {
///     /// The caller's key.
///     ApiKey;
///     /// The caller's key, where one is presented.
///     MaybeApiKey;
///     /// The caller's key, if it satisfies the typed policy `P`.
///     Scoped;
/// }
///
/// fn me(key: &ApiKey) -> &str {
///     key.key_id()
/// }
/// ```
#[macro_export]
macro_rules! adapter_keys {
    ($(#[$api_key:meta])* ApiKey; $(#[$maybe:meta])* MaybeApiKey; $(#[$scoped:meta])* Scoped;) => {
        $(#[$api_key])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct ApiKey(pub(crate) $crate::VerifiedKey);

        impl ApiKey {
            /// The key by itself, to be handed on.
            #[must_use]
            pub fn into_key(self) -> $crate::VerifiedKey {
                self.0
            }
        }

        impl ::core::ops::Deref for ApiKey {
            type Target = $crate::VerifiedKey;

            fn deref(&self) -> &$crate::VerifiedKey {
                &self.0
            }
        }

        $(#[$maybe])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct MaybeApiKey(pub(crate) Option<$crate::VerifiedKey>);

        impl MaybeApiKey {
            /// The key, where one was presented.
            #[must_use]
            pub fn key(&self) -> Option<&$crate::VerifiedKey> {
                self.0.as_ref()
            }

            /// The key by itself, to be handed on.
            #[must_use]
            pub fn into_key(self) -> Option<$crate::VerifiedKey> {
                self.0
            }
        }

        $(#[$scoped])*
        #[derive(Debug)]
        pub struct Scoped<P> {
            key: $crate::VerifiedKey,
            policy: ::core::marker::PhantomData<fn() -> P>,
        }

        impl<P> Scoped<P> {
            /// Takes a key that has been checked against the policy.
            pub(crate) fn new(key: $crate::VerifiedKey) -> Self {
                Self { key, policy: ::core::marker::PhantomData }
            }

            /// The key by itself, to be handed on.
            #[must_use]
            pub fn into_key(self) -> $crate::VerifiedKey {
                self.key
            }
        }

        impl<P> ::core::ops::Deref for Scoped<P> {
            type Target = $crate::VerifiedKey;

            fn deref(&self) -> &$crate::VerifiedKey {
                &self.key
            }
        }
    };
}
