//! The operations of an OpenAPI document.

use std::collections::BTreeSet;

use hyper::Method;
use hyper::http::uri::PathAndQuery;
use serde_json::Value;

use super::ProbeError;
use super::format::Format;
use super::inputs::Inputs;
use super::node::Node;
use super::security::Security;
use super::template::Template;

/// The methods that have a member of their own in a path item. `query` is of OpenAPI 3.2.
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// One operation of the document.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// Method and path, as the document writes them.
    pub(crate) name: String,
    pub(crate) method: Method,
    /// The path on the server: that of the document behind the path of its `servers`.
    pub(crate) template: Template,
    pub(crate) security: Security,
    pub(crate) owner: Owner,
    /// Whether only keys of one organization are let in, which the document does not name.
    pub(crate) is_bound: bool,
    /// What `required_scopes` of a refusal lists, if `security` does not say it.
    pub(crate) listed: Option<BTreeSet<String>>,
    pub(crate) inputs: Inputs,
}

/// The owner of a route that is bound to one organization.
const CERTAIN: &str = "certain-organization";

/// Whose keys an operation takes, from `x-apikey-owner`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) organization: bool,
    pub(crate) user: bool,
}

impl Owner {
    pub(crate) const BOTH: Owner = Owner { organization: true, user: true };

    /// The owner, and whether the route is bound to one organization.
    fn read(operation: &Node<'_>) -> Result<(Self, bool), ProbeError> {
        let (mut owner, mut is_bound) = (Owner::default(), false);
        let Some(declared) = operation.member_or_null("x-apikey-owner") else { return Ok((owner, is_bound)) };
        for kind in declared.items()? {
            match kind.text()? {
                "organization" => owner.organization = true,
                CERTAIN => (owner.organization, is_bound) = (true, true),
                "user" => owner.user = true,
                other => {
                    return Err(kind.error(format!(
                        "is {other:?}, and not \"organization\", \"certain-organization\" or \"user\""
                    )));
                }
            }
        }
        Ok((owner, is_bound))
    }
}

/// Reads all operations of a document.
pub(crate) fn operations(document: &Value) -> Result<Vec<Operation>, ProbeError> {
    let root = Node::root(document);
    let format = Format::read(&root)?;
    let mut operations = Vec::new();
    if let Some(paths) = root.member("paths") {
        for (path, item) in paths.members()? {
            if path.starts_with("x-") {
                continue;
            }
            if !path.starts_with('/') {
                return Err(item.error("must have a path that starts with `/`"));
            }
            let item = item.resolved()?;
            for method in METHODS {
                if let Some(operation) = item.member(method) {
                    let method = method.to_ascii_uppercase();
                    operations.push(read(&root, format, path, &method, &item, &operation)?);
                }
            }
            // All other methods, since OpenAPI 3.2. They are sent as the document spells them.
            if let Some(additional) = item.member("additionalOperations") {
                for (method, operation) in additional.members()? {
                    operations.push(read(&root, format, path, method, &item, &operation)?);
                }
            }
        }
    }
    if operations.is_empty() {
        return Err(root.error("has no operation, so there is nothing to check"));
    }
    Ok(operations)
}

fn read(
    root: &Node<'_>,
    format: Format,
    path: &str,
    method: &str,
    item: &Node<'_>,
    operation: &Node<'_>,
) -> Result<Operation, ProbeError> {
    operation.object()?;
    let name = format!("{method} {path}");
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| operation.error("has no method of HTTP"))?;
    let template = Template::of_document(&format!("{}{path}", prefix(root, format, item, operation)?));
    let security = Security::read(root, operation)?;
    let inputs = Inputs::read(root, format, &method, &template, &security, item, operation)?;
    if inputs.target.parse::<PathAndQuery>().is_err() {
        return Err(operation.error(format!("makes {:?}, which is no path of a URL", inputs.target)));
    }
    let (owner, is_bound) = Owner::read(operation)?;
    let listed = match operation.member_or_null("x-apikey-scopes") {
        Some(scopes) => {
            Some(scopes.items()?.map(|scope| scope.text().map(str::to_owned)).collect::<Result<_, _>>()?)
        }
        None => None,
    };
    Ok(Operation { name, method, template, security, owner, is_bound, listed, inputs })
}

/// The path of the first server, without a slash at its end.
fn prefix(
    root: &Node<'_>,
    format: Format,
    item: &Node<'_>,
    operation: &Node<'_>,
) -> Result<String, ProbeError> {
    if format == Format::Swagger2 {
        return root.member("basePath").map_or(Ok(String::new()), |path| Ok(path_of(path.text()?)));
    }
    for level in [operation, item, root] {
        let Some(servers) = level.member("servers") else { continue };
        let Some(server) = servers.items()?.next() else { continue };
        let mut url = server.required_text("url")?.to_owned();
        if let Some(variables) = server.member("variables") {
            for (name, variable) in variables.members()? {
                url = url.replace(&format!("{{{name}}}"), variable.required_text("default")?);
            }
        }
        return Ok(path_of(&url));
    }
    Ok(String::new())
}

/// The path of a URL, which may be relative.
fn path_of(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let behind_scheme = url.split_once("://").map(|(_, rest)| rest).or_else(|| url.strip_prefix("//"));
    let path = match behind_scheme {
        Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
        None => url.strip_prefix("./").unwrap_or(url),
    };
    match path.trim_matches('/') {
        "" | "." => String::new(),
        path => format!("/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_any_url_of_a_server_is_found() {
        for (url, path) in [
            ("https://api.example.com/v1/", "/v1"),
            ("https://api.example.com", ""),
            ("//api.example.com/v1/x?y#z", "/v1/x"),
            ("/v1", "/v1"),
            ("v1", "/v1"),
            ("./", ""),
            (".", ""),
            ("/", ""),
            ("", ""),
        ] {
            assert_eq!(path_of(url), path, "{url}");
        }
    }
}
