use std::task::{Context, Poll};

use apikey_core::{Attempt, Authenticator, Denial, Policy, VerifiedKey, is_preflight};
use axum_core::response::{IntoResponse, Response};
use http::Request;
use tower_service::Service;

use super::future::ResponseFuture;
use super::layer::RequireLayer;
use crate::request::{self, HttpRequest as _};

/// The service that [`RequireLayer`] makes.
#[derive(Debug, Clone)]
pub struct Require<S> {
    pub(super) inner: S,
    pub(super) settings: RequireLayer,
}

impl<S, B> Service<Request<B>> for Require<S>
where
    S: Service<Request<B>> + Clone,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Self { inner, settings } = self;
        let RequireLayer { authenticator, policy, passes_preflight } = settings;
        if *passes_preflight && is_preflight(request.method().as_str(), &request.head()) {
            return ResponseFuture::inner(inner.call(request));
        }
        match request::begin(&mut request, authenticator) {
            Attempt::Anonymous => ResponseFuture::denied(authenticator.missing_key()),
            Attempt::Decided(decision) => match admit(decision, authenticator, policy) {
                Ok(()) => ResponseFuture::inner(inner.call(request)),
                Err(denial) => ResponseFuture::denied(denial),
            },
            Attempt::Pending(pending) => {
                // The service that was made ready is the one to call later; its clone takes its place. Elsewhere it is
                // called at once, and so needs no clone, which of a boxed service is an allocation.
                let clone = inner.clone();
                let ready = std::mem::replace(inner, clone);
                ResponseFuture::pending(pending.for_policy(policy), request, ready, settings.clone())
            }
        }
    }
}

pub(super) fn admit(
    decision: Result<VerifiedKey, Denial>,
    authenticator: &Authenticator,
    policy: &Policy,
) -> Result<(), Denial> {
    authenticator.authorize(&decision?, policy)
}
