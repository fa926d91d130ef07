//! The formats of documents.

use super::ProbeError;
use super::node::Node;

/// Which of the two formats a document has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    OpenApi3,
    Swagger2,
}

impl Format {
    pub(crate) fn read(root: &Node<'_>) -> Result<Self, ProbeError> {
        if let Some(version) = root.member("openapi") {
            return match version.text()? {
                text if text.starts_with("3.") => Ok(Format::OpenApi3),
                text => Err(version.error(format!("is {text:?}, but the probe reads 3.x"))),
            };
        }
        let Some(version) = root.member("swagger") else {
            return Err(root.error("must have the member `openapi` with the version, such as \"3.1.0\""));
        };
        match version.text()? {
            "2.0" => Ok(Format::Swagger2),
            text => Err(version.error(format!("is {text:?}, but the probe reads 2.0"))),
        }
    }
}
