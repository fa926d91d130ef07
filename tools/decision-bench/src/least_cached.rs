//! The least that any guard with a cache pays: one hash of the key, one look-up, and the id that it finds. It checks
//! nothing else.
//!
//! The hash is that of the core: SipHash-2-4 with 128 bits under a random key. Nobody can choose keys that collide, so
//! the hash stands for the key. The map keeps no secrets, compares no texts, and hashes nothing again.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

/// The least that any guard with a cache pays.
#[derive(Clone)]
pub struct LeastCached(Arc<Shared>);

struct Shared {
    hasher: SipHasher24,
    ids: papaya::HashMap<u128, Arc<str>, BuildHasherDefault<OwnBits>>,
}

impl LeastCached {
    /// Knows these keys, each with its id.
    ///
    /// # Errors
    ///
    /// If the system returns no random numbers, in words.
    pub fn knowing(keys: impl Iterator<Item = (String, String)>) -> Result<Self, String> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
        let hasher = SipHasher24::new_with_key(&seed);
        let ids = papaya::HashMap::with_hasher(BuildHasherDefault::default());
        for (key, id) in keys {
            ids.pin().insert(hash(hasher, key.as_bytes()), id.into());
        }
        Ok(Self(Arc::new(Shared { hasher, ids })))
    }

    /// The id of the key in this `Authorization` header, if the key is known.
    #[must_use]
    pub fn key_id(&self, authorization: &[u8]) -> Option<Arc<str>> {
        let key = authorization.strip_prefix(b"Bearer ")?;
        self.0.ids.pin().get(&hash(self.0.hasher, key)).cloned()
    }
}

fn hash(mut hasher: SipHasher24, key: &[u8]) -> u128 {
    hasher.write(key);
    hasher.finish128().as_u128()
}

/// Uses the lower half of a hash as the map's hash of it.
#[derive(Default)]
struct OwnBits(u64);

impl Hasher for OwnBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_key_has_its_own_id_and_others_have_none() {
        let known = |number: u64| (format!("k_{number}"), format!("id_{number}"));
        let guard = LeastCached::knowing((0..10_000).map(known)).unwrap();
        let key_id = |header: &str| guard.key_id(header.as_bytes());
        for (key, id) in (0..10_000).map(known) {
            assert_eq!(key_id(&format!("Bearer {key}")).as_deref(), Some(&*id));
        }
        for header in ["Bearer k_10000", "k_1", "Bearer "] {
            assert_eq!(key_id(header), None, "{header}");
        }
    }
}
