use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage as _;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use apikey_core::{Decision, VerifiedKey};
use pin_project_lite::pin_project;

use super::removal::Removal;
use crate::rejection::Rejection;

/// What a middleware does with a request before the inner service sees it.
pub trait Check {
    /// Says whether the request may pass, and with which key.
    fn check(&self, request: &mut ServiceRequest, removal: &Removal) -> Decision<Option<VerifiedKey>>;
}

/// The service that each middleware of this crate makes.
pub struct Checked<S, C> {
    /// Shared with the requests whose key is being verified: they call it afterwards.
    inner: Rc<S>,
    check: C,
    removal: Removal,
}

impl<S, C> Checked<S, C> {
    pub(super) fn new(inner: S, check: C) -> Self {
        Self { inner: Rc::new(inner), check, removal: Removal::default() }
    }
}

impl<S, C, B> Service<ServiceRequest> for Checked<S, C>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>> + 'static,
    C: Check,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, Result<Self::Response, S::Error>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        match self.check.check(&mut request, &self.removal) {
            Decision::Decided(Ok(key)) => {
                ResponseFuture::Inner { future: call_with_key(&*self.inner, request, key) }
            }
            other => {
                let inner = Rc::clone(&self.inner);
                let answer = Box::pin(async move {
                    match other.wait().await {
                        Ok(key) => Ok(call_with_key(&*inner, request, key).await?.map_into_left_body()),
                        // A denial is a response and never an error: middleware further out sees it like any other
                        // answer, with the rejection as the response's `error`.
                        Err(denial) => {
                            Ok(request.error_response(Rejection::from(denial)).map_into_right_body())
                        }
                    }
                });
                ResponseFuture::Other { answer }
            }
        }
    }
}

pin_project! {
    /// The answer of a middleware: the inner service's, or a denial. Boxed only if there is something to wait for, or the
    /// request is refused.
    #[project = ResponseFutureProjection]
    pub enum ResponseFuture<F, T> {
        Inner { #[pin] future: F },
        Other { answer: Pin<Box<dyn Future<Output = T>>> },
    }
}

impl<F, B, E> Future for ResponseFuture<F, Result<ServiceResponse<EitherBody<B>>, E>>
where
    F: Future<Output = Result<ServiceResponse<B>, E>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            ResponseFutureProjection::Inner { future } => {
                future.poll(context).map_ok(ServiceResponse::map_into_left_body)
            }
            ResponseFutureProjection::Other { answer } => answer.as_mut().poll(context),
        }
    }
}

fn call_with_key<S: Service<ServiceRequest>>(
    inner: &S,
    request: ServiceRequest,
    key: Option<VerifiedKey>,
) -> S::Future {
    if let Some(key) = key {
        request.extensions_mut().insert(key);
    }
    inner.call(request)
}
