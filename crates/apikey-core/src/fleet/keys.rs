//! What is derived from one secret, and what the derived keys do.

use zeroize::Zeroizing;

use super::provider::{aead, hkdf, hmac};

/// Says which secret sealed a message.
pub(super) type SecretId = [u8; 4];
/// Random, and new for each message.
pub(super) type Salt = [u8; 24];
/// What sealing adds to a message.
pub(super) const TAG_BYTES: usize = 16;

const SALT_OF_SECRETS: &[u8] = b"apikey fleet 1";

/// The provider refused. It does so only if it is told to make more than it can.
#[derive(Debug)]
pub(super) struct Refused;

/// The keys that one secret stands for. Each has one use.
pub(super) struct Keys {
    pub(super) id: SecretId,
    pub(super) fingerprints: Zeroizing<[u8; 16]>,
    names: hmac::Key,
    messages: hkdf::Prk,
}

impl Keys {
    pub(super) fn of(secret: &[u8]) -> Result<Self, Refused> {
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT_OF_SECRETS).extract(secret);
        let names: Zeroizing<[u8; 32]> = derived(&secret, b"names")?;
        let messages: Zeroizing<[u8; 32]> = derived(&secret, b"messages")?;
        Ok(Self {
            id: *derived(&secret, b"id")?,
            fingerprints: derived(&secret, b"fingerprints")?,
            names: hmac::Key::new(hmac::HMAC_SHA256, names.as_slice()),
            messages: hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, messages.as_slice()),
        })
    }

    /// A name that nobody can compute or recognize without the secret.
    pub(super) fn name(&self, parts: &[&[u8]]) -> [u8; 16] {
        first_16(hmac::sign(&self.names, &joined(parts)).as_ref())
    }

    /// Seals the message in place, bound to `context`, and returns the tag.
    ///
    /// Each message has a key of its own, from 192 random bits. So the nonce may be zero, and the number of messages has no
    /// practical limit.
    pub(super) fn seal(
        &self,
        salt: &Salt,
        context: &[&[u8]],
        message: &mut [u8],
    ) -> Result<aead::Tag, Refused> {
        let context = aead::Aad::from(joined(context));
        self.key(salt)?.seal_in_place_separate_tag(nonce(), context, message).map_err(|_| Refused)
    }

    /// Opens the message, which ends with its tag, in place. `None` if it or its context is not what was sealed.
    pub(super) fn open<'a>(&self, salt: &Salt, context: &[&[u8]], message: &'a mut [u8]) -> Option<&'a [u8]> {
        let context = aead::Aad::from(joined(context));
        self.key(salt).ok()?.open_in_place(nonce(), context, message).ok().map(|opened| &*opened)
    }

    fn key(&self, salt: &Salt) -> Result<aead::LessSafeKey, Refused> {
        let info = [salt.as_slice()];
        let key = self.messages.expand(&info, &aead::AES_256_GCM).map_err(|_| Refused)?;
        Ok(aead::LessSafeKey::new(key.into()))
    }
}

fn nonce() -> aead::Nonce {
    aead::Nonce::assume_unique_for_key([0; aead::NONCE_LEN])
}

fn derived<const N: usize>(secret: &hkdf::Prk, label: &[u8]) -> Result<Zeroizing<[u8; N]>, Refused> {
    struct Bytes(usize);
    impl hkdf::KeyType for Bytes {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut key = Zeroizing::new([0; N]);
    let filled = secret.expand(&[label], Bytes(N)).and_then(|bytes| bytes.fill(key.as_mut_slice()));
    filled.map(|()| key).map_err(|_| Refused)
}

/// The parts, each after its length. So different parts never make the same bytes.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| 8 + part.len()).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

pub(super) fn first_16(bytes: &[u8]) -> [u8; 16] {
    let mut first = [0; 16];
    first.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    first
}
