//! Reads `Forwarded` (RFC 7239, section 4) from the right.
//!
//! From the left, a quote that a caller did not close would swallow what the proxies appended after it. From the
//! right, the proxies' own elements come first. For every list that follows the grammar, both directions find the
//! same elements: within a quoted string, an odd number of backslashes stands before each quote, and none before the
//! quote that opens it.
//!
//! One attack is left. A proxy may copy something of the request, such as the host, into a parameter without quoting
//! it. Then the proxy's element can end with a quote that closes the caller's quote. Both directions then find one
//! correct element that the caller made, with the proxy's element inside its quotes. Therefore an element is refused
//! if one pair of quotes holds a comma and a `for=` after it. No honest proxy writes that. A comma or a semicolon
//! alone may stand in a quoted string.

use std::borrow::Cow;
use std::net::IpAddr;

use super::{node, text};

/// The addresses that the elements of a line name, from the right. `None` for an element that is malformed, does not
/// have exactly one `for`, or hides the address or does not know it.
pub(super) fn addresses(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    let mut unread = Some(line);
    std::iter::from_fn(move || {
        let last = split_last(unread?);
        unread = last.and_then(|(left, _)| left);
        Some(last.and_then(|(_, element)| address(element)))
    })
}

/// The last element, and what is left of its comma, if there is a comma. `None` if a quote is never opened.
fn split_last(line: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let mut unread = line;
    loop {
        unread = match unread {
            [] => return Some((None, line)),
            [left @ .., b','] => return Some((Some(left), line.get(unread.len()..)?)),
            [content @ .., b'"'] => before_opening_quote(content)?,
            [left @ .., _] => left,
        };
    }
}

/// What is left of the quoted string that ends with this content.
fn before_opening_quote(mut content: &[u8]) -> Option<&[u8]> {
    loop {
        let quote = content.iter().rposition(|byte| *byte == b'"')?;
        content = content.get(..quote)?;
        let backslashes = content.iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some(content);
        }
    }
}

/// The address in an element: `[ forwarded-pair ] *( ";" [ forwarded-pair ] )`, without spaces around `;` and `=`.
fn address(element: &[u8]) -> Option<IpAddr> {
    let mut unread = element.trim_ascii();
    let mut found = None;
    loop {
        if !matches!(unread, [] | [b';', ..]) {
            let (name, after) = token(unread)?;
            let (value, after) = match after.strip_prefix(b"=")? {
                [b'"', after @ ..] => quoted_string(after)?,
                after => token(after)?,
            };
            if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
                return None;
            }
            unread = after;
        }
        unread = match unread {
            [] => break,
            [b';', after @ ..] => after,
            _ => return None,
        };
    }
    node(text(&unescaped(found?))?)
}

/// A token (RFC 9110, section 5.6.2), and what follows it.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let (token, after) = text.split_at_checked(text.iter().take_while(|byte| is_token(byte)).count())?;
    if token.is_empty() { None } else { Some((token, after)) }
}

/// The content of a quoted string (RFC 9110, section 5.6.4), still escaped, and what follows it. The caller has read
/// the first quote.
fn quoted_string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_text = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte) || byte >= 0x80;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let (content, after) = text.split_at_checked(at)?;
                return if holds_an_element(content) { None } else { Some((content, after.get(1..)?)) };
            }
            b'\\' if bytes.next().is_some_and(|(_, escaped)| is_text(*escaped)) => {}
            b'\\' => return None,
            byte if is_text(*byte) => {}
            _ => return None,
        }
    }
    None
}

/// Whether these quotes seem to hold a whole element after a comma: see the top of this file.
fn holds_an_element(content: &[u8]) -> bool {
    let comma = content.iter().position(|byte| *byte == b',');
    let tail = comma.and_then(|comma| content.get(comma..)).unwrap_or_default();
    tail.windows(4).any(|window| window.eq_ignore_ascii_case(b"for="))
}

/// A value without its backslashes. A token has none.
fn unescaped(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\\') {
        return Cow::Borrowed(value);
    }
    let mut bytes = value.iter();
    let unescaped = std::iter::from_fn(|| match bytes.next()? {
        b'\\' => bytes.next(),
        byte => Some(byte),
    });
    Cow::Owned(unescaped.copied().collect())
}
