//! The response to a request with a good key and a bad body.

use serde::Serialize;
use utoipa::ToSchema;

/// The longest request body that the reference servers accept, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// Why a body was not accepted. The message never repeats what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BadRequest {
    /// What was expected, for people.
    #[schema(example = "Request body must be JSON")]
    error: String,
    /// `INVALID_BODY` or `BODY_TOO_LARGE`, for programs.
    #[schema(example = "INVALID_BODY")]
    code: &'static str,
    #[serde(skip)]
    status: u16,
}

impl BadRequest {
    /// 400 `INVALID_BODY`, with the reason.
    pub fn invalid(error: impl Into<String>) -> Self {
        Self { error: error.into(), code: "INVALID_BODY", status: 400 }
    }

    /// 400 `INVALID_BODY`, for a body that is cut off or can't be read.
    pub fn unreadable() -> Self {
        Self::invalid("Request body could not be read")
    }

    /// 413 `BODY_TOO_LARGE`: the body is longer than [`MAX_BODY_BYTES`].
    pub fn too_large() -> Self {
        let error = format!("Request body is larger than {MAX_BODY_BYTES} bytes");
        Self { error, code: "BODY_TOO_LARGE", status: 413 }
    }

    /// The HTTP status of the response: 400 or 413.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The stable code of the response.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl std::fmt::Display for BadRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for BadRequest {}
