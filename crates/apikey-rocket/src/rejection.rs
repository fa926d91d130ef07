use std::io::Cursor;

use rocket::Request;
use rocket::http::Status;
use rocket::response::{self, Responder, Response};

apikey_core::adapter_rejection! {
    /// A refused request: the error of the guards. It becomes the response that its [`Denial`](apikey_core::Denial)
    /// describes.
    ///
    /// For an error body of your own in one route, take `Result<ApiKey, Rejection>` and look at
    /// [`denial`](Self::denial). For all routes, register a catcher and ask [`denial`](crate::denial()).
    Rejection;
}

impl Rejection {
    pub(crate) fn status(&self) -> Status {
        Status::new(self.0.status())
    }
}

impl<'r> Responder<'r, 'static> for Rejection {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let denial = self.0.response();
        let mut response = Response::build();
        // Not the denial's own status: gRPC has its own, in a header.
        response.status(Status::new(denial.status));
        for (name, value) in denial.headers {
            response.raw_header(name, value);
        }
        response.sized_body(denial.body.len(), Cursor::new(denial.body)).ok()
    }
}
