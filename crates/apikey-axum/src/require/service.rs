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
        // The service that was made ready is the one to call; its clone takes its place.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let RequireLayer { authenticator, policy, passes_preflight } = &self.settings;
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
                ResponseFuture::pending(pending, request, inner, self.settings.clone())
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
