use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use apikey_core::{Denial, PendingDecision, RefusedUpload, VerifiedKey};
use axum_core::response::{IntoResponse, Response};
use http::Request;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::rejection::Rejection;
use crate::uploads;

pin_project! {
    /// The response of a [`Require`](super::Require): the inner service's, or a denial.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, B> {
        Denied { denial: Option<Denial> },
        Pending { waiting: Option<Waiting<S, B>> },
        Inner { #[pin] future: F },
    }
}

/// A request whose key is being verified, and the inner service, which is ready for it.
struct Waiting<S, B> {
    decision: PendingDecision<VerifiedKey>,
    /// Reads the request's body, if it is refused.
    upload: Option<RefusedUpload>,
    request: Request<B>,
    inner: S,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn denied(denial: Denial) -> Self {
        Self { state: State::Denied { denial: Some(denial) } }
    }

    pub(super) fn inner(future: S::Future) -> Self {
        Self { state: State::Inner { future } }
    }

    pub(super) fn pending(
        decision: PendingDecision<VerifiedKey>,
        upload: Option<RefusedUpload>,
        request: Request<B>,
        inner: S,
    ) -> Self {
        Self { state: State::Pending { waiting: Some(Waiting { decision, upload, request, inner }) } }
    }
}

impl<S, B> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
    S::Response: IntoResponse,
    B: http_body::Body + Send + 'static,
{
    type Output = Result<Response, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Inner { future } => {
                    return future.poll(context).map_ok(IntoResponse::into_response);
                }
                StateProjection::Denied { denial } => match denial.take() {
                    Some(denial) => return Poll::Ready(Ok(Rejection::from(denial).into_response())),
                    None => return Poll::Pending, // polled again after its answer, against the contract of futures
                },
                StateProjection::Pending { waiting } => {
                    let Some(held) = waiting else { return Poll::Pending };
                    let decision = ready!(Pin::new(&mut held.decision).poll(context));
                    let Some(Waiting { upload, mut request, mut inner, .. }) = waiting.take() else {
                        return Poll::Pending;
                    };
                    match decision {
                        Ok(key) => {
                            request.extensions_mut().insert(key);
                            State::Inner { future: inner.call(request) }
                        }
                        Err(denial) => {
                            if let Some(upload) = upload {
                                uploads::read(upload, request.into_body());
                            }
                            State::Denied { denial: Some(denial) }
                        }
                    }
                }
            };
            state.set(next);
        }
    }
}
