//! Reads `Forwarded` (RFC 7239, section 4) from the right.
//!
//! Read from the left, a caller's unclosed quote would swallow what the proxies appended after it. From the right, what
//! they wrote comes first, and for every list that keeps to the grammar both directions find the same elements: within a
//! quoted string each quote has an odd number of backslashes before it, and the one that opens it has none.
//!
//! One attack is left: a proxy that copies something of the request into a parameter without quoting it, such as the
//! host, may end its element with a quote that closes the caller's. Both directions then see one flawless element of the
//! caller's making, with the proxy's in quotes. Therefore an element with a comma and a later `for=` within one pair of
//! quotes is refused; nothing honest looks like that. A comma or semicolon alone is a quoted string's good right.

use std::borrow::Cow;
use std::net::IpAddr;

use super::{node, text};

/// What the elements of a line name, from the right: an address, or `None` for one that is malformed, has not exactly
/// one `for`, or hides or doesn't know the address.
pub(super) fn addresses(line: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    let mut unread = Some(line);
    std::iter::from_fn(move || {
        let last = split_last(unread?);
        unread = last.and_then(|(left, _)| left);
        Some(last.and_then(|(_, element)| address(element)))
    })
}

/// The last element, and what stands left of its comma, if there is one. `None`: a quote is never opened.
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

/// What stands left of the quoted string that ends with this content.
fn before_opening_quote(mut content: &[u8]) -> Option<&[u8]> {
    loop {
        let quote = content.iter().rposition(|byte| *byte == b'"')?;
        content = content.get(..quote)?;
        let backslashes = content.iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes.is_multiple_of(2) {
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

/// What stands in a quoted string (RFC 9110, section 5.6.4) whose first quote has been read, still escaped, and what
/// follows it.
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

/// Whether a whole element, from its comma on, seems to have got into these quotes; see the top of this file.
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
