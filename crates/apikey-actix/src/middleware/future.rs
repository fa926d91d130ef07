use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use apikey_core::{Denial, PendingVerification};
use pin_project_lite::pin_project;

use super::require::RequireKey;
use crate::rejection::Rejection;

pin_project! {
    /// The answer of a middleware of this crate: the inner service's, or a denial. A denial is a response, never an
    /// error, so that middleware further out sees it as any other answer, with the [`Rejection`] as its
    /// [`error`](actix_web::HttpResponse::error).
    pub struct ResponseFuture<S>
    where
        S: Service<ServiceRequest>,
    {
        #[pin]
        state: State<S, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F> {
        Denied { denied: Option<(ServiceRequest, Denial)> },
        Pending { waiting: Option<Waiting<S>> },
        Inner { #[pin] future: F },
    }
}

/// A request whose key is being verified.
struct Waiting<S> {
    pending: PendingVerification,
    request: ServiceRequest,
    inner: Rc<S>,
    settings: RequireKey,
}

impl<S: Service<ServiceRequest>> ResponseFuture<S> {
    pub(super) fn denied(request: ServiceRequest, denial: Denial) -> Self {
        Self { state: State::Denied { denied: Some((request, denial)) } }
    }

    pub(super) fn inner(future: S::Future) -> Self {
        Self { state: State::Inner { future } }
    }

    pub(super) fn pending(
        pending: PendingVerification,
        request: ServiceRequest,
        inner: Rc<S>,
        settings: RequireKey,
    ) -> Self {
        Self { state: State::Pending { waiting: Some(Waiting { pending, request, inner, settings }) } }
    }
}

impl<S, B> Future for ResponseFuture<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Inner { future } => {
                    return future.poll(context).map_ok(ServiceResponse::map_into_left_body);
                }
                StateProjection::Denied { denied } => match denied.take() {
                    Some((request, denial)) => {
                        let response = request.error_response(Rejection::from(denial));
                        return Poll::Ready(Ok(response.map_into_right_body()));
                    }
                    None => return Poll::Pending, // polled again after its answer, against the contract of futures
                },
                StateProjection::Pending { waiting } => {
                    let Some(held) = waiting else { return Poll::Pending };
                    let decision = ready!(Pin::new(&mut held.pending).poll(context));
                    let Some(Waiting { request, inner, settings, .. }) = waiting.take() else {
                        return Poll::Pending;
                    };
                    match settings.admit(decision) {
                        Ok(()) => State::Inner { future: inner.call(request) },
                        Err(denial) => State::Denied { denied: Some((request, denial)) },
                    }
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<ServiceRequest>> fmt::Debug for ResponseFuture<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ResponseFuture(..)")
    }
}
