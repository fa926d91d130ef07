//! Why there is no probe.

use std::error::Error;
use std::fmt;

/// Why a [`Probe`](super::Probe) could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeError {
    /// `None` if the server's address is wrong.
    pointer: Option<String>,
    problem: String,
}

impl ProbeError {
    pub(crate) fn document(pointer: &str, problem: String) -> Self {
        ProbeError { pointer: Some(pointer.to_owned()), problem }
    }

    pub(crate) fn server(problem: &str) -> Self {
        ProbeError { pointer: None, problem: format!("the server's address {problem}") }
    }

    /// The JSON pointer (RFC 6901) of the part of the document that is wrong. Empty for the document as a whole. `None`
    /// if the server's address is wrong.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_deref() {
            Some("") => write!(formatter, "the document {}", self.problem),
            Some(pointer) => write!(formatter, "{pointer} in the document {}", self.problem),
            None => formatter.write_str(&self.problem),
        }
    }
}

impl Error for ProbeError {}
