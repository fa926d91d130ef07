use std::io::Cursor;

use apikey_core::VerifiedKey;
use rocket::Request;
use rocket::http::Status;
use rocket::response::{self, Responder, Response};

use crate::memo;
use crate::request::Head;

apikey_core::adapter_rejection! {
    /// A refused request: the error of the guards. It becomes the response that its [`Denial`](apikey_core::Denial)
    /// describes.
    ///
    /// A handler may take `Result<ApiKey, Rejection>`, and return the rejection. Like every `Responder`, the rejection then
    /// answers by itself, and no catcher is asked. Fairings find its denial with [`denial`](crate::denial()).
    ///
    /// For error bodies of your own, set [`denial_renderer`](crate::AuthenticatorBuilder::denial_renderer). A response that you
    /// make yourself lacks the headers that clients need, and may even have status 200.
    Rejection;
}

impl<'r> Responder<'r, 'static> for Rejection {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        // It may come from `authorize`, which knows no request, so it is noted only here.
        let denial = self.0.answering(&Head(request));
        let _noted = memo::note::<VerifiedKey>(request, Err(denial.clone()));
        let denial = denial.response();
        let mut response = Response::build();
        // Not the denial's own status: gRPC has its own, in a header.
        response.status(Status::new(denial.status));
        for (name, value) in denial.headers {
            response.raw_header(name, value);
        }
        response.sized_body(denial.body.len(), Cursor::new(denial.body)).ok()
    }
}
