//! A key among the protocols that the client of a WebSocket offers, because a browser lets a page set no other header:
//! `Sec-WebSocket-Protocol: apikey, base64url.apikey.<key in base64url without padding>`.

use super::accepted::Accepted;
use super::encoding::Base64;
use super::header::without_whitespace;
use super::{Found, Malformed};
use crate::key::{Credential, LONGEST_KEY};

/// The header, in lower case.
pub(super) const HEADER: &str = "sec-websocket-protocol";

/// The protocol that the reply names. The client must offer it, because a reply that repeated the key's member would
/// repeat the key.
const PROTOCOL: &[u8] = b"apikey";

/// What the member with the key begins with.
const MARK: &[u8] = b"base64url.apikey.";

/// The most characters that stand for a key.
const LONGEST_ENCODED: usize = (LONGEST_KEY * 4).div_ceil(3);

/// What the list presents. All lines of the header are one list (RFC 6455, section 11.3.4).
pub(super) fn find<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    accepted: &Accepted,
) -> Result<Found<'a>, Malformed> {
    let (mut encoded, mut can_be_answered) = (None, false);
    for member in members(lines) {
        can_be_answered |= member == PROTOCOL;
        if let Some(key) = member.strip_prefix(MARK) {
            if encoded.replace(key).is_some() {
                return Err(Malformed::SeveralKeys);
            }
        }
    }
    let Some(encoded) = encoded else { return Ok(Found::Nothing) };
    let key = if can_be_answered { decoded(encoded) } else { None };
    accepted.judge(key, || Base64::URL_WITHOUT_PADDING.decode_beginning(encoded))
}

fn decoded(encoded: &[u8]) -> Option<Credential<'static>> {
    if encoded.len() > LONGEST_ENCODED {
        return None;
    }
    Credential::decoded(&Base64::URL_WITHOUT_PADDING.decode(encoded)?)
}

fn members<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    lines.flat_map(|line| line.split(|byte| *byte == b',')).map(without_whitespace)
}

/// The list without the members that present keys. `None` if there are no such members.
pub(super) fn without_keys<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let (keys, others): (Vec<_>, Vec<_>) = members(lines).partition(|member| member.starts_with(MARK));
    let others: Vec<_> = others.into_iter().filter(|member| !member.is_empty()).collect();
    (!keys.is_empty()).then(|| others.join(b", ".as_slice()))
}
