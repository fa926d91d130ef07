//! Webhooks: events that the business signs, and the public keys to verify them with.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};

/// Keys for tests alone. Everybody can read them here. They are fixed, because ring can't make RSA keys.
static TEST_KEYS: LazyLock<[KeyPair; 2]> = LazyLock::new(|| {
    [include_str!("test_key_1.pem"), include_str!("test_key_2.pem")]
        .map(|pem| KeyPair::from_pem(pem).expect("a test key is an RSA key"))
});

/// The signing key of a business. Each rotation gives it another name.
#[derive(Debug, Default)]
pub(crate) struct SigningKey {
    rotations: usize,
    events: u64,
}

impl SigningKey {
    pub(crate) fn rotate(&mut self) {
        self.rotations += 1;
    }

    /// The name, in the style of Kinde's.
    pub(crate) fn name(&self) -> String {
        format!("em:ul:at:or:{:02x}", self.rotations)
    }

    fn pair(&self) -> &'static KeyPair {
        &TEST_KEYS[self.rotations % TEST_KEYS.len()]
    }

    /// The key set (JWKS) with the public key.
    pub(crate) fn key_set(&self) -> Value {
        let (modulus, exponent) = numbers(self.pair().der_bytes());
        let [n, e] = [modulus, exponent].map(|number| URL_SAFE_NO_PAD.encode(number));
        json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.name(), "n": n, "e": e}]})
    }

    /// The body of a webhook about something that happened now.
    pub(crate) fn event(&mut self, event_type: &str, data: &Value) -> String {
        self.events += 1;
        let now = Timestamp::now().to_string();
        let header = json!({"alg": "RS256", "kid": self.name(), "typ": "JWT"});
        let payload = json!({
            "data": data,
            "event_id": format!("event_emulator_{}", self.events),
            "event_timestamp": now,
            "source": "admin",
            "timestamp": now,
            "type": event_type,
        });
        self.token(&header, payload.to_string().as_bytes())
    }

    /// A token with any header and any payload, signed with RS256.
    pub(crate) fn token(&self, header: &Value, payload: &[u8]) -> String {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = self.pair().sign(signed.as_bytes()).expect("an RSA key signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The two numbers of a public key in DER (`RSAPublicKey`, RFC 8017), without the leading zeros.
fn numbers(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = element(der);
    let (modulus, rest) = element(sequence);
    let (exponent, _) = element(rest);
    (without_zeros(modulus), without_zeros(exponent))
}

fn without_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

/// Splits the content of the first element from what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, start) = match der[1] {
        short @ 0..=0x7f => (usize::from(short), 2),
        long => {
            let digits = usize::from(long & 0x7f);
            let length = der[2..2 + digits].iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            (length, 2 + digits)
        }
    };
    der[start..].split_at(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_test_keys_sign_with_every_provider() {
        let mut key = SigningKey::default();
        for _ in &*TEST_KEYS {
            assert_eq!(key.event("user.deleted", &json!({})).split('.').nth(2).unwrap().len(), 342);
            key.rotate();
        }
    }
}
