//! Base64 that never leaves half a secret in memory.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// A variant of base64.
pub(super) struct Base64 {
    engine: GeneralPurpose,
    /// Reads a text that was cut off.
    lenient: GeneralPurpose,
    /// The two characters that are neither letters nor digits.
    specials: [u8; 2],
}

const STRICT: GeneralPurposeConfig = GeneralPurposeConfig::new();
const LENIENT: GeneralPurposeConfig =
    STRICT.with_decode_padding_mode(DecodePaddingMode::RequireNone).with_decode_allow_trailing_bits(true);

impl Base64 {
    /// With or without padding, because clients differ.
    pub(super) const STANDARD: Self = Self {
        engine: GeneralPurpose::new(
            &STANDARD,
            STRICT.with_decode_padding_mode(DecodePaddingMode::Indifferent),
        ),
        lenient: GeneralPurpose::new(&STANDARD, LENIENT),
        specials: *b"+/",
    };

    /// Base64url without padding (RFC 4648, section 5).
    pub(super) const URL_WITHOUT_PADDING: Self = Self {
        engine: GeneralPurpose::new(
            &URL_SAFE,
            STRICT.with_decode_padding_mode(DecodePaddingMode::RequireNone),
        ),
        lenient: GeneralPurpose::new(&URL_SAFE, LENIENT),
        specials: *b"-_",
    };

    /// `None` if the text is malformed or not canonical.
    pub(super) fn decode(&self, encoded: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        decode(encoded, &self.engine)
    }

    /// Decodes as much of the text as is well-formed.
    pub(super) fn decode_beginning(&self, encoded: &[u8]) -> Zeroizing<Vec<u8>> {
        let is_good = |byte: &&u8| byte.is_ascii_alphanumeric() || self.specials.contains(byte);
        let good = encoded.iter().take_while(is_good).count();
        // One character alone holds no whole byte.
        let whole = if good % 4 == 1 { good - 1 } else { good };
        encoded.get(..whole).and_then(|encoded| decode(encoded, &self.lenient)).unwrap_or_default()
    }
}

fn decode(encoded: &[u8], engine: &GeneralPurpose) -> Option<Zeroizing<Vec<u8>>> {
    // Enough capacity for all of it: a buffer that grows would leave half a secret behind.
    let mut text = Zeroizing::new(vec![0; encoded.len()]);
    let length = engine.decode_slice(encoded, text.as_mut_slice()).ok()?;
    text.truncate(length);
    Some(text)
}
