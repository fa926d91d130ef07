use std::sync::Arc;
use std::task::{Context, Poll};

use apikey_core::{Authenticator, Decision, Policy, VerifiedKey, is_preflight};
use axum_core::response::{IntoResponse, Response};
use http::Request;
use tower_service::Service;

use super::future::ResponseFuture;
use crate::request::Head;
use crate::{memo, uploads};

/// The service that [`RequireLayer`](super::RequireLayer) makes.
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
    B: http_body::Body + Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        // A request may have been made with a clone of another request's extensions. That one's key is not its own.
        head.extensions.remove::<VerifiedKey>();
        if self.passes_preflight && is_preflight(head.method.as_str(), &Head(&head)) {
            return ResponseFuture::inner(self.inner.call(Request::from_parts(head, body)));
        }
        let attempt = memo::begin(&mut head, &self.authenticator);
        match self.authenticator.gate(&self.policy).decide(attempt, &Head(&head), |key| key) {
            Decision::Decided(Ok(key)) => {
                head.extensions.insert(key);
                ResponseFuture::inner(self.inner.call(Request::from_parts(head, body)))
            }
            Decision::Decided(Err(denial)) => {
                if let Some(upload) = uploads::of(&head, &self.authenticator) {
                    uploads::read(upload, body);
                }
                ResponseFuture::denied(denial)
            }
            Decision::Pending(decision) => {
                // Only this service is known to be ready, so it is called later and its clone takes its place. The
                // other cases call it at once and need no clone, which would allocate if the service is boxed.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                let upload = uploads::of(&head, &self.authenticator);
                ResponseFuture::pending(decision, upload, Request::from_parts(head, body), ready)
            }
        }
    }
}
