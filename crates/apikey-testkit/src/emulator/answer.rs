//! Answers that tests can script.

use serde_json::{Value, json};

/// Any status, headers and body, sent as they are.
///
/// A `Content-Length` among the headers is sent as given. If it is larger than the body, the answer breaks off. For
/// bytes that are not valid HTTP use [`Fault::RawAnswer`](super::Fault::RawAnswer).
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
    /// An answer without headers.
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

    /// An answer that claims to be JSON, whatever its body contains.
    pub(crate) fn json_text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        ScriptedAnswer::new(status, body).header("content-type", "application/json; charset=utf-8")
    }

    /// An error in Kinde's format: an array of errors, or a single object if the status is 404.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let error = json!({"code": code, "message": message});
        let errors = if status == 404 { error } else { json!([error]) };
        ScriptedAnswer::json(status, &json!({"errors": errors}))
    }
}

/// How a connection ends if the call gets no HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a TCP RST.
    Reset,
    /// With a FIN, after these bytes.
    Close(Vec<u8>),
}

/// How the emulator answers for keys that are unknown, inactive or revoked. Kinde publishes no example of this
/// answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NegativeAnswer {
    /// A 200 with `is_valid: false`, and with the key's data if the key exists.
    #[default]
    Ok200,
    /// A 400 with an error that names the key: `INVALID_API_KEY`, `API_KEY_INACTIVE` or `API_KEY_REVOKED`.
    Error400,
    /// A 401 with the same error.
    Error401,
    /// A 401 with the error `UNAUTHORIZED`, which does not name the key. A client cannot tell it from a bad token. A
    /// client that fetches a new token after each of these answers causes a storm of token calls.
    Anonymous401,
    /// A 401 without a body, as a proxy in front of Kinde could send it.
    Bare401,
    /// A 200 whose body is `{}`.
    Unreadable200,
    /// A 200 whose body is plain text, not JSON.
    Garbage200,
}
