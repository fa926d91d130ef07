use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::HttpMessage as _;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use apikey_core::{Authenticator, Decision, Policy, VerifiedKey, is_preflight};

use super::removal::Removal;
use super::service::{Check, Checked};
use crate::memo;
use crate::request::Head;

/// A middleware that lets only requests pass whose key satisfies a policy.
/// [`Authenticator::require`](crate::Authenticator::require) makes it.
///
/// It answers every other request with its [`Denial`](crate::Denial). The inner service never sees such a request, and
/// nobody reads its body. The answer is an ordinary response, so middleware further out (CORS, logging, metrics) sees it.
///
/// A request that passes carries its [`VerifiedKey`] in its extensions. Extractors behind the middleware use what it has
/// learned: together they verify once.
///
/// | request presents | answer |
/// | --- | --- |
/// | nothing | 401 `MISSING_KEY` |
/// | something malformed | 401 or 400 |
/// | a key that is not valid or not active | 401 |
/// | a good key that does not satisfy the policy | 403 |
/// | a good key that does | the inner service's |
/// | any key, while Kinde can't answer | 503 |
///
/// Give it to `wrap`. What you wrap decides which requests it sees:
///
/// | `wrap` of | requests |
/// | --- | --- |
/// | a `Route` (after `to`) | for its path and method |
/// | a `web::resource` | for its path, whatever the method |
/// | a `web::scope` | for everything below its prefix, **unknown paths included** |
/// | the `App` | all |
///
/// On a scope and on the `App`, a request for an unknown path gets 401 without a good key and 404 with one, so keys that
/// are sent to unknown paths are verified, too. On a `Route` or a resource, the `default_service` of the `App` stays open:
/// to protect it, too, wrap the `App`, or write `web::to(fallback).wrap(keys.require(..))`.
///
/// ```
/// use apikey_actix::{Authenticator, Policy};
/// use actix_web::web;
///
/// fn routes(keys: &Authenticator, config: &mut web::ServiceConfig) {
///     config.service(
///         web::resource("/users")
///             .route(web::get().to(|| async { "for everybody" }))
///             .route(web::post().to(|| async { "for writers" }).wrap(keys.require(Policy::scope("write:users")))),
///     );
///     config.service(
///         web::scope("/admin")
///             .wrap(keys.require(Policy::all(["admin"])))
///             .route("/report", web::get().to(|| async { "for administrators" })),
///     );
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RequireKey {
    authenticator: Authenticator,
    policy: Arc<Policy>,
    passes_preflight: bool,
}

impl RequireKey {
    pub(crate) fn new(authenticator: Authenticator, policy: Policy) -> Self {
        Self { authenticator, policy: Arc::new(policy), passes_preflight: false }
    }

    /// What the middleware asks of a key.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Lets CORS pre-flights pass without a key: `OPTIONS` with `Origin` and `Access-Control-Request-Method`, which
    /// browsers send without credentials. Default: off. You need it only if the CORS middleware stands inside of this one.
    /// The better place for it is outside.
    ///
    /// A pre-flight that passes reaches the inner service without a key. If no CORS middleware stands there, it reaches a
    /// handler for any method, such as [`web::to`](actix_web::web::to), and a default service. Anybody can send one, so
    /// such a handler must take an [`ApiKey`](crate::ApiKey) itself. Routes that name their methods (`web::get()`) don't
    /// get it.
    #[must_use]
    pub fn pass_preflight(mut self) -> Self {
        self.passes_preflight = true;
        self
    }
}

impl Check for RequireKey {
    fn check(&self, request: &mut ServiceRequest, removal: &Removal) -> Decision<Option<VerifiedKey>> {
        // Only a key that this check lets in may travel with the request.
        request.extensions_mut().remove::<VerifiedKey>();
        if self.passes_preflight && is_preflight(request.method().as_str(), &Head(request.request())) {
            return Decision::Decided(Ok(None));
        }
        if let Err(denial) = removal.take(request, &self.authenticator) {
            return Decision::Decided(Err(denial));
        }
        let attempt = memo::begin(request.request(), &self.authenticator);
        self.authenticator.gate(&self.policy).decide(attempt, &Head(request.request()), Some)
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequireKey
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Transform = Checked<S, Self>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Checked::new(inner, self.clone())))
    }
}
