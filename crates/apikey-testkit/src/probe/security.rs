//! What an operation's `security` asks of a request.

use std::collections::BTreeSet;
use std::fmt;

use hyper::header::HeaderName;

use super::ProbeError;
use super::node::Node;

/// Where a request carries its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    Bearer,
    /// The user name of HTTP Basic.
    Basic,
    /// A header, and the scheme in front of the key there.
    Header(HeaderName, Option<String>),
    Query(String),
    Cookie(String),
}

impl fmt::Display for Placement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Placement::Bearer => formatter.write_str("as a bearer token"),
            Placement::Basic => formatter.write_str("as the user name of HTTP Basic"),
            Placement::Header(name, None) => write!(formatter, "in the header `{name}`"),
            Placement::Header(name, Some(scheme)) => {
                write!(formatter, "in the header `{name}`, after `{scheme}`")
            }
            Placement::Query(name) => write!(formatter, "in the query parameter `{name}`"),
            Placement::Cookie(name) => write!(formatter, "in the cookie `{name}`"),
        }
    }
}

/// A place for the key, and the sets of scopes of which a key needs one there.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) placement: Placement,
    pub(crate) alternatives: Vec<BTreeSet<String>>,
}

impl Way {
    /// Whether the document lets a key with these scopes in.
    pub(crate) fn admits(&self, scopes: &BTreeSet<String>) -> bool {
        self.alternatives.iter().any(|alternative| alternative.is_subset(scopes))
    }

    /// Every scope that the document names for this way.
    pub(crate) fn scopes(&self) -> BTreeSet<String> {
        self.alternatives.iter().flatten().cloned().collect()
    }
}

/// What the document says about keys for one operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Security {
    /// Whether a request without a key is let in.
    pub(crate) lets_anybody_in: bool,
    pub(crate) ways: Vec<Way>,
    /// Requirements that the probe cannot present, in words.
    pub(crate) not_checked: Vec<String>,
    /// Whether the connection may need a certificate, so that even a request without a key tells nothing.
    pub(crate) may_need_certificate: bool,
}

/// How a scheme takes a credential.
enum Scheme {
    Key(Placement),
    /// OAuth 2 and OpenID Connect: an access token as a bearer token.
    Token,
    Certificate,
    Other(String),
}

/// One alternative of `security`, read.
struct Alternative {
    scopes: BTreeSet<String>,
    schemes: Vec<(String, Scheme)>,
}

impl Security {
    /// Reads the `security` of an operation, or that of the whole document if the operation has none.
    pub(crate) fn read(root: &Node<'_>, operation: &Node<'_>) -> Result<Self, ProbeError> {
        let declared = operation.member_or_null("security").or_else(|| root.member_or_null("security"));
        let Some(declared) = declared else {
            return Ok(Security { lets_anybody_in: true, ..Security::default() });
        };
        let mut alternatives = Vec::new();
        for requirement in declared.items()? {
            alternatives.push(Alternative::read(root, &requirement)?);
        }
        let lets_anybody_in =
            alternatives.is_empty() || alternatives.iter().any(|alternative| alternative.schemes.is_empty());
        let mut security = Security { lets_anybody_in, ..Security::default() };
        alternatives.retain(|alternative| !alternative.schemes.is_empty());
        // Beside a scheme for keys, a token is another credential, such as the access token of a machine.
        let takes_tokens = !alternatives.iter().any(Alternative::has_key);
        for alternative in alternatives {
            security.add(alternative, takes_tokens);
        }
        Ok(security)
    }

    /// Whether the document asks for nothing at all.
    pub(crate) fn is_open(&self) -> bool {
        self.lets_anybody_in && self.ways.is_empty() && self.not_checked.is_empty()
    }

    fn add(&mut self, alternative: Alternative, takes_tokens: bool) {
        self.may_need_certificate |=
            alternative.schemes.iter().any(|(_, scheme)| matches!(scheme, Scheme::Certificate));
        let placement = match alternative.placement(takes_tokens) {
            Ok(placement) => placement,
            Err(reason) => return self.not_checked.push(reason),
        };
        match self.ways.iter_mut().find(|way| way.placement == placement) {
            Some(way) => way.alternatives.push(alternative.scopes),
            None => self.ways.push(Way { placement, alternatives: vec![alternative.scopes] }),
        }
    }
}

impl Alternative {
    fn read(root: &Node<'_>, requirement: &Node<'_>) -> Result<Self, ProbeError> {
        let mut alternative = Alternative { scopes: BTreeSet::new(), schemes: Vec::new() };
        for (name, scopes) in requirement.members()? {
            for scope in scopes.items()? {
                alternative.scopes.insert(scope.text()?.to_owned());
            }
            let scheme = declared_scheme(root, name).ok_or_else(|| {
                scopes.error(format!("names the scheme {name:?}, which the document lacks"))
            })?;
            alternative.schemes.push((name.to_owned(), Scheme::read(&scheme.resolved()?)?));
        }
        Ok(alternative)
    }

    fn has_key(&self) -> bool {
        self.schemes.iter().any(|(_, scheme)| matches!(scheme, Scheme::Key(_)))
    }

    /// The one place that carries the key, or why there is none.
    fn placement(&self, takes_tokens: bool) -> Result<Placement, String> {
        let mut found: Option<Placement> = None;
        for (name, scheme) in &self.schemes {
            let placement = match scheme {
                Scheme::Key(placement) => placement.clone(),
                Scheme::Token if self.has_key() => Placement::Bearer,
                Scheme::Token if takes_tokens && !self.scopes.is_empty() => Placement::Bearer,
                Scheme::Token if takes_tokens => {
                    return Err(format!("`{name}` takes access tokens and names no scopes"));
                }
                Scheme::Token => return Err(format!("`{name}` takes access tokens beside API keys")),
                Scheme::Certificate => return Err(format!("`{name}` takes a client certificate")),
                Scheme::Other(kind) => {
                    return Err(format!("`{name}` is of the kind {kind:?}, which takes no API key"));
                }
            };
            if found.as_ref().is_some_and(|other| *other != placement) {
                let names: Vec<String> = self.schemes.iter().map(|(name, _)| format!("`{name}`")).collect();
                return Err(format!("{} ask for several credentials at once", names.join(" and ")));
            }
            found = Some(placement);
        }
        found.ok_or_else(|| "a requirement names no scheme".to_owned())
    }
}

/// A scheme in OpenAPI 3, or in Swagger 2.
fn declared_scheme<'a>(root: &Node<'a>, name: &str) -> Option<Node<'a>> {
    let in_components = root.member("components").and_then(|components| components.member("securitySchemes"));
    in_components.or_else(|| root.member("securityDefinitions"))?.member(name)
}

impl Scheme {
    fn read(node: &Node<'_>) -> Result<Self, ProbeError> {
        Ok(match node.required_text("type")? {
            "http" => {
                let scheme = node.required_text("scheme")?.to_ascii_lowercase();
                match &*scheme {
                    "bearer" => Scheme::Key(Placement::Bearer),
                    "basic" => Scheme::Key(Placement::Basic),
                    _ => Scheme::Other(format!("http {scheme}")),
                }
            }
            "basic" => Scheme::Key(Placement::Basic),
            "apiKey" => {
                let name = node.required_text("name")?;
                match node.required_text("in")? {
                    "header" => Scheme::Key(header(node, name)?),
                    "query" => Scheme::Key(Placement::Query(name.to_owned())),
                    "cookie" if is_token(name) => Scheme::Key(Placement::Cookie(name.to_owned())),
                    "cookie" => return Err(node.error(format!("{name:?} is no name of a cookie"))),
                    other => {
                        return Err(node.error(format!("`in` is {other:?}, and not header, query or cookie")));
                    }
                }
            }
            "oauth2" | "openIdConnect" => Scheme::Token,
            "mutualTLS" => Scheme::Certificate,
            other => Scheme::Other(other.to_owned()),
        })
    }
}

/// A header that carries the key, perhaps after a scheme, which only our extension can say.
fn header(node: &Node<'_>, name: &str) -> Result<Placement, ProbeError> {
    let name =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| node.error("`name` is no name of a header"))?;
    let scheme = match node.member_or_null("x-apikey-scheme") {
        Some(scheme) => Some(scheme.text()?.to_owned()),
        None => None,
    };
    Ok(Placement::Header(name, scheme))
}

/// Whether this is a `token` of HTTP (RFC 9110, section 5.6.2), as names of headers and cookies are.
pub(crate) fn is_token(name: &str) -> bool {
    HeaderName::from_bytes(name.as_bytes()).is_ok()
}
