use std::sync::Arc;
use std::task::{Context, Poll};

use apikey_core::{Authenticator, Decision, Policy, VerifiedKey, is_preflight};
use axum_core::response::{IntoResponse, Response};
use http::Request;
use tower_service::Service;

use super::future::ResponseFuture;
use crate::memo;
use crate::request::HttpRequest as _;

/// The service that [`RequireLayer`] makes.
#[derive(Debug, Clone)]
pub struct Require<S> {
    pub(super) inner: S,
    pub(super) authenticator: Authenticator,
    pub(super) policy: Arc<Policy>,
    pub(super) passes_preflight: bool,
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
        // A request that was made of another one must not be taken for that one's.
        request.extensions_mut().remove::<VerifiedKey>();
        if self.passes_preflight && is_preflight(request.method().as_str(), &request.head()) {
            return ResponseFuture::inner(self.inner.call(request));
        }
        let attempt = memo::begin(&mut request, &self.authenticator);
        match self.authenticator.gate(&self.policy).decide(attempt, |key| key) {
            Decision::Decided(Ok(key)) => {
                request.extensions_mut().insert(key);
                ResponseFuture::inner(self.inner.call(request))
            }
            Decision::Decided(Err(denial)) => ResponseFuture::denied(denial),
            Decision::Pending(decision) => {
                // The service that was made ready is the one to call later; its clone takes its place. Elsewhere it is
                // called at once, and so needs no clone, which of a boxed service is an allocation.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                ResponseFuture::pending(decision, request, ready)
            }
        }
    }
}
