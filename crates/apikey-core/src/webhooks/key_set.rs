//! The public keys that Kinde signs webhooks with (JWKS, RFC 7517). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

use super::token::Token;

/// The shortest and the longest modulus, in bytes: 2048 and 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// The longest exponent, in bytes. It is 65537 nearly everywhere.
const LONGEST_EXPONENT: usize = 8;

/// The keys that may have signed a webhook.
#[derive(Debug)]
pub(crate) struct KeySet(Vec<PublicKey>);

#[derive(Debug)]
struct PublicKey {
    name: Box<str>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl KeySet {
    /// Reads a key set. A key that can't be used is left out, and hides no other. `None` if no key is left.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(body).ok()?;
        let keys = document.get("keys")?.as_array()?;
        let keys: Vec<PublicKey> = keys.iter().filter_map(PublicKey::read).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Whether there is a key with this name.
    pub(super) fn names(&self, key_name: &str) -> bool {
        self.0.iter().any(|key| &*key.name == key_name)
    }

    /// Whether a key with the name in the token made its signature.
    pub(crate) fn verifies(&self, token: &Token<'_>) -> bool {
        self.0.iter().filter(|key| key.name == token.key_name).any(|key| key.verifies(token))
    }
}

impl PublicKey {
    fn read(key: &Value) -> Option<Self> {
        let text = |name| key.get(name).and_then(Value::as_str);
        let allows = |name, needed: &str| match key.get(name) {
            None => true,
            Some(Value::Array(list)) => list.iter().any(|item| item == needed),
            Some(value) => value == needed,
        };
        let may_verify = text("kty") == Some("RSA")
            && allows("use", "sig")
            && allows("alg", "RS256")
            && allows("key_ops", "verify");
        if !may_verify {
            return None;
        }
        let number = |name| {
            let bytes = URL_SAFE_NO_PAD.decode(text(name)?).ok()?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            Some(bytes.into_iter().skip(zeros).collect::<Vec<u8>>())
        };
        let name = text("kid").filter(|name| !name.is_empty())?.into();
        let (modulus, exponent) = (number("n")?, number("e")?);
        let is_usable = MODULUS.contains(&modulus.len()) && (1..=LONGEST_EXPONENT).contains(&exponent.len());
        is_usable.then_some(Self { name, modulus, exponent })
    }

    fn verifies(&self, token: &Token<'_>) -> bool {
        let key = RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, token.signed, &token.signature).is_ok()
    }
}
