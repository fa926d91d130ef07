use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use apikey_core::{Denial, DenialCode};

/// A refused request. As a response it is the [`Denial`]'s answer.
///
/// To answer in words of your own, take `Result<ApiKey, Rejection>` in the handler and look at
/// [`denial`](Self::denial).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection(Denial);

impl Rejection {
    /// The reason, and the answer that says so.
    #[must_use]
    pub fn denial(&self) -> &Denial {
        &self.0
    }
}

impl From<Denial> for Rejection {
    fn from(denial: Denial) -> Self {
        Self(denial)
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let denial = self.0.response();
        let mut response = HttpResponse::with_body(self.status_code(), BoxBody::new(denial.body));
        for (name, value) in denial.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for Rejection {}

/// A [`Rejection`] that nobody has seen yet: the error of the extractors.
///
/// It converts into a [`Rejection`] and into an [`actix_web::Error`], which is what actix and `?` do. Its only purpose is
/// to notice when neither happens: actix's `Option<T>` drops whatever error `T` has, and so would make callers anonymous
/// whose key is malformed, not valid, or could not be verified. Dropped unseen, such a rejection logs at level `ERROR`
/// what to write instead, once per process. Nothing presented, and a key that only lacks scopes or an owner, are dropped
/// without a word.
pub struct UnseenRejection {
    rejection: Rejection,
    alarm: Alarm,
}

impl UnseenRejection {
    pub(crate) fn new(denial: Denial) -> Self {
        let harmless = denial.code() == DenialCode::MissingKey || denial.status() == 403;
        Self { rejection: Rejection(denial), alarm: Alarm { armed: !harmless } }
    }
}

impl From<UnseenRejection> for Rejection {
    fn from(unseen: UnseenRejection) -> Self {
        let UnseenRejection { rejection, mut alarm } = unseen;
        alarm.armed = false;
        rejection
    }
}

impl From<UnseenRejection> for actix_web::Error {
    fn from(unseen: UnseenRejection) -> Self {
        Rejection::from(unseen).into()
    }
}

impl fmt::Debug for UnseenRejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rejection.fmt(formatter)
    }
}

impl fmt::Display for UnseenRejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rejection.fmt(formatter)
    }
}

impl std::error::Error for UnseenRejection {}

struct Alarm {
    armed: bool,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        static RAISED: AtomicBool = AtomicBool::new(false);
        if self.armed && !RAISED.swap(true, Ordering::Relaxed) {
            // Only its line in the log is wanted: the request has gone on without its key.
            drop(Denial::wiring_mistake(
                "a presented key was refused and nobody looked at the refusal, as it happens with Option<ApiKey>: the \
                 caller counts as anonymous; take MaybeApiKey instead (this is logged once)",
            ));
        }
    }
}
