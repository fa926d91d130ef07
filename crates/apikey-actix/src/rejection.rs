use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use apikey_core::{Denial, DenialCode};

apikey_core::adapter_rejection! {
    /// A refused request. It becomes the response that its [`Denial`](apikey_core::Denial) describes.
    ///
    /// The response carries the denial in its extensions, so middleware outside can read it there.
    ///
    /// For error bodies of your own, see [`denial_renderer`](apikey_core::AuthenticatorBuilder::denial_renderer).
    Rejection;
}

impl ResponseError for Rejection {
    /// The status of the response, which is 200 if the request is gRPC.
    fn status_code(&self) -> StatusCode {
        self.error_response().status()
    }

    fn error_response(&self) -> HttpResponse {
        let denial = self.0.response();
        let status = StatusCode::from_u16(denial.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::with_body(status, BoxBody::new(denial.body));
        for (name, value) in denial.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response.extensions_mut().insert(self.0.clone());
        response
    }
}

/// A [`Rejection`] that nobody has looked at yet: the error of the extractors.
///
/// It converts into a [`Rejection`] and into an [`actix_web::Error`]: actix and `?` do that. It exists to notice when
/// neither happens. For example, actix's `Option<T>` drops the error of `T`, so the caller counts as anonymous although
/// the key is malformed or not valid, or could not be verified. A rejection that is dropped unseen logs at level
/// `ERROR` what to write instead, once per process. If the request presented nothing, or if the key only lacks scopes
/// or an owner, it logs nothing.
#[derive(Debug)]
pub struct UnseenRejection {
    rejection: Rejection,
    raises_alarm: bool,
}

impl UnseenRejection {
    pub(crate) fn new(denial: Denial) -> Self {
        let is_harmless = denial.code() == DenialCode::MissingKey || denial.status() == 403;
        Self { rejection: Rejection(denial), raises_alarm: !is_harmless }
    }
}

impl From<UnseenRejection> for Rejection {
    fn from(mut unseen: UnseenRejection) -> Self {
        unseen.raises_alarm = false;
        unseen.rejection.clone()
    }
}

impl From<UnseenRejection> for actix_web::Error {
    fn from(unseen: UnseenRejection) -> Self {
        Rejection::from(unseen).into()
    }
}

impl fmt::Display for UnseenRejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rejection.fmt(formatter)
    }
}

impl std::error::Error for UnseenRejection {}

impl Drop for UnseenRejection {
    fn drop(&mut self) {
        static RAISED: AtomicBool = AtomicBool::new(false);
        if self.raises_alarm && !RAISED.swap(true, Ordering::Relaxed) {
            // Only its line in the log is wanted: the request has gone on without its key.
            drop(Denial::wiring_mistake(
                "a presented key was refused and nobody looked at the refusal, as it happens with Option<ApiKey>: the \
                 caller counts as anonymous; take MaybeApiKey instead (this is logged once)",
            ));
        }
    }
}
