//! The settings for where a request may present a key. They are checked when the authenticator is built.

use super::accepted::Accepted;
use super::header::{AUTHORIZATION, BasicPart, Form, Header, is_tchar};
use super::{Extraction, Location, web_socket};
use crate::config_error::ConfigError;
use crate::key::PresentedKey;

/// The setting's name in errors.
const SETTING: &str = "credential_sources";

/// A location in a request where a key may be presented.
///
/// The default is `Authorization: Bearer <key>` alone. If several locations are accepted, a request must use exactly
/// one of them. Keys in two locations are refused.
///
/// A value of another scheme is no key, for example `Authorization: Digest ..` if you configured `Bearer`. It may stand
/// beside a key at another location. Alone it is refused as malformed, unless you
/// [ignore other tokens](crate::AuthenticatorBuilder::ignore_other_tokens).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSource(Source);

/// The place of a [`CredentialSource`] in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialPlace<'a> {
    /// `Authorization`, after this scheme.
    Authorization {
        /// The scheme, such as `Bearer`.
        scheme: &'a str,
    },
    /// A header.
    Header {
        /// Its name.
        name: &'a str,
        /// The scheme in front of the key. `None` if the whole value is the key.
        scheme: Option<&'a str>,
    },
    /// The protocols that the client of a WebSocket offers.
    WebSocketProtocol,
    /// A parameter of the query.
    Query {
        /// Its name.
        name: &'a str,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    HeaderWithScheme { name: String, scheme: String },
    Basic(BasicPart),
    Header(String),
    WebSocketProtocol,
    QueryParameter(String),
}

impl CredentialSource {
    /// `Authorization: Bearer <key>` (RFC 6750, section 2.1).
    #[must_use]
    pub fn bearer() -> Self {
        Self::authorization("Bearer")
    }

    /// `Authorization: <scheme> <key>`. The scheme matches in any case (RFC 9110, section 11.1).
    #[must_use]
    pub fn authorization(scheme: impl Into<String>) -> Self {
        Self::header_with_scheme(AUTHORIZATION, scheme)
    }

    /// The user name of HTTP Basic (RFC 7617) in `Authorization`. The password is ignored. For clients that support
    /// nothing else, such as `curl -u "$KEY:"`.
    #[must_use]
    pub fn basic_user_name() -> Self {
        Self(Source::Basic(BasicPart::UserName))
    }

    /// The password of HTTP Basic (RFC 7617) in `Authorization`. The user name is ignored. For clients that ask for a
    /// user name and a password, such as `curl -u "me:$KEY"`.
    ///
    /// If you list [`basic_user_name`](Self::basic_user_name), too, the first of both counts that is a well-formed key.
    /// A user name such as `me` is one. So name the
    /// [accepted prefixes](crate::AuthenticatorBuilder::accepted_prefixes) of your keys, or list the password first.
    #[must_use]
    pub fn basic_password() -> Self {
        Self(Source::Basic(BasicPart::Password))
    }

    /// A header whose whole value is the key, for example `X-Api-Key: <key>`. It may be `Authorization`, also together
    /// with [`bearer`](Self::bearer).
    #[must_use]
    pub fn header(name: impl Into<String>) -> Self {
        Self(Source::Header(name.into()))
    }

    /// A header whose value is a scheme and the key, for example `X-Forwarded-Authorization: Bearer <key>`. The scheme
    /// matches in any case.
    #[must_use]
    pub fn header_with_scheme(name: impl Into<String>, scheme: impl Into<String>) -> Self {
        Self(Source::HeaderWithScheme { name: name.into(), scheme: scheme.into() })
    }

    /// The list of protocols that the client of a WebSocket offers. A browser lets a page set no other header:
    ///
    /// ```text
    /// Sec-WebSocket-Protocol: apikey, base64url.apikey.<key in base64url, without padding>
    /// ```
    ///
    /// The client must offer the protocol `apikey`, too, so that the handler can name it in the reply. A reply that
    /// named the other member would repeat the key. Further protocols may stand in the list. Several lines of this
    /// header are one list (RFC 6455, section 11.3.4).
    ///
    /// This location implies [`remove_credential`](crate::AuthenticatorBuilder::remove_credential), for all locations of
    /// the authenticator. Only the member with the key is taken out of the list.
    #[must_use]
    pub fn web_socket_protocol() -> Self {
        Self(Source::WebSocketProtocol)
    }

    /// A parameter of the query. It is insecure: query strings end up in access logs, in browser histories and in
    /// `Referer` (RFC 6750, section 5.3). Use it only for callers that can't set a header.
    #[must_use]
    pub fn insecure_query_parameter(name: impl Into<String>) -> Self {
        Self(Source::QueryParameter(name.into()))
    }

    /// Where the key stands, as documentation of an API says it.
    #[must_use]
    pub fn place(&self) -> CredentialPlace<'_> {
        match &self.0 {
            Source::HeaderWithScheme { name, scheme } if name.eq_ignore_ascii_case(AUTHORIZATION) => {
                CredentialPlace::Authorization { scheme }
            }
            Source::Basic(_) => CredentialPlace::Authorization { scheme: "Basic" },
            Source::HeaderWithScheme { name, scheme } => {
                CredentialPlace::Header { name, scheme: Some(scheme) }
            }
            Source::Header(name) => CredentialPlace::Header { name, scheme: None },
            Source::WebSocketProtocol => CredentialPlace::WebSocketProtocol,
            Source::QueryParameter(name) => CredentialPlace::Query { name },
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let problem = match &self.0 {
            Source::HeaderWithScheme { scheme, .. } if !is_token(scheme) => {
                "the scheme is not a token (RFC 9110)"
            }
            Source::HeaderWithScheme { scheme, .. } if scheme.eq_ignore_ascii_case("basic") => {
                "for HTTP Basic use CredentialSource::basic_user_name() or basic_password()"
            }
            Source::HeaderWithScheme { name, .. } | Source::Header(name) if !is_token(name) => {
                "the header's name is not a token (RFC 9110)"
            }
            Source::HeaderWithScheme { name, .. } | Source::Header(name)
                if name.eq_ignore_ascii_case(web_socket::HEADER) =>
            {
                "for this header use CredentialSource::web_socket_protocol()"
            }
            Source::QueryParameter(name) if name.is_empty() => "the query parameter's name is empty",
            _ => return Ok(()),
        };
        Err(ConfigError::new(SETTING, problem))
    }

    /// The location's name in messages.
    fn name(&self) -> String {
        match &self.0 {
            Source::HeaderWithScheme { name, .. } | Source::Header(name)
                if !name.eq_ignore_ascii_case(AUTHORIZATION) =>
            {
                format!("{name} header")
            }
            Source::HeaderWithScheme { .. } | Source::Header(_) | Source::Basic(_) => {
                format!("{AUTHORIZATION} header")
            }
            Source::WebSocketProtocol => format!("{} header", web_socket::HEADER),
            Source::QueryParameter(name) => format!("{name} query parameter"),
        }
    }

    /// The scheme that a challenge can ask for, because challenges ask for an `Authorization`.
    fn challenge_scheme(&self) -> Option<&str> {
        match &self.0 {
            Source::HeaderWithScheme { name, scheme } if name.eq_ignore_ascii_case(AUTHORIZATION) => {
                Some(scheme)
            }
            Source::Basic(_) => Some("Basic"),
            _ => None,
        }
    }

    fn location(&self) -> Location {
        let header = |name: &str, form| {
            Location::Header(Header { name: name.to_ascii_lowercase(), forms: vec![form] })
        };
        match &self.0 {
            Source::HeaderWithScheme { name, scheme } => header(name, Form::Scheme(scheme.clone())),
            Source::Basic(part) => header(AUTHORIZATION, Form::Basic(*part)),
            Source::Header(name) => header(name, Form::Whole),
            Source::WebSocketProtocol => Location::WebSocketProtocol,
            Source::QueryParameter(name) => Location::QueryParameter(name.clone()),
        }
    }
}

impl Location {
    fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header(one), Self::Header(two)) => one.name == two.name,
            (Self::WebSocketProtocol, Self::WebSocketProtocol) => true,
            (Self::QueryParameter(one), Self::QueryParameter(two)) => one == two,
            _ => false,
        }
    }
}

/// The builder's settings about extraction.
#[derive(Debug, Clone)]
pub(crate) struct ExtractionSettings {
    pub(crate) sources: Vec<CredentialSource>,
    pub(crate) accepted_prefixes: Vec<String>,
    pub(crate) ignore_other_tokens: bool,
    pub(crate) remove_credential: bool,
}

impl Default for ExtractionSettings {
    fn default() -> Self {
        Self {
            sources: vec![CredentialSource::bearer()],
            accepted_prefixes: Vec::new(),
            ignore_other_tokens: false,
            remove_credential: false,
        }
    }
}

impl ExtractionSettings {
    pub(crate) fn build(self) -> Result<Extraction, ConfigError> {
        if self.sources.is_empty() {
            return Err(ConfigError::new(SETTING, "name at least one location for a key"));
        }
        let mut locations: Vec<Location> = Vec::new();
        for source in &self.sources {
            source.validate()?;
            let new = source.location();
            match (locations.iter_mut().find(|known| known.is_same_as(&new)), new) {
                (None, new) => locations.push(new),
                (Some(Location::Header(known)), Location::Header(new)) if !known.has_form_of(&new) => {
                    known.forms.extend(new.forms);
                }
                _ => return Err(ConfigError::new(SETTING, "the same location is named twice")),
            }
        }
        for prefix in &self.accepted_prefixes {
            // Padding ends a key, so no text that holds padding is the beginning of a key.
            if PresentedKey::parse(prefix).is_err() || prefix.contains('=') {
                let problem =
                    "a prefix is the beginning of a key: 1 to 512 characters of A-Z a-z 0-9 - . _ ~ + /";
                return Err(ConfigError::new("accepted_prefixes", problem));
            }
        }
        if self.ignore_other_tokens && self.accepted_prefixes.is_empty() {
            let problem = "needs accepted_prefixes, because they say which tokens are API keys";
            return Err(ConfigError::new("ignore_other_tokens", problem));
        }
        // A handler that saw the key among the protocols might name it in its reply.
        let removes_credential = self.remove_credential
            || locations.iter().any(|location| matches!(location, Location::WebSocketProtocol));
        Ok(Extraction {
            locations,
            accepted: Accepted { prefixes: self.accepted_prefixes, ignores_others: self.ignore_other_tokens },
            removes_credential,
        })
    }

    /// The scheme that a challenge names. Every challenge needs one (RFC 9110, section 15.5.2), so locations without
    /// a scheme in `Authorization` are challenged with `Bearer`.
    pub(crate) fn challenge_scheme(&self) -> &str {
        self.sources.iter().find_map(CredentialSource::challenge_scheme).unwrap_or("Bearer")
    }

    /// The names in messages of all locations, each once.
    pub(crate) fn location_names(&self) -> Vec<String> {
        let mut named: Vec<(Location, String)> = Vec::new();
        for source in &self.sources {
            let location = source.location();
            if !named.iter().any(|(known, _)| known.is_same_as(&location)) {
                named.push((location, source.name()));
            }
        }
        named.into_iter().map(|(_, name)| name).collect()
    }
}

/// `token = 1*tchar` (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_tchar)
}
