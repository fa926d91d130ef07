//! Bodies of requests.

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::ProbeError;
use super::example::{example, plain};
use super::node::Node;
use super::template::encoded;

const BOUNDARY: &str = "apikey-probe-boundary";

/// A body and its media type.
pub(crate) struct Body {
    pub(crate) content_type: String,
    pub(crate) bytes: Bytes,
}

impl Body {
    /// The body that the document describes. `None` if it describes none.
    pub(crate) fn of_operation(operation: &Node<'_>) -> Result<Option<Body>, ProbeError> {
        let Some(request_body) = operation.member("requestBody") else { return Ok(None) };
        let Some(content) = request_body.resolved()?.member("content") else {
            return Ok(Some(Body::json(&Value::Null)));
        };
        let mut media_types = Vec::new();
        for (name, media_type) in content.members()? {
            media_types.push((name, media_type.resolved()?));
        }
        let first_json = media_types.iter().find(|(name, _)| is_json(name));
        let Some((name, media_type)) = first_json.or_else(|| media_types.first()) else {
            return Ok(Some(Body::json(&Value::Null)));
        };
        let value = example(media_type)?;
        if is_json(name) {
            return Ok(Some(Body::json(&value)));
        }
        let fields = |value: &Value| -> Vec<(String, String)> {
            let members = value.as_object().into_iter().flatten();
            members.map(|(name, value)| (name.clone(), plain(value))).collect()
        };
        if essence(name) == "multipart/form-data" || essence(name) == "application/x-www-form-urlencoded" {
            return Ok(Some(Body::form(name, &fields(&value))));
        }
        Ok(Some(Body { content_type: (*name).to_owned(), bytes: plain(&value).into() }))
    }

    /// What is sent with this method if the document says nothing.
    pub(crate) fn usual(method: &Method) -> Option<Body> {
        [Method::POST, Method::PUT, Method::PATCH].contains(method).then(|| Body::json(&Value::Null))
    }

    /// `Null` becomes `{}`.
    pub(crate) fn json(value: &Value) -> Body {
        let value = if value.is_null() { json!({}) } else { value.clone() };
        Body { content_type: "application/json".to_owned(), bytes: value.to_string().into() }
    }

    /// A form of this media type.
    pub(crate) fn form(content_type: &str, fields: &[(String, String)]) -> Body {
        if essence(content_type) != "multipart/form-data" {
            let content_type = "application/x-www-form-urlencoded".to_owned();
            return Body { content_type, bytes: encoded_pairs(fields).into() };
        }
        let part = |(name, value): &(String, String)| {
            let name = name.replace(['"', '\r', '\n'], "_");
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let parts: String = fields.iter().map(part).collect();
        Body {
            content_type: format!("multipart/form-data; boundary={BOUNDARY}"),
            bytes: format!("{parts}--{BOUNDARY}--\r\n").into(),
        }
    }
}

/// The pairs of a query or a form.
pub(crate) fn encoded_pairs(pairs: &[(String, String)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A media type without its parameters, in lower case.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type);
    matches!(&*essence, "application/json" | "application/*" | "*/*") || essence.ends_with("+json")
}
