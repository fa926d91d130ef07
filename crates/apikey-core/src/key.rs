//! The presented secret, and the keyed fingerprint that stands for it in the engine.

use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher24};
use zeroize::Zeroizing;

use crate::config_error::ConfigError;

/// The longest key that is accepted, in bytes. Kinde's sample keys have 23 to 43 bytes.
pub const LONGEST_KEY: usize = 512;

/// An API key as the caller presented it: `token68` (RFC 9110, section 11.2), 1 to 512 bytes.
///
/// It is overwritten with zeros when it is dropped. Nothing prints it: `Debug` shows no part of it, and there is no
/// `Display`. Only a [`Verifier`](crate::Verifier) should need [`expose`](Self::expose).
///
/// ```
/// use apikey_core::PresentedKey;
///
/// let key = PresentedKey::parse("k_live_1234567890abcdef")?;
/// assert_eq!(format!("{key:?}"), "PresentedKey(..)");
/// assert!(PresentedKey::parse("two words").is_err());
/// # Ok::<(), apikey_core::MalformedKey>(())
/// ```
pub struct PresentedKey(Zeroizing<String>);

impl PresentedKey {
    /// Takes a key that did not come with a request, for example from a queue or a batch.
    ///
    /// # Errors
    /// [`MalformedKey`], if the text is not `token68` of 1 to 512 bytes.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        if is_key(text.as_bytes()) { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(MalformedKey) }
    }

    /// The secret itself, for the call that verifies it. Don't store or print it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PresentedKey(..)")
    }
}

/// The text can't be an API key: it is not `token68`, is empty, or is longer than 512 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key: expected 1 to 512 characters of A-Z a-z 0-9 - . _ ~ + /, then perhaps =")]
#[non_exhaustive]
pub struct MalformedKey;

/// A key found in a request. It borrows from the request if it can, so that a cache hit allocates nothing.
pub(crate) enum Credential<'a> {
    /// It is well-formed, and so ASCII.
    Borrowed(&'a [u8]),
    Decoded(Zeroizing<String>),
}

impl<'a> Credential<'a> {
    /// Borrows the bytes. `None` if they are not a well-formed key.
    pub(crate) fn borrowed(bytes: &'a [u8]) -> Option<Self> {
        is_key(bytes).then_some(Self::Borrowed(bytes))
    }

    /// Copies bytes that a decoder made. `None` if they are not a well-formed key. The decoder must overwrite its own
    /// copy.
    pub(crate) fn decoded(bytes: &[u8]) -> Option<Self> {
        // Every byte of a key is ASCII.
        let text = || Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
        is_key(bytes).then(|| Self::Decoded(text()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Decoded(text) => text.as_bytes(),
        }
    }

    pub(crate) fn into_presented_key(self) -> PresentedKey {
        PresentedKey(match self {
            // Every byte of a key is ASCII.
            Self::Borrowed(bytes) => Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()),
            Self::Decoded(text) => text,
        })
    }
}

impl From<PresentedKey> for Credential<'_> {
    fn from(key: PresentedKey) -> Self {
        Self::Decoded(key.0)
    }
}

/// `token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`, 1 to 512 bytes.
fn is_key(bytes: &[u8]) -> bool {
    let mut body = bytes;
    while let [rest @ .., b'='] = body {
        body = rest;
    }
    // It always reads to the end, because a malformed key is rare and a loop without an early return is faster.
    let is_token68 = body.iter().fold(true, |all, byte| all & is_token68(*byte));
    is_token68 && !body.is_empty() && bytes.len() <= LONGEST_KEY
}

/// Looks the byte up in a table, because comparisons take three times as long.
fn is_token68(byte: u8) -> bool {
    static TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let (mut byte, mut rest): (u8, &mut [bool]) = (0, &mut table);
        while let [allowed, later @ ..] = rest {
            *allowed =
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
            (byte, rest) = (byte.wrapping_add(1), later);
        }
        table
    };
    TABLE.get(usize::from(byte)).is_some_and(|allowed| *allowed)
}

/// Stands for a key wherever one is kept: 128 bits of SipHash-2-4 under a random key of this authenticator,
/// or of its fleet.
///
/// It has two halves, because a `u128` must be aligned to 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fingerprint([u64; 2]);

impl Fingerprint {
    /// Of no key. For an answer that is in no cache.
    pub(crate) const NONE: Self = Self([0; 2]);

    pub(crate) fn of_halves(lower: u64, upper: u64) -> Self {
        Self([lower, upper])
    }

    #[cfg(feature = "fleet")]
    pub(crate) fn of_bytes(bytes: [u8; 16]) -> Self {
        // The cast drops the upper half.
        let both = u128::from_le_bytes(bytes);
        Self([both as u64, (both >> 64) as u64])
    }

    #[cfg(feature = "fleet")]
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let both = u128::from(self.lower()) | u128::from(self.upper()) << 64;
        both.to_le_bytes()
    }

    pub(crate) fn lower(self) -> u64 {
        self.0[0]
    }

    pub(crate) fn upper(self) -> u64 {
        self.0[1]
    }
}

impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// Uses the bits of a fingerprint, or of its lower half, as its hash. They are uniform already, and no caller can choose them.
pub(crate) type FingerprintHashing = BuildHasherDefault<FingerprintHasher>;

#[derive(Default)]
pub(crate) struct FingerprintHasher(u64);

impl Hasher for FingerprintHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Computes fingerprints. Each authenticator has its own, so the fingerprints of two authenticators never match, unless
/// they belong to one fleet.
pub(crate) struct Fingerprinter(SipHasher24);

impl Fingerprinter {
    pub(crate) fn random() -> Result<Self, ConfigError> {
        let mut seed = Zeroizing::new([0_u8; 16]);
        getrandom::fill(seed.as_mut_slice()).map_err(|error| {
            ConfigError::new("random numbers", format!("the operating system returned none: {error}"))
        })?;
        Ok(Self::with_key(&seed))
    }

    pub(crate) fn with_key(key: &[u8; 16]) -> Self {
        Self(SipHasher24::new_with_key(key))
    }

    pub(crate) fn fingerprint(&self, key: &[u8]) -> Fingerprint {
        let mut hasher = self.0;
        hasher.write(key);
        Fingerprint(hasher.finish128().as_u64().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_token68_of_1_to_512_bytes_is_a_key(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let allowed = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
            let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
            let body = &bytes[..bytes.len() - padding];
            let expected = !body.is_empty() && bytes.len() <= 512 && body.iter().all(|byte| allowed.contains(byte));
            prop_assert_eq!(is_key(&bytes), expected);
        }

        #[test]
        fn well_formed_keys_are_taken_as_they_are(key in "[A-Za-z0-9._~+/-]{1,509}={0,3}") {
            let presented = PresentedKey::parse(&key).unwrap();
            prop_assert_eq!(presented.expose(), key);
        }

        #[test]
        fn different_keys_have_different_fingerprints(one in "[a-z0-9]{1,40}", other in "[a-z0-9]{1,40}") {
            let fingerprinter = Fingerprinter::random().unwrap();
            let same = fingerprinter.fingerprint(one.as_bytes()) == fingerprinter.fingerprint(other.as_bytes());
            prop_assert_eq!(same, one == other);
        }
    }

    proptest! {
        #[test]
        fn a_fingerprint_hashes_to_its_own_bits(lower: u64, upper: u64) {
            use std::hash::BuildHasher as _;
            let hash = FingerprintHashing::default().hash_one(Fingerprint([lower, upper]));
            prop_assert_eq!(hash, lower);
        }

        #[test]
        fn the_bits_for_jitter_are_none_that_tables_hash_by(upper: u64, lower: u64) {
            let fingerprint = Fingerprint([lower, upper]);
            prop_assert_eq!((fingerprint.lower(), fingerprint.upper()), (lower, upper));
        }
    }

    #[test]
    fn two_authenticators_never_share_a_fingerprint() {
        let (one, other) = (Fingerprinter::random().unwrap(), Fingerprinter::random().unwrap());
        assert!(one.fingerprint(b"k_live_1") != other.fingerprint(b"k_live_1"));
    }
}
