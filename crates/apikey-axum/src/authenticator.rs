use std::ops::Deref;

use apikey_core::{AuthenticatorBuilder, Policy, Verifier};

use crate::require::RequireLayer;

/// The value that is built once, kept in the router's state, and asked by every extractor and layer.
///
/// It is the core's [`apikey_core::Authenticator`], to which it dereferences, with [`require`](Self::require) added.
/// Clones are cheap and share everything.
///
/// ```no_run
/// use apikey_axum::Authenticator;
///
/// let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
/// # Ok::<(), apikey_axum::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Authenticator(apikey_core::Authenticator);

impl Authenticator {
    /// Starts configuring an authenticator over any verifier.
    ///
    /// ```no_run
    /// use apikey_axum::{Authenticator, KindeVerifier};
    /// use std::time::Duration;
    ///
    /// let keys = Authenticator::builder(KindeVerifier::from_env()?)
    ///     .cache_time_to_live(Duration::from_secs(60))
    ///     .build()?;
    /// # Ok::<(), apikey_axum::ConfigError>(())
    /// ```
    pub fn builder(verifier: impl Verifier) -> AuthenticatorBuilder<Self> {
        AuthenticatorBuilder::new(verifier)
    }

    /// The authenticator for the Kinde business that the environment names, every other setting at its default.
    ///
    /// # Errors
    /// [`ConfigError`](crate::ConfigError), naming the variable that is missing or can't be used.
    #[cfg(feature = "kinde")]
    pub fn kinde_from_env() -> Result<Self, crate::ConfigError> {
        apikey_core::Authenticator::kinde_from_env().map(Self)
    }

    /// A layer that lets only requests pass whose key satisfies the policy.
    pub fn require(&self, policy: impl Into<Policy>) -> RequireLayer {
        RequireLayer::new(self.0.clone(), policy.into())
    }
}

impl From<apikey_core::Authenticator> for Authenticator {
    fn from(authenticator: apikey_core::Authenticator) -> Self {
        Self(authenticator)
    }
}

impl Deref for Authenticator {
    type Target = apikey_core::Authenticator;

    fn deref(&self) -> &apikey_core::Authenticator {
        &self.0
    }
}
