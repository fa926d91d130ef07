//! Finds exactly one presented key in a request, or says what is wrong. It does no I/O and keeps no state.

mod source;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

pub use source::CredentialSource;
pub(crate) use source::ExtractionSettings;

use crate::key::{Credential, LONGEST_KEY};
use crate::request::RequestHead;

/// What is wrong with what a request presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Another scheme, or text that can't be a key.
    Format,
    /// More than one key is presented.
    SeveralKeys,
}

/// Where a request may present a key, and in which form. [`ExtractionSettings::build`] makes it.
pub(crate) struct Extraction {
    locations: Vec<(Location, Vec<Form>)>,
    accepted_prefixes: Vec<String>,
    remove_credential: bool,
}

#[derive(PartialEq, Eq)]
enum Location {
    /// The header with this name, in lower case.
    Header(String),
    QueryParameter(String),
}

enum Form {
    /// `<scheme> 1*SP token68`.
    Scheme(String),
    BasicUserName,
    /// The whole value.
    Whole,
}

impl Form {
    fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scheme(one), Self::Scheme(two)) => one.eq_ignore_ascii_case(two),
            (Self::BasicUserName, Self::BasicUserName) | (Self::Whole, Self::Whole) => true,
            _ => false,
        }
    }

    /// The key in this form. `None` if the value has another form or is not a key.
    fn read<'a>(&self, value: &Presented<'a>) -> Option<Credential<'a>> {
        match (self, value) {
            (Self::Whole, Presented::Bytes(bytes)) => Credential::borrowed(bytes),
            (Self::Whole, Presented::Decoded(bytes)) => Credential::decoded(bytes),
            (Self::Scheme(scheme), Presented::Bytes(bytes)) => {
                Credential::borrowed(credentials_of(bytes, scheme)?)
            }
            (Self::BasicUserName, Presented::Bytes(bytes)) => {
                basic_user_name(credentials_of(bytes, "basic")?)
            }
            (_, Presented::Decoded(_)) => None,
        }
    }
}

/// A value found at a location of keys.
enum Presented<'a> {
    Bytes(&'a [u8]),
    Decoded(Zeroizing<Vec<u8>>),
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
        let mut presented = None;
        for (location, forms) in &self.locations {
            if let Some(value) = location.value(request)? {
                if presented.is_some() {
                    return Err(Malformed::SeveralKeys);
                }
                presented = Some((value, forms));
            }
        }
        let Some((value, forms)) = presented else { return Ok(None) };
        let key = forms.iter().find_map(|form| form.read(&value)).ok_or(Malformed::Format)?;
        if self.accepts(key.as_bytes()) { Ok(Some(key)) } else { Err(Malformed::Format) }
    }

    /// Whether the key begins with one of the accepted prefixes, if there are any.
    pub(crate) fn accepts(&self, key: &[u8]) -> bool {
        self.accepted_prefixes.is_empty()
            || self.accepted_prefixes.iter().any(|prefix| key.starts_with(prefix.as_bytes()))
    }

    /// The headers to take out before the handler sees the request. None unless the settings ask for it.
    pub(crate) fn removed_headers(&self) -> impl Iterator<Item = &str> {
        let locations = if self.remove_credential { self.locations.as_slice() } else { &[] };
        locations.iter().filter_map(|(location, _)| match location {
            Location::Header(name) => Some(name.as_str()),
            Location::QueryParameter(_) => None,
        })
    }

    /// The query that the handler sees instead. `None` if the settings do not ask for it, or if this query holds no
    /// key.
    pub(crate) fn query_without_credential(&self, query: &str) -> Option<String> {
        if !self.remove_credential {
            return None;
        }
        let holds_key = |pair: &&str| {
            self.locations.iter().any(
                |(location, _)| matches!(location, Location::QueryParameter(name) if parameter(pair, name).is_some()),
            )
        };
        query.split('&').any(|pair| holds_key(&pair)).then(|| {
            let kept: Vec<&str> = query.split('&').filter(|pair| !holds_key(pair)).collect();
            kept.join("&")
        })
    }

    /// Whether a key may stand in the query.
    pub(crate) fn reads_query(&self) -> bool {
        self.locations.iter().any(|(location, _)| matches!(location, Location::QueryParameter(_)))
    }

    /// Whether anything is taken out of requests.
    pub(crate) fn removes_credential(&self) -> bool {
        self.remove_credential
    }
}

impl Location {
    /// The value at this location, if there is one that is not empty.
    fn value<'a, R: RequestHead>(&'a self, request: &'a R) -> Result<Option<Presented<'a>>, Malformed> {
        match self {
            Self::Header(name) => {
                let mut values = request.header_values(name);
                let first = values.next();
                if values.next().is_some() {
                    return Err(Malformed::SeveralKeys);
                }
                Ok(first.map(without_whitespace).filter(|value| !value.is_empty()).map(Presented::Bytes))
            }
            Self::QueryParameter(name) => {
                let pairs = request.query().unwrap_or_default().split('&');
                let mut values = pairs.filter_map(|pair| parameter(pair, name));
                let first = values.next();
                if values.next().is_some() {
                    return Err(Malformed::SeveralKeys);
                }
                Ok(first.filter(|value| !value.is_empty()).map(decoded))
            }
        }
    }
}

/// The value of a `name=value` pair with this name, still percent-encoded.
fn parameter<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
    percent_decode_str(found).eq(name.bytes()).then_some(value)
}

/// Decodes a parameter's value. A `+` stays a `+`, as in RFC 3986. No key holds a space, so nothing depends on it.
fn decoded(value: &str) -> Presented<'_> {
    if !value.contains('%') {
        return Presented::Bytes(value.as_bytes());
    }
    // Enough capacity for all of it: a buffer that grows would leave half a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    bytes.extend(percent_decode_str(value));
    Presented::Decoded(bytes)
}

/// What follows `<scheme> 1*SP`, if the value has that scheme (RFC 9110, section 11.4).
fn credentials_of<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (found, rest) = value.split_at_checked(scheme.len())?;
    // Nearly every caller writes the scheme as it is configured, and an exact comparison is faster.
    let is_scheme = found == scheme.as_bytes() || found.eq_ignore_ascii_case(scheme.as_bytes());
    if !is_scheme || rest.first() != Some(&b' ') {
        return None;
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    rest.get(spaces..)
}

/// Removes optional whitespace around a header value (RFC 9110, section 5.5).
fn without_whitespace(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Base64 with or without padding, because clients differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest `user-id:password` that is decoded, in bytes.
const LONGEST_BASIC: usize = 2 * LONGEST_KEY;

fn basic_user_name(encoded: &[u8]) -> Option<Credential<'static>> {
    if encoded.len() > LONGEST_BASIC.div_ceil(3) * 4 {
        return None;
    }
    // Enough capacity for all of it: a buffer that grows would leave half a secret behind.
    let mut bytes = Zeroizing::new(vec![0; encoded.len()]);
    let length = BASE64.decode_slice(encoded, bytes.as_mut_slice()).ok()?;
    let colon = bytes.get(..length)?.iter().position(|byte| *byte == b':')?;
    Credential::decoded(bytes.get(..colon)?)
}

#[cfg(test)]
mod tests;
