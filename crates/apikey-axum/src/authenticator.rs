use apikey_core::Policy;

use crate::require::RequireLayer;
use crate::uploads::ReadRefusedUploads;

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

    /// A layer for routes whose extractors refuse uploads. Add it last, so that it stands outside.
    ///
    /// A client may send its whole body before it reads the answer. If the server closes the connection meanwhile, the
    /// client sees a broken pipe, and not the 401. [`require`](Self::require) reads the rest of what it refuses by
    /// itself. An extractor can't, because it sees no body. The limits are
    /// [`refused_uploads`](apikey_core::AuthenticatorBuilder::refused_uploads).
    ///
    /// ```
    /// use apikey_axum::{ApiKey, Authenticator};
    /// use axum::{Router, body::Bytes, routing::put};
    ///
    /// fn app(keys: Authenticator) -> Router {
    ///     Router::new()
    ///         .route("/file", put(|_: ApiKey, file: Bytes| async move { file.len().to_string() }))
    ///         .layer(keys.read_refused_uploads())
    ///         .with_state(keys)
    /// }
    /// ```
    #[must_use]
    pub fn read_refused_uploads(&self) -> ReadRefusedUploads {
        ReadRefusedUploads(self.0.clone())
    }
}
