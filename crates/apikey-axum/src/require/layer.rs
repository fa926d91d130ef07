use std::sync::Arc;

use apikey_core::{Authenticator, Policy};
use tower_layer::Layer;

use super::service::Require;

/// A [`Layer`] that lets a request pass only if its key satisfies a policy.
/// [`Authenticator::require`](crate::Authenticator::require) makes it.
///
/// It answers every other request with its [`Denial`](crate::Denial). The inner service never sees such a request. A
/// request that passes carries its [`VerifiedKey`](apikey_core::VerifiedKey) in its extensions. Extractors behind the
/// layer use what it has learned: together they verify once.
///
/// Put it on routes with `route_layer`, so that an unknown path stays a 404 without a call to Kinde. `route_layer`
/// leaves a `fallback` open: to protect it, too, use `layer`.
///
/// The inner service may be one that must be ready before it is called, such as `ConcurrencyLimit` or `Buffer`. While
/// a key is being verified, the request holds its place there.
///
/// ```
/// use apikey_axum::{Authenticator, Policy};
/// use axum::{Router, routing::get};
///
/// fn app(keys: &Authenticator) -> Router {
///     Router::new()
///         .route("/admin", get(|| async { "for administrators" }))
///         .route_layer(keys.require(Policy::all(["admin"])))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RequireLayer {
    authenticator: Authenticator,
    policy: Arc<Policy>,
    passes_preflight: bool,
}

impl RequireLayer {
    pub(crate) fn new(authenticator: Authenticator, policy: Policy) -> Self {
        Self { authenticator, policy: Arc::new(policy), passes_preflight: false }
    }

    /// What the layer asks of a key.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Lets CORS pre-flights pass without a key: `OPTIONS` with `Origin` and `Access-Control-Request-Method`, which
    /// browsers send without credentials. Default: off. You need it only if the CORS layer stands inside of this one.
    /// The better place for it is outside.
    ///
    /// A pre-flight that passes reaches the inner service without a key. If no CORS layer stands there, it reaches a
    /// handler for any method ([`axum::routing::any`]) and a fallback. Anybody can send one, so such a handler must take
    /// an [`ApiKey`](crate::ApiKey) itself.
    #[must_use]
    pub fn pass_preflight(mut self) -> Self {
        self.passes_preflight = true;
        self
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Require<S> {
        let Self { authenticator, policy, passes_preflight } = self.clone();
        Require { inner, authenticator, policy, passes_preflight }
    }
}
