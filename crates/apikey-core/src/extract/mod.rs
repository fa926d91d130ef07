//! Finds exactly one presented key in a request, or says what is wrong. It does no I/O and keeps no state.

mod accepted;
mod encoding;
mod header;
mod query;
mod source;
mod web_socket;

use accepted::Accepted;
use header::Header;
pub(crate) use source::ExtractionSettings;
pub use source::{CredentialPlace, CredentialSource};

use crate::key::Credential;
use crate::request::RequestHead;

/// What is wrong with what a request presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Another scheme, or text that can't be a key.
    Format,
    /// More than one key is presented.
    SeveralKeys,
}

/// What a request presents at one location, or at all of them together.
pub(crate) enum Found<'a> {
    Nothing,
    /// Only what is not meant for this authenticator: a value of another scheme, or a token that it ignores.
    Foreign,
    Key(Credential<'a>),
}

/// Where a request may present a key, and in which form. [`ExtractionSettings::build`] makes it.
pub(crate) struct Extraction {
    locations: Vec<Location>,
    accepted: Accepted,
    removes_credential: bool,
}

/// A location in a request where a key may stand.
enum Location {
    Header(Header),
    /// The list of protocols that a WebSocket's client offers.
    WebSocketProtocol,
    QueryParameter(String),
}

impl Extraction {
    /// The one key that the request presents. `None` if it presents nothing.
    ///
    /// # Errors
    /// [`Malformed::SeveralKeys`] or [`Malformed::Format`].
    pub(crate) fn extract<'a, R: RequestHead>(
        &'a self,
        request: &'a R,
    ) -> Result<Option<Credential<'a>>, Malformed> {
        match self.look(request)? {
            Found::Key(key) => Ok(Some(key)),
            Found::Nothing => Ok(None),
            Found::Foreign => Err(Malformed::Format),
        }
    }

    /// What the request presents at all locations together. A foreign value beside a key does not count, and one that
    /// is ignored never does.
    ///
    /// # Errors
    /// [`Malformed::SeveralKeys`] or [`Malformed::Format`].
    pub(crate) fn look<'a, R: RequestHead>(&'a self, request: &'a R) -> Result<Found<'a>, Malformed> {
        let Some((first, others)) = self.locations.split_first() else { return Ok(Found::Nothing) };
        let mut found = self.find(first, request);
        for location in others {
            found = match (found, self.find(location, request)) {
                (Ok(Found::Nothing), one) | (one, Ok(Found::Nothing)) => one,
                (Ok(Found::Foreign), one) | (one, Ok(Found::Foreign)) => one,
                _ => return Err(Malformed::SeveralKeys),
            };
        }
        match found {
            Ok(Found::Foreign) if self.accepted.ignores_others => Ok(Found::Nothing),
            found => found,
        }
    }

    fn find<'a, R: RequestHead>(
        &'a self,
        location: &'a Location,
        request: &'a R,
    ) -> Result<Found<'a>, Malformed> {
        match location {
            Location::Header(header) => header.find(request.header_values(&header.name), &self.accepted),
            Location::WebSocketProtocol => {
                web_socket::find(request.header_values(web_socket::HEADER), &self.accepted)
            }
            Location::QueryParameter(name) => {
                query::find(name, request.query().unwrap_or_default(), &self.accepted)
            }
        }
    }

    /// Whether the key begins with one of the accepted prefixes, if there are any.
    pub(crate) fn accepts(&self, key: &[u8]) -> bool {
        self.accepted.accepts(key)
    }

    /// The headers that hold a credential, each with the value that the handler sees instead. `None` if it sees no such
    /// header. A foreign value stays. No headers unless the settings ask for the removal.
    pub(crate) fn headers_without_credential<'a>(
        &'a self,
        request: &impl RequestHead,
    ) -> Vec<(&'a str, Option<Vec<u8>>)> {
        let locations = if self.removes_credential { self.locations.as_slice() } else { &[] };
        let is_ours = |location: &&Location| !matches!(self.find(location, request), Ok(Found::Foreign));
        let without_key = |location: &'a Location| match location {
            Location::Header(Header { name, .. }) => {
                request.header_values(name).next().map(|_| (name.as_str(), None))
            }
            Location::WebSocketProtocol => {
                let rest = web_socket::without_keys(request.header_values(web_socket::HEADER))?;
                Some((web_socket::HEADER, (!rest.is_empty()).then_some(rest)))
            }
            Location::QueryParameter(_) => None,
        };
        locations.iter().filter(is_ours).filter_map(without_key).collect()
    }

    /// The query that the handler sees instead. `None` if the settings do not ask for it, or if this query holds no
    /// key.
    pub(crate) fn query_without_credential(&self, query: &str) -> Option<String> {
        if !self.removes_credential {
            return None;
        }
        let is_ours = |name: &&str| !matches!(query::find(name, query, &self.accepted), Ok(Found::Foreign));
        let names: Vec<&str> = self.query_parameters().filter(is_ours).collect();
        query::without(&names, query)
    }

    /// Whether a key may stand in the query.
    pub(crate) fn reads_query(&self) -> bool {
        self.query_parameters().next().is_some()
    }

    fn query_parameters(&self) -> impl Iterator<Item = &str> {
        self.locations.iter().filter_map(|location| match location {
            Location::QueryParameter(name) => Some(name.as_str()),
            Location::Header(_) | Location::WebSocketProtocol => None,
        })
    }

    /// Whether anything is taken out of requests.
    pub(crate) fn removes_credential(&self) -> bool {
        self.removes_credential
    }
}

#[cfg(test)]
mod tests;
