//! What can be answered, as tests script it.

use serde_json::{Value, json};

/// Any status, headers and body, sent as they are.
///
/// A `Content-Length` among the headers is sent as given: one that is larger than the body makes an answer that breaks
/// off. Bytes that HTTP has no room for are [`Fault::RawAnswer`](super::Fault::RawAnswer)'s business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptedAnswer {
    /// The status, 200 to 999.
    pub status: u16,
    /// The headers, in order, repeated ones included.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl ScriptedAnswer {
    /// An answer without headers of its own.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        ScriptedAnswer { status, headers: Vec::new(), body: body.into() }
    }

    /// An answer with a JSON body and its content type.
    pub fn json(status: u16, body: &Value) -> Self {
        ScriptedAnswer::json_text(status, body.to_string())
    }

    /// The same answer with one more header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// An answer that claims to be JSON, whatever its body is.
    pub(crate) fn json_text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        ScriptedAnswer::new(status, body).header("content-type", "application/json; charset=utf-8")
    }

    /// An error in Kinde's shape: an array of errors, and for 404 an object.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let error = json!({"code": code, "message": message});
        let errors = if status == 404 { error } else { json!([error]) };
        ScriptedAnswer::json(status, &json!({"errors": errors}))
    }
}

/// How a connection ends that gets no HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a TCP RST.
    Reset,
    /// With a FIN, after these bytes.
    Close(Vec<u8>),
}

/// How keys are answered that are unknown, inactive or revoked; Kinde publishes no sample of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NegativeAnswer {
    /// A 200 with `is_valid: false`, and with the key's data where the key exists.
    #[default]
    Ok200,
    /// A 400 with an error about the key: `INVALID_API_KEY`, `API_KEY_INACTIVE`, `API_KEY_REVOKED`.
    Error400,
    /// A 401 with the same.
    Error401,
    /// A 401 with an error that isn't about the key, `UNAUTHORIZED`: it can't be told from a bad token. A client that
    /// fetches a new token for each of these is in a storm.
    Anonymous401,
    /// A 401 without a body, as a proxy in front of Kinde would send.
    Bare401,
    /// A 200 whose body is `{}`.
    Unreadable200,
    /// A 200 whose body is text and no JSON.
    Garbage200,
}
