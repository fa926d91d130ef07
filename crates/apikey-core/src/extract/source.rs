//! The settings for where a request may present a key. They are checked when the authenticator is built.

use std::borrow::Cow;

use super::{Extraction, Form, Location};
use crate::config_error::ConfigError;
use crate::key::PresentedKey;

/// The setting's name in errors.
const SETTING: &str = "credential_sources";

/// A location in a request where a key may be presented.
///
/// The default is `Authorization: Bearer <key>` alone. If several locations are accepted, a request must use exactly
/// one of them. Keys in two locations are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSource(Source);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Authorization(String),
    BasicUserName,
    Header(String),
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
        Self(Source::Authorization(scheme.into()))
    }

    /// The user name of HTTP Basic (RFC 7617). The password is ignored. For clients that support nothing else, such
    /// as `curl -u "$KEY:"`.
    #[must_use]
    pub fn basic_user_name() -> Self {
        Self(Source::BasicUserName)
    }

    /// A header whose whole value is the key, for example `X-Api-Key`.
    #[must_use]
    pub fn header(name: impl Into<String>) -> Self {
        Self(Source::Header(name.into()))
    }

    /// A parameter of the query. It is insecure: query strings end up in access logs, in browser histories and in
    /// `Referer` (RFC 6750, section 5.3). Use it only for callers that can't set a header.
    #[must_use]
    pub fn insecure_query_parameter(name: impl Into<String>) -> Self {
        Self(Source::QueryParameter(name.into()))
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let problem = match &self.0 {
            Source::Authorization(scheme) if !is_token(scheme) => "the scheme is not a token (RFC 9110)",
            Source::Authorization(scheme) if scheme.eq_ignore_ascii_case("basic") => {
                "for HTTP Basic use CredentialSource::basic_user_name()"
            }
            Source::Header(name) if !is_token(name) => "the header's name is not a token (RFC 9110)",
            Source::Header(name) if name.eq_ignore_ascii_case("authorization") => {
                "for the Authorization header use CredentialSource::authorization(scheme)"
            }
            Source::QueryParameter(name) if name.is_empty() => "the query parameter's name is empty",
            _ => return Ok(()),
        };
        Err(ConfigError::new(SETTING, problem))
    }

    /// The location's name in messages.
    fn name(&self) -> Cow<'static, str> {
        match &self.0 {
            Source::Authorization(_) | Source::BasicUserName => Cow::Borrowed("authorization header"),
            Source::Header(name) => Cow::Owned(format!("{name} header")),
            Source::QueryParameter(name) => Cow::Owned(format!("{name} query parameter")),
        }
    }

    fn scheme(&self) -> Option<&str> {
        match &self.0 {
            Source::Authorization(scheme) => Some(scheme),
            Source::BasicUserName => Some("Basic"),
            Source::Header(_) | Source::QueryParameter(_) => None,
        }
    }

    fn location(&self) -> (Location, Form) {
        match &self.0 {
            Source::Authorization(scheme) => {
                (Location::Header("authorization".to_owned()), Form::Scheme(scheme.clone()))
            }
            Source::BasicUserName => (Location::Header("authorization".to_owned()), Form::BasicUserName),
            Source::Header(name) => (Location::Header(name.to_ascii_lowercase()), Form::Whole),
            Source::QueryParameter(name) => (Location::QueryParameter(name.clone()), Form::Whole),
        }
    }
}

/// The builder's settings about extraction.
#[derive(Debug, Clone)]
pub(crate) struct ExtractionSettings {
    pub(crate) sources: Vec<CredentialSource>,
    pub(crate) accepted_prefixes: Vec<String>,
    pub(crate) remove_credential: bool,
}

impl Default for ExtractionSettings {
    fn default() -> Self {
        Self {
            sources: vec![CredentialSource::bearer()],
            accepted_prefixes: Vec::new(),
            remove_credential: false,
        }
    }
}

impl ExtractionSettings {
    pub(crate) fn build(self) -> Result<Extraction, ConfigError> {
        if self.sources.is_empty() {
            return Err(ConfigError::new(SETTING, "name at least one location for a key"));
        }
        let mut locations: Vec<(Location, Vec<Form>)> = Vec::new();
        for source in &self.sources {
            source.validate()?;
            let (location, form) = source.location();
            match locations.iter_mut().find(|(known, _)| *known == location) {
                None => locations.push((location, vec![form])),
                Some((_, forms)) if !forms.iter().any(|known| known.is_same_as(&form)) => forms.push(form),
                Some(_) => return Err(ConfigError::new(SETTING, "the same location is named twice")),
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
        Ok(Extraction {
            locations,
            accepted_prefixes: self.accepted_prefixes,
            remove_credential: self.remove_credential,
        })
    }

    /// The scheme that a challenge names. Every challenge needs one (RFC 9110, section 15.5.2), so locations without
    /// a scheme are challenged with `Bearer`.
    pub(crate) fn challenge_scheme(&self) -> &str {
        self.sources.iter().find_map(CredentialSource::scheme).unwrap_or("Bearer")
    }

    /// The names in messages of all locations, each once.
    pub(crate) fn location_names(&self) -> Vec<Cow<'static, str>> {
        let mut names = Vec::new();
        for name in self.sources.iter().map(CredentialSource::name) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// `token = 1*tchar` (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}
