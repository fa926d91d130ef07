use std::fmt;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use apikey_core::{Attempt, Authenticator, Denial, Policy, VerifiedKey, is_preflight};

use super::future::ResponseFuture;
use crate::request::{Head, begin_in_middleware};

/// A middleware that lets only requests pass whose key satisfies a policy; made by
/// [`Authenticator::require`](crate::Authenticator::require).
///
/// Every other request is answered with its [`Denial`](crate::Denial): the inner service never sees it, and its body is
/// not read. The answer is an ordinary response, so middleware further out (CORS, logging, metrics) sees it. Extractors
/// behind it use what it has learned: together they verify once.
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
/// It works in `wrap` of a `Route` (after `to`), of `web::resource`, of `web::scope` and of `App`. Where it stands decides
/// which requests it sees: on a route, those for its path and method; on a resource, those for its path, whatever the
/// method; on a scope, every request below its prefix, **unknown paths included**; on the `App`, every request. In the
/// last two an unknown path is a 401 without a good key, and a 404 with one, and keys sent to unknown paths are verified.
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

    /// Lets CORS pre-flights pass without a key: `OPTIONS` with `Origin` and `Access-Control-Request-Method`, which
    /// browsers send without credentials. Default: off. It is needed only where the CORS middleware stands inside of
    /// this one; the better place for it is outside.
    #[must_use]
    pub fn pass_preflight(mut self) -> Self {
        self.passes_preflight = true;
        self
    }

    pub(super) fn admit(&self, decision: Result<VerifiedKey, Denial>) -> Result<(), Denial> {
        self.authenticator.authorize(&decision?, &self.policy)
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequireKey
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Transform = RequireKeyMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(RequireKeyMiddleware { inner: Rc::new(inner), settings: self.clone() }))
    }
}

/// The service that [`RequireKey`] makes.
pub struct RequireKeyMiddleware<S> {
    /// Shared with the requests whose key is being verified, which call it afterwards.
    inner: Rc<S>,
    settings: RequireKey,
}

impl<S, B> Service<ServiceRequest> for RequireKeyMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let Self { inner, settings } = self;
        if settings.passes_preflight && is_preflight(request.method().as_str(), &Head(request.request())) {
            return ResponseFuture::inner(inner.call(request));
        }
        match begin_in_middleware(&mut request, &settings.authenticator) {
            Attempt::Anonymous => ResponseFuture::denied(request, settings.authenticator.missing_key()),
            Attempt::Decided(decision) => match settings.admit(decision) {
                Ok(()) => ResponseFuture::inner(inner.call(request)),
                Err(denial) => ResponseFuture::denied(request, denial),
            },
            Attempt::Pending(pending) => {
                let pending = pending.for_policy(&settings.policy);
                ResponseFuture::pending(pending, request, Rc::clone(inner), settings.clone())
            }
        }
    }
}

impl<S> fmt::Debug for RequireKeyMiddleware<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RequireKeyMiddleware")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
