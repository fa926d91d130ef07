use std::fmt;
use std::io::Cursor;

use apikey_core::Denial;
use rocket::http::Status;
use rocket::response::{self, Responder, Response};
use rocket::{Request, request};

/// A refused request, as the guards report it. As a response it is the [`Denial`]'s answer.
///
/// To answer in words of your own in one route, take `Result<ApiKey<'_>, Rejection>` and look at
/// [`denial`](Self::denial); for all routes, register a catcher and ask [`denial`](crate::denial()).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection(Denial);

impl Rejection {
    /// The reason, and the answer that says so.
    #[must_use]
    pub fn denial(&self) -> &Denial {
        &self.0
    }

    pub(crate) fn status(&self) -> Status {
        Status::new(self.0.status())
    }

    /// How a guard refuses: never by a forward, after which a route of lower rank could answer.
    pub(crate) fn into_outcome<T>(self) -> request::Outcome<T, Self> {
        request::Outcome::Error((self.status(), self))
    }
}

impl From<Denial> for Rejection {
    fn from(denial: Denial) -> Self {
        Self(denial)
    }
}

impl<'r> Responder<'r, 'static> for Rejection {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let denial = self.0.response();
        let mut response = Response::build();
        response.status(self.status());
        for (name, value) in denial.headers {
            response.raw_header(name, value);
        }
        response.sized_body(denial.body.len(), Cursor::new(denial.body)).ok()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for Rejection {}
