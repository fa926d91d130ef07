//! Reads what refused requests still send, so that their clients get the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use apikey_core::{Authenticator, Denial, RefusedUpload};
use axum_core::body::Body;
use http::request::Parts;
use http::{Request, Response, Version};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::request::Head;

/// What reads the body of this request, if it is refused. `None` if there is nothing to read.
pub(crate) fn of(request: &Parts, authenticator: &Authenticator) -> Option<RefusedUpload> {
    let is_http1 = request.version <= Version::HTTP_11;
    is_http1.then(|| authenticator.refused_upload(&Head(request))).flatten()
}

/// Reads the body in the background.
pub(crate) fn read<B>(upload: RefusedUpload, body: B)
where
    B: http_body::Body + Send + 'static,
{
    let mut body = Box::pin(body);
    upload.read(move |context| {
        let frame = ready!(body.as_mut().poll_frame(context));
        let length = |frame: Frame<B::Data>| frame.data_ref().map_or(0, bytes::Buf::remaining);
        Poll::Ready(frame.and_then(Result::ok).map(length))
    });
}

/// A [`Layer`] that reads the rest of an upload that an extractor refuses, so that a client that sends its whole body
/// first gets the answer. [`Authenticator::read_refused_uploads`](crate::Authenticator::read_refused_uploads) makes it.
#[derive(Debug, Clone)]
pub struct ReadRefusedUploads(pub(crate) Authenticator);

impl<S> Layer<S> for ReadRefusedUploads {
    type Service = ReadRefusedUploadsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ReadRefusedUploadsService { inner, authenticator: self.0.clone() }
    }
}

/// The service that [`ReadRefusedUploads`] makes.
#[derive(Debug, Clone)]
pub struct ReadRefusedUploadsService<S> {
    inner: S,
    authenticator: Authenticator,
}

impl<S, R> Service<Request<Body>> for ReadRefusedUploadsService<S>
where
    S: Service<Request<Body>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ReadRefusedUploadsFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (head, body) = request.into_parts();
        let (body, given_back) = match of(&head, &self.authenticator) {
            None => (body, None),
            Some(upload) => {
                let place = Arc::new(Mutex::new(None));
                let body = Body::new(GivenBack { body, place: Arc::clone(&place) });
                (body, Some((upload, place)))
            }
        };
        ReadRefusedUploadsFuture { future: self.inner.call(Request::from_parts(head, body)), given_back }
    }
}

/// Where a body that nobody read to its end is put.
type Place = Arc<Mutex<Option<Body>>>;

pin_project! {
    /// The response of a [`ReadRefusedUploadsService`]: the inner service's.
    pub struct ReadRefusedUploadsFuture<F> {
        #[pin]
        future: F,
        given_back: Option<(RefusedUpload, Place)>,
    }
}

impl<F, R, E> Future for ReadRefusedUploadsFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = ready!(this.future.poll(context));
        let is_refused =
            answer.as_ref().is_ok_and(|response| response.extensions().get::<Denial>().is_some());
        if let Some((upload, place)) = this.given_back.take().filter(|_| is_refused) {
            let body = place.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(body) = body {
                read(upload, body);
            }
        }
        Poll::Ready(answer)
    }
}

/// A body that is given back when it is dropped before its end.
struct GivenBack {
    body: Body,
    place: Place,
}

impl http_body::Body for GivenBack {
    type Data = bytes::Bytes;
    type Error = axum_core::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for GivenBack {
    fn drop(&mut self) {
        let body = std::mem::take(&mut self.body);
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }
}
