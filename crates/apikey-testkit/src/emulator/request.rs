//! What the routes read of a request, and the refusals that several routes share.

use hyper::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName},
    http::request::Parts,
};
use percent_encoding::percent_decode_str;

use super::answer::ScriptedAnswer;

pub(crate) fn unknown_route() -> ScriptedAnswer {
    ScriptedAnswer::error(404, "ROUTE_NOT_FOUND", "The requested route does not exist")
}

pub(crate) fn unknown_key() -> ScriptedAnswer {
    ScriptedAnswer::error(404, "API_KEY_NOT_FOUND", "The API key does not exist")
}

pub(crate) fn wrong_method(allowed: &str) -> ScriptedAnswer {
    ScriptedAnswer::error(405, "METHOD_NOT_ALLOWED", "The route does not know this method")
        .header("allow", allowed)
}

/// One segment of a path, decoded.
pub(crate) fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// A request without its body.
pub(crate) struct RequestHead {
    parts: Parts,
}

impl RequestHead {
    pub(crate) fn new(parts: Parts) -> RequestHead {
        RequestHead { parts }
    }

    pub(crate) fn method(&self) -> &Method {
        &self.parts.method
    }

    pub(crate) fn path(&self) -> &str {
        self.parts.uri.path()
    }

    pub(crate) fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    pub(crate) fn content_type(&self) -> Option<&str> {
        self.only(CONTENT_TYPE)
    }

    /// The bearer token.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.only(AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }

    /// The value of a header that occurs once and is ASCII.
    fn only(&self, name: HeaderName) -> Option<&str> {
        let mut values = self.parts.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }
}

/// Whether a `Content-Type` names this media type. Its case and parameters do not matter.
pub(crate) fn is_media_type(content_type: &str, expected: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

/// The decoded pairs of a form body or a query string.
pub(crate) fn pairs(encoded: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    encoded
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded() {
        let expected = [("a", "x y"), ("b", "https://h/api?+"), ("c", ""), ("d", "1=2")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs("a=x+y&b=https%3A%2F%2Fh%2Fapi%3F%2B&&c&d=1=2"), expected);
    }

    #[test]
    fn parameters_and_case_of_a_media_type_do_not_matter() {
        assert!(is_media_type("Application/JSON ; charset=utf-8", "application/json"));
        assert!(!is_media_type("application/jsonp", "application/json"));
    }
}
