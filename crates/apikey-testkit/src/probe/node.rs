//! The values of a document, each with its JSON pointer.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::ProbeError;

/// How many references (`$ref`) may lead from one to the next.
const MOST_REFERENCES: usize = 16;

/// A value of the document.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    document: &'a Value,
    pub(crate) value: &'a Value,
    pointer: String,
}

impl<'a> Node<'a> {
    pub(crate) fn root(document: &'a Value) -> Self {
        Node { document, value: document, pointer: String::new() }
    }

    /// An error about this value.
    pub(crate) fn error(&self, problem: impl Into<String>) -> ProbeError {
        ProbeError::document(&self.pointer, problem.into())
    }

    /// A member of an object. `null` counts as missing.
    pub(crate) fn member(&self, name: &str) -> Option<Self> {
        self.member_or_null(name).filter(|member| !member.value.is_null())
    }

    pub(crate) fn member_or_null(&self, name: &str) -> Option<Self> {
        self.value.get(name).map(|value| self.child(name, value))
    }

    /// # Errors
    /// If this is no object.
    pub(crate) fn object(&self) -> Result<&'a Map<String, Value>, ProbeError> {
        self.value.as_object().ok_or_else(|| self.error("must be an object"))
    }

    /// All members of an object.
    ///
    /// # Errors
    /// If this is no object.
    pub(crate) fn members(&self) -> Result<impl Iterator<Item = (&'a str, Self)>, ProbeError> {
        Ok(self.object()?.iter().map(|(name, value)| (name.as_str(), self.child(name, value))))
    }

    /// All items of an array.
    ///
    /// # Errors
    /// If this is no array.
    pub(crate) fn items(&self) -> Result<impl Iterator<Item = Self>, ProbeError> {
        let array = self.value.as_array().ok_or_else(|| self.error("must be an array"))?;
        Ok(array.iter().enumerate().map(|(index, value)| self.child(&index.to_string(), value)))
    }

    /// # Errors
    /// If this is no text.
    pub(crate) fn text(&self) -> Result<&'a str, ProbeError> {
        self.value.as_str().ok_or_else(|| self.error("must be a string"))
    }

    /// A member that must be there and be a text.
    pub(crate) fn required_text(&self, name: &str) -> Result<&'a str, ProbeError> {
        self.member(name).ok_or_else(|| self.error(format!("must have the member `{name}`")))?.text()
    }

    /// What this value refers to, or the value itself if it is no reference.
    ///
    /// # Errors
    /// If the reference leads nowhere, into another file or in a circle.
    pub(crate) fn resolved(mut self) -> Result<Self, ProbeError> {
        for _ in 0..MOST_REFERENCES {
            let Some(reference) = self.member("$ref") else { return Ok(self) };
            let text = reference.text()?;
            let Some(fragment) = text.strip_prefix('#') else {
                return Err(reference.error(format!(
                    "refers to another file, {text:?}. Bundle everything into one document first"
                )));
            };
            let pointer = percent_decode_str(fragment).decode_utf8_lossy().into_owned();
            let Some(value) = self.document.pointer(&pointer) else {
                return Err(reference.error(format!("refers to {text:?}, which the document lacks")));
            };
            self = Node { document: self.document, value, pointer };
        }
        Err(self.error(format!("is the end of more than {MOST_REFERENCES} references, perhaps a circle")))
    }

    fn child(&self, name: &str, value: &'a Value) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        Node { document: self.document, value, pointer: format!("{}/{name}", self.pointer) }
    }
}
