use std::ops::Deref;

use apikey_core::{AuthenticatorBuilder, Policy, Verifier};

use crate::middleware::{RemoveCredentials, RequireKey};

/// The value that is built once, handed to every worker's `App` by `.app_data(keys.clone())`, and asked by every
/// extractor and middleware.
///
/// It is the core's [`apikey_core::Authenticator`], to which it dereferences, with [`require`](Self::require) and
/// [`remove_credentials`](Self::remove_credentials) added. Clones are cheap and share everything, so build it *outside*
/// of the closure that `HttpServer::new` calls for each worker: built inside, each worker would have a cache of its own.
///
/// ```no_run
/// use apikey_actix::Authenticator;
///
/// let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
/// # Ok::<(), apikey_actix::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Authenticator(apikey_core::Authenticator);

impl Authenticator {
    /// Starts configuring an authenticator over any verifier.
    ///
    /// ```no_run
    /// use apikey_actix::{Authenticator, KindeVerifier};
    /// use std::time::Duration;
    ///
    /// let keys = Authenticator::builder(KindeVerifier::from_env()?)
    ///     .cache_time_to_live(Duration::from_secs(60))
    ///     .build()?;
    /// # Ok::<(), apikey_actix::ConfigError>(())
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

    /// A middleware that lets only requests pass whose key satisfies the policy.
    pub fn require(&self, policy: impl Into<Policy>) -> RequireKey {
        RequireKey::new(self.0.clone(), policy.into())
    }

    /// A middleware that takes the credential out of requests before the handler sees them, and asks nobody about it.
    ///
    /// It is needed beside [`remove_credential`](AuthenticatorBuilder::remove_credential) wherever an extractor stands
    /// without [`require`](Self::require) in front of it: see [`RemoveCredentials`].
    #[must_use]
    pub fn remove_credentials(&self) -> RemoveCredentials {
        RemoveCredentials::new(self.0.clone())
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
