//! The least that any guard with a cache pays: one hash of the key, one look-up, and the id that it finds. It checks
//! nothing else.
//!
//! The hash is that of the core: SipHash-2-4 with 128 bits under a random key. Nobody can choose keys that collide, so
//! the hash stands for the key. The map keeps no secrets, compares no texts, and hashes nothing again.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::keys;

#[derive(Clone)]
pub(super) struct LeastCached(Arc<Shared>);

struct Shared {
    hasher: SipHasher24,
    ids: papaya::HashMap<u128, Arc<str>, BuildHasherDefault<OwnBits>>,
}

impl LeastCached {
    /// Knows this many good keys.
    pub(super) fn seeded(count: u64) -> Result<Self, String> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
        let hasher = SipHasher24::new_with_key(&seed);
        let ids = papaya::HashMap::with_hasher(BuildHasherDefault::default());
        for key in (0..count).map(keys::good) {
            ids.pin().insert(hash(hasher, key.as_bytes()), keys::id(&key).into());
        }
        Ok(Self(Arc::new(Shared { hasher, ids })))
    }

    /// The id of the key in this `Authorization` header, if the key is known.
    pub(super) fn key_id(&self, authorization: &[u8]) -> Option<Arc<str>> {
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
        let guard = LeastCached::seeded(10_000).unwrap();
        let key_id = |header: &str| guard.key_id(header.as_bytes());
        for key in (0..10_000).map(keys::good) {
            assert_eq!(key_id(&format!("Bearer {key}")).as_deref(), Some(&*keys::id(&key)));
        }
        for header in [format!("Bearer {}", keys::good(10_000)), keys::good(1), "Bearer ".to_owned()] {
            assert_eq!(key_id(&header), None, "{header}");
        }
    }
}
