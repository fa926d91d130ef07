use apikey_core::Policy;

use crate::require::RequireLayer;

apikey_core::adapter_authenticator! {
    /// The value that every extractor and layer asks. Build it once, and keep it in the router's state.
    ///
    /// It adds [`require`](Self::require) to the core's [`apikey_core::Authenticator`], to which it dereferences.
    /// Clones are cheap and share everything.
    ///
    /// ```no_run
    /// use apikey_axum::Authenticator;
    ///
    /// let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
    /// # Ok::<(), apikey_axum::ConfigError>(())
    /// ```
    Authenticator;
}

impl Authenticator {
    /// A layer that lets a request pass only if its key satisfies the policy.
    pub fn require(&self, policy: impl Into<Policy>) -> RequireLayer {
        RequireLayer::new(self.0.clone(), policy.into())
    }
}
