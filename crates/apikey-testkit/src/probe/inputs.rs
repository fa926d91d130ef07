//! What a request needs besides its key: path, parameters and body.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;

use super::ProbeError;
use super::body::{Body, encoded_pairs};
use super::example::{example, plain};
use super::format::Format;
use super::node::Node;
use super::security::{Placement, Security, is_token};
use super::template::{Template, encoded};

/// A request as far as the document tells it.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) cookies: Vec<String>,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) body: Bytes,
}

/// A parameter of an operation.
struct Parameter<'a> {
    location: &'a str,
    name: &'a str,
    is_required: bool,
    node: Node<'a>,
}

impl Inputs {
    /// Reads the parameters of a path item and of its operation, and the body.
    pub(crate) fn read(
        root: &Node<'_>,
        format: Format,
        method: &Method,
        template: &Template,
        security: &Security,
        item: &Node<'_>,
        operation: &Node<'_>,
    ) -> Result<Self, ProbeError> {
        let parameters = parameters(item, operation)?;
        let mut values = Vec::new();
        for parameter in parameters.iter().filter(|parameter| parameter.location == "path") {
            values.push((parameter.name, plain(&example(&parameter.node)?)));
        }
        let value =
            |name: &str| values.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
        let mut inputs = Inputs::plain(template.filled(value));
        let mut query = Vec::new();
        for parameter in &parameters {
            if parameter.is_required && !parameter.is_credential(security) {
                inputs.add(parameter, &mut query)?;
            }
        }
        if !query.is_empty() {
            inputs.add_query(&encoded_pairs(&query));
        }
        let body = match format {
            Format::OpenApi3 => Body::of_operation(operation)?,
            Format::Swagger2 => swagger_body(root, operation, &parameters)?,
        };
        // HTTP forbids a body in TRACE.
        if let Some(body) = body.or_else(|| Body::usual(method)).filter(|_| method != Method::TRACE) {
            inputs.set_body(body);
        }
        Ok(inputs)
    }

    /// A request without parameters.
    pub(crate) fn plain(target: String) -> Self {
        Inputs { target, headers: Vec::new(), cookies: Vec::new(), content_type: None, body: Bytes::new() }
    }

    pub(crate) fn set_body(&mut self, body: Body) {
        self.content_type = HeaderValue::from_str(&body.content_type).ok();
        self.body = body.bytes;
    }

    fn add_query(&mut self, query: &str) {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(query);
    }

    fn add(
        &mut self,
        parameter: &Parameter<'_>,
        query: &mut Vec<(String, String)>,
    ) -> Result<(), ProbeError> {
        let value = || example(&parameter.node).map(|value| plain(&value));
        match parameter.location {
            "query" => query.push((parameter.name.to_owned(), value()?)),
            "cookie" if is_token(parameter.name) => {
                self.cookies.push(format!("{}={}", parameter.name, encoded(&value()?)));
            }
            "header" => {
                let name = HeaderName::from_bytes(parameter.name.as_bytes());
                let name = name.map_err(|_| parameter.node.error("`name` is no name of a header"))?;
                // The document has no say in these.
                if ![ACCEPT, AUTHORIZATION, CONTENT_TYPE].contains(&name) {
                    let value = HeaderValue::from_str(&value()?).unwrap_or(HeaderValue::from_static("1"));
                    self.headers.push((name, value));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Parameter<'_> {
    /// Whether the key goes here. Some documents also list it as a parameter.
    fn is_credential(&self, security: &Security) -> bool {
        security.ways.iter().any(|way| match &way.placement {
            Placement::Header(name, _) => {
                self.location == "header" && self.name.eq_ignore_ascii_case(name.as_str())
            }
            Placement::Query(name) => self.location == "query" && self.name == name,
            Placement::Cookie(name) => self.location == "cookie" && self.name == name,
            Placement::Bearer | Placement::Basic => false,
        })
    }
}

/// The parameters of an operation. It may replace those of its path item.
fn parameters<'a>(item: &Node<'a>, operation: &Node<'a>) -> Result<Vec<Parameter<'a>>, ProbeError> {
    let mut parameters: Vec<Parameter<'a>> = Vec::new();
    for level in [item, operation] {
        let Some(list) = level.member("parameters") else { continue };
        for node in list.items()? {
            let node = node.resolved()?;
            let (location, name) = (node.required_text("in")?, node.required_text("name")?);
            let is_required =
                node.member("required").is_some_and(|required| required.value == &Value::Bool(true));
            parameters.retain(|other| (other.location, other.name) != (location, name));
            parameters.push(Parameter { location, name, is_required, node });
        }
    }
    Ok(parameters)
}

/// In Swagger 2, parameters are the body.
fn swagger_body(
    root: &Node<'_>,
    operation: &Node<'_>,
    parameters: &[Parameter<'_>],
) -> Result<Option<Body>, ProbeError> {
    if let Some(body) = parameters.iter().find(|parameter| parameter.location == "body") {
        return Ok(Some(Body::json(&example(&body.node)?)));
    }
    let mut fields = Vec::new();
    for parameter in parameters.iter().filter(|parameter| parameter.location == "formData") {
        if parameter.is_required {
            fields.push((parameter.name.to_owned(), plain(&example(&parameter.node)?)));
        }
    }
    if !parameters.iter().any(|parameter| parameter.location == "formData") {
        return Ok(None);
    }
    let consumes = operation.member("consumes").or_else(|| root.member("consumes"));
    let first = consumes.and_then(|list| list.value.get(0).and_then(Value::as_str));
    Ok(Some(Body::form(first.unwrap_or_default(), &fields)))
}
