//! Answers that tests can script.

use serde::Deserialize;
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
///
/// An error *about the key* has the code `INVALID_API_KEY`, `API_KEY_INACTIVE` or `API_KEY_REVOKED`. An *anonymous* one has
/// a code that does not name the key, such as `UNAUTHORIZED`. A *bare* answer has no body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NegativeAnswer {
    /// A 200 with `is_valid: false`, and with the key's data if the key exists.
    #[default]
    Ok200,
    /// A 200 with `is_valid: true` and the key's data: its `status` alone tells. For unknown keys it is [`Ok200`](Self::Ok200).
    Status200,
    /// A 400 with an error about the key.
    Error400,
    /// A 401 with an error about the key.
    Error401,
    /// A 403 with an error about the key.
    Error403,
    /// A 404 with an error about the key.
    Error404,
    /// A 400 with the error `BAD_REQUEST`.
    Anonymous400,
    /// A 401 with the error `UNAUTHORIZED`. A client cannot tell it from a bad token. A client that fetches a new token
    /// after each of these answers causes a storm of token calls.
    Anonymous401,
    /// A 403 with the error `FORBIDDEN`. A client cannot tell it from a token that lacks a right.
    Anonymous403,
    /// A 404 with the error `NOT_FOUND`.
    Anonymous404,
    /// A 400 without a body.
    Bare400,
    /// A 401 without a body, as a proxy in front of Kinde could send it.
    Bare401,
    /// A 403 without a body, as a firewall in front of Kinde could send it.
    Bare403,
    /// A 404 without a body.
    Bare404,
    /// A 200 whose body is `{}`.
    Unreadable200,
    /// A 200 whose body is plain text, not JSON.
    Garbage200,
}

impl NegativeAnswer {
    /// All of them.
    pub const ALL: &'static [NegativeAnswer] = &[
        NegativeAnswer::Ok200,
        NegativeAnswer::Status200,
        NegativeAnswer::Error400,
        NegativeAnswer::Error401,
        NegativeAnswer::Error403,
        NegativeAnswer::Error404,
        NegativeAnswer::Anonymous400,
        NegativeAnswer::Anonymous401,
        NegativeAnswer::Anonymous403,
        NegativeAnswer::Anonymous404,
        NegativeAnswer::Bare400,
        NegativeAnswer::Bare401,
        NegativeAnswer::Bare403,
        NegativeAnswer::Bare404,
        NegativeAnswer::Unreadable200,
        NegativeAnswer::Garbage200,
    ];
}
