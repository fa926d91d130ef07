//! A refused request, as an error of poem.

use poem::Response;
use poem::error::ResponseError;
use poem::http::StatusCode;

apikey_core::adapter_rejection! {
    /// A refused request. It becomes the response that its [`Denial`](crate::Denial) describes.
    ///
    /// For an error body of your own, take `poem::Result<ApiKey>` in the handler, and look for this with
    /// `error.downcast_ref::<Rejection>()`.
    Rejection;
}

impl ResponseError for Rejection {
    fn status(&self) -> StatusCode {
        self.as_response().status()
    }

    fn as_response(&self) -> Response {
        let denial = self.0.response();
        let status = StatusCode::from_u16(denial.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let response = Response::builder().status(status).extension(self.0.clone());
        let named =
            denial.headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
        named.body(denial.body)
    }
}
