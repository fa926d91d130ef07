use std::fmt;

use apikey_core::Denial;
use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};

/// A refused request, as axum's extractors report it. As a response it is the [`Denial`]'s answer.
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

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let denial = self.0.response();
        let mut response = Response::new(Body::from(denial.body));
        *response.status_mut() =
            StatusCode::from_u16(denial.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
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
