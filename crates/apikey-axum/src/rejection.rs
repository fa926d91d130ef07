use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};

apikey_core::adapter_rejection! {
    /// A refused request: the error of the extractors. It becomes the response that its
    /// [`Denial`](apikey_core::Denial) describes.
    ///
    /// The response carries the denial in its extensions, so layers outside can read it there.
    ///
    /// For an error body of your own, take `Result<ApiKey, Rejection>` in the handler and look at
    /// [`denial`](Self::denial).
    Rejection;
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
        response.extensions_mut().insert(self.0);
        response
    }
}
