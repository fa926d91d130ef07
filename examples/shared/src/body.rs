//! Reads a request body: a JSON object of a bounded size.

use crate::bad_request::{BadRequest, MAX_BODY_BYTES};
use serde_json::Value;

/// The members of a body that is a JSON object.
pub(crate) fn object(body: &[u8]) -> Result<serde_json::Map<String, Value>, BadRequest> {
    if body.len() > MAX_BODY_BYTES {
        return Err(BadRequest::too_large());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(BadRequest::invalid("Request body must be a JSON object")),
        Err(_) => Err(BadRequest::invalid("Request body must be JSON")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_json_object_is_a_body() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "Request body must be JSON"),
            (b"{", "Request body must be JSON"),
            (b"{}{}", "Request body must be JSON"),
            (b"{\"a\":\"\xff\"}", "Request body must be JSON"),
            (b"name=Ada", "Request body must be JSON"),
            (b"[]", "Request body must be a JSON object"),
            (b"null", "Request body must be a JSON object"),
            (b"\"{}\"", "Request body must be a JSON object"),
        ];
        for (body, error) in cases {
            let refused = object(body).unwrap_err();
            assert_eq!((refused.status(), refused.code()), (400, "INVALID_BODY"), "{body:?}");
            assert_eq!(refused.to_string(), *error, "{body:?}");
        }
        assert!(object(b" {} \n").unwrap().is_empty());
    }

    #[test]
    fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
        let of_length = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        assert!(object(of_length(MAX_BODY_BYTES).as_bytes()).is_ok());
        let refused = object(of_length(MAX_BODY_BYTES + 1).as_bytes()).unwrap_err();
        assert_eq!((refused.status(), refused.code()), (413, "BODY_TOO_LARGE"));
    }

    #[test]
    fn deep_nesting_is_refused_instead_of_followed() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(object(deep.as_bytes()).unwrap_err().code(), "INVALID_BODY");
    }
}
