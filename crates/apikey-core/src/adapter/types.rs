//! Types that each adapter must define for itself, because Rust lets a crate implement a framework's traits only for
//! its own types.

/// Defines an adapter's `Authenticator` around the core's, with the attributes (the documentation) that you give. The
/// adapter adds what its framework needs, such as `require`.
///
/// ```
/// apikey_core::adapter_authenticator! {
///     /// The value that is built once and shared by all handlers.
///     Authenticator;
/// }
///
/// # fn example(verifier: impl apikey_core::Verifier) -> Result<(), apikey_core::ConfigError> {
/// let keys = Authenticator::builder(verifier).build()?;
/// assert_eq!(keys.cached_keys(), 0);
/// # Ok(()) }
/// ```
#[macro_export]
macro_rules! adapter_authenticator {
    ($(#[$authenticator:meta])* Authenticator;) => {
        $(#[$authenticator])*
        #[derive(Debug, Clone)]
        pub struct Authenticator($crate::Authenticator);

        impl Authenticator {
            /// Starts configuring an authenticator over any verifier.
            pub fn builder(verifier: impl $crate::Verifier) -> $crate::AuthenticatorBuilder<Self> {
                $crate::AuthenticatorBuilder::new(verifier)
            }

            $crate::kinde_from_env!();

            /// Starts configuring other options for some routes, over the same cache. See
            /// [`RouteOptions`]($crate::RouteOptions).
            pub fn with_options(&self) -> $crate::RouteOptions<Self> {
                $crate::RouteOptions::new(self)
            }
        }

        impl ::core::convert::From<$crate::Authenticator> for Authenticator {
            fn from(authenticator: $crate::Authenticator) -> Self {
                Self(authenticator)
            }
        }

        impl ::core::ops::Deref for Authenticator {
            type Target = $crate::Authenticator;

            fn deref(&self) -> &$crate::Authenticator {
                &self.0
            }
        }
    };
}

/// What [`adapter_authenticator!`] adds if this crate has its client for Kinde.
#[cfg(feature = "kinde")]
#[doc(hidden)]
#[macro_export]
macro_rules! kinde_from_env {
    () => {
        /// The authenticator for the Kinde business that the environment names, with every other setting at its
        /// default.
        ///
        /// # Errors
        /// [`ConfigError`]($crate::ConfigError), naming the variable that is missing or can't be used.
        pub fn kinde_from_env() -> Result<Self, $crate::ConfigError> {
            $crate::Authenticator::kinde_from_env().map(Self)
        }
    };
}

/// What [`adapter_authenticator!`] adds if this crate has no client for Kinde: nothing.
#[cfg(not(feature = "kinde"))]
#[doc(hidden)]
#[macro_export]
macro_rules! kinde_from_env {
    () => {};
}

/// Defines an adapter's error type around a [`Denial`](crate::Denial), with the name and the attributes (the
/// documentation) that you give. The adapter turns it into its framework's response.
///
/// ```
/// apikey_core::adapter_rejection! {
///     /// A refused request.
///     Rejection;
/// }
///
/// fn status(rejection: &Rejection) -> u16 {
///     rejection.denial().status()
/// }
/// ```
#[macro_export]
macro_rules! adapter_rejection {
    ($(#[$rejection:meta])* $name:ident;) => {
        $(#[$rejection])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name($crate::Denial);

        impl $name {
            /// The reason, and the response that says so.
            #[must_use]
            pub fn denial(&self) -> &$crate::Denial {
                &self.0
            }
        }

        impl ::core::convert::From<$crate::Denial> for $name {
            fn from(denial: $crate::Denial) -> Self {
                Self(denial)
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                let (status, code) = (self.0.status(), self.0.code());
                ::core::write!(formatter, "{}({status} {code})", ::core::stringify!($name))
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(&self.0, formatter)
            }
        }

        impl ::core::error::Error for $name {}
    };
}

/// Defines an adapter's `ApiKey`, `MaybeApiKey` and `Scoped<P>` around a [`VerifiedKey`](crate::VerifiedKey), each
/// with the attributes (the documentation) that you give. The adapter implements its framework's traits for them.
///
/// ```
/// apikey_core::adapter_keys! {
///     /// The caller's key.
///     ApiKey;
///     /// The caller's key, if one is presented.
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
        pub struct ApiKey($crate::VerifiedKey);

        impl ApiKey {
            /// The key by itself, to pass on.
            #[must_use]
            pub fn into_key(self) -> $crate::VerifiedKey {
                self.0
            }
        }

        /// In a test of a handler: `VerifiedKey::assume_verified(..).into()`.
        impl ::core::convert::From<$crate::VerifiedKey> for ApiKey {
            fn from(key: $crate::VerifiedKey) -> Self {
                Self(key)
            }
        }

        impl ::core::ops::Deref for ApiKey {
            type Target = $crate::VerifiedKey;

            fn deref(&self) -> &$crate::VerifiedKey {
                &self.0
            }
        }

        impl $crate::KeyArgument for ApiKey {
            const POLICY: &'static $crate::Policy = &$crate::Policy::any_key();
            const IS_OPTIONAL: bool = false;
        }

        $(#[$maybe])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct MaybeApiKey(Option<$crate::VerifiedKey>);

        impl MaybeApiKey {
            /// The key, if one was presented.
            #[must_use]
            pub fn key(&self) -> Option<&$crate::VerifiedKey> {
                self.0.as_ref()
            }

            /// The key by itself, to pass on.
            #[must_use]
            pub fn into_key(self) -> Option<$crate::VerifiedKey> {
                self.0
            }
        }

        /// In a test of a handler: `Some(VerifiedKey::assume_verified(..)).into()`.
        impl ::core::convert::From<Option<$crate::VerifiedKey>> for MaybeApiKey {
            fn from(key: Option<$crate::VerifiedKey>) -> Self {
                Self(key)
            }
        }

        impl $crate::KeyArgument for MaybeApiKey {
            const POLICY: &'static $crate::Policy = &$crate::Policy::any_key();
            const IS_OPTIONAL: bool = true;
        }

        $(#[$scoped])*
        #[derive(Debug, Clone)]
        pub struct Scoped<P> {
            key: $crate::VerifiedKey,
            policy: ::core::marker::PhantomData<fn() -> P>,
        }

        impl<P> Scoped<P> {
            /// Takes a key without checking it against the policy, for tests of handlers. The code that calls this
            /// vouches for the key, so an application must not call it for a request.
            #[must_use]
            pub fn assume_authorized(key: $crate::VerifiedKey) -> Self {
                Self { key, policy: ::core::marker::PhantomData }
            }

            /// The key by itself, to pass on.
            #[must_use]
            pub fn into_key(self) -> $crate::VerifiedKey {
                self.key
            }
        }

        impl<P: $crate::TypedPolicy> $crate::KeyArgument for Scoped<P> {
            const POLICY: &'static $crate::Policy = P::POLICY;
            const IS_OPTIONAL: bool = false;
        }

        impl<P> ::core::ops::Deref for Scoped<P> {
            type Target = $crate::VerifiedKey;

            fn deref(&self) -> &$crate::VerifiedKey {
                &self.key
            }
        }
    };
}
