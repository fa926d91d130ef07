//! A response that every framework can send: a status and bytes.

use crate::BadRequest;
use serde::Serialize;

/// The `Content-Type` of every [`Reply`].
pub const CONTENT_TYPE: &str = "application/json";

/// The status and JSON body of a response. The server adds [`CONTENT_TYPE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The JSON text.
    pub body: Vec<u8>,
}

impl Reply {
    /// 200 with this body.
    pub fn ok(answer: &impl Serialize) -> Self {
        Self::json(200, answer)
    }

    fn json(status: u16, answer: &impl Serialize) -> Self {
        match serde_json::to_vec(answer) {
            Ok(body) => Self { status, body },
            // Every type of this crate serializes. A caller's own type might not.
            Err(_) => Self {
                status: 500,
                body: br#"{"error":"Internal server error","code":"INTERNAL_ERROR"}"#.to_vec(),
            },
        }
    }
}

impl From<BadRequest> for Reply {
    fn from(refused: BadRequest) -> Self {
        Self::json(refused.status(), &refused)
    }
}

impl<T: Serialize> From<Result<T, BadRequest>> for Reply {
    fn from(outcome: Result<T, BadRequest>) -> Self {
        match outcome {
            Ok(answer) => Self::ok(&answer),
            Err(refused) => refused.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_body_is_sent_with_its_own_status_and_two_members() {
        let reply = Reply::from(BadRequest::invalid("Request body must be JSON"));
        assert_eq!(reply.status, 400);
        assert_eq!(reply.body, br#"{"error":"Request body must be JSON","code":"INVALID_BODY"}"#);
        assert_eq!(Reply::from(BadRequest::too_large()).status, 413);
    }

    #[test]
    fn what_cannot_be_serialised_becomes_an_internal_error() {
        let keys_that_are_no_strings = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert_eq!(Reply::ok(&keys_that_are_no_strings).status, 500);
    }
}
