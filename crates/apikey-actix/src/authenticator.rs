use apikey_core::Policy;

use crate::middleware::{RemoveCredentials, RequireKey};

apikey_core::adapter_authenticator! {
    /// The value that every extractor and middleware asks. Build it once, and hand it to every worker's `App` with
    /// `.app_data(keys.clone())`.
    ///
    /// It adds [`require`](Self::require) and [`remove_credentials`](Self::remove_credentials) to the core's
    /// [`apikey_core::Authenticator`], to which it dereferences. Clones are cheap and share everything. So build it
    /// *outside* of the closure that `HttpServer::new` calls for each worker: otherwise each worker has a cache of its
    /// own.
    ///
    /// ```no_run
    /// use apikey_actix::Authenticator;
    ///
    /// let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
    /// # Ok::<(), apikey_actix::ConfigError>(())
    /// ```
    Authenticator;
}

impl Authenticator {
    /// A middleware that lets a request pass only if its key satisfies the policy.
    pub fn require(&self, policy: impl Into<Policy>) -> RequireKey {
        RequireKey::new(self.0.clone(), policy.into())
    }

    /// A middleware that takes the credential out of every request, and verifies nothing.
    ///
    /// You need it if [`remove_credential`](crate::AuthenticatorBuilder::remove_credential) is set and a route has an
    /// extractor, but no [`require`](Self::require) in front of it: see [`RemoveCredentials`].
    #[must_use]
    pub fn remove_credentials(&self) -> RemoveCredentials {
        RemoveCredentials::new(self.0.clone())
    }
}
