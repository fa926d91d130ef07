//! A key in a parameter of the query.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::accepted::Accepted;
use super::{Found, Malformed};
use crate::key::Credential;

/// What stands in the parameter with this name.
pub(super) fn find<'a>(name: &str, query: &'a str, accepted: &Accepted) -> Result<Found<'a>, Malformed> {
    let mut values = query.split('&').filter_map(|pair| parameter(pair, name));
    let first = values.next();
    if values.next().is_some() {
        return Err(Malformed::SeveralKeys);
    }
    match first {
        None | Some("") => Ok(Found::Nothing),
        Some(value) if value.contains('%') => {
            let text = decoded(value);
            accepted.judge(Credential::decoded(&text), || text.clone())
        }
        Some(value) => {
            let text = value.as_bytes();
            accepted.judge(Credential::borrowed(text), || Zeroizing::new(text.to_vec()))
        }
    }
}

/// The query without the parameters of these names. `None` if it has none of them.
pub(super) fn without(names: &[&str], query: &str) -> Option<String> {
    let is_named = |pair: &&str| names.iter().any(|name| parameter(pair, name).is_some());
    query.split('&').any(|pair| is_named(&pair)).then(|| {
        let kept: Vec<&str> = query.split('&').filter(|pair| !is_named(pair)).collect();
        kept.join("&")
    })
}

/// The value of a `name=value` pair with this name, still percent-encoded.
fn parameter<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
    percent_decode_str(found).eq(name.bytes()).then_some(value)
}

/// Decodes a parameter's value. A `+` stays a `+`, as in RFC 3986. No key holds a space, so nothing depends on it.
fn decoded(value: &str) -> Zeroizing<Vec<u8>> {
    // Enough capacity for all of it: a buffer that grows would leave half a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(value.len()));
    bytes.extend(percent_decode_str(value));
    bytes
}
