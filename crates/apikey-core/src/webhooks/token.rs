//! Reads the body of a webhook as a signed token (JWS compact serialisation, RFC 7515). It verifies nothing. Pure.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::kinde::json::{Member, object};

/// The longest header that is read, in characters. Kinde's has about 120.
const LONGEST_HEADER: usize = 4096;
/// The longest name of a key, in bytes. Kinde's has 47.
const LONGEST_KEY_NAME: usize = 256;

/// A token whose header says that it is signed with RS256.
#[derive(Debug)]
pub(crate) struct Token<'b> {
    /// The name of the key that it claims to be signed with.
    pub(super) key_name: Box<str>,
    /// What the signature covers.
    pub(super) signed: &'b [u8],
    pub(super) signature: Vec<u8>,
    payload: &'b str,
}

/// The members of the header that are read. It may hold a key, or a URL of one (`jwk`, `jku`, `x5c`, `x5u`). Nothing reads
/// those, because whoever made the token chose them.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Option<Member<'a>>,
    #[serde(borrow)]
    kid: Option<Member<'a>>,
    /// Names extensions that the receiver must understand. This one understands none.
    crit: Option<IgnoredAny>,
}

impl<'b> Token<'b> {
    /// `None` if the body is no such token. White space may stand around it.
    pub(crate) fn read(body: &'b [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body.trim_ascii()).ok()?;
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') || header.len() > LONGEST_HEADER {
            return None;
        }
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let header: Header<'_> = object(&header)?;
        // Each other algorithm is refused, whatever a key allows: `none` signs nothing, and with `HS256` the public key
        // would be the secret.
        if text_of(header.alg)? != "RS256" || header.crit.is_some() {
            return None;
        }
        let key_name = text_of(header.kid)?;
        if key_name.is_empty() || key_name.len() > LONGEST_KEY_NAME {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { key_name: key_name.into(), signed: signed.as_bytes(), signature, payload })
    }

    /// The decoded payload. Verify the signature first.
    pub(super) fn payload(&self) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(self.payload).ok()
    }
}

fn text_of(member: Option<Member<'_>>) -> Option<Cow<'_, str>> {
    member?.text()
}
