//! Random identifiers and secrets that look like Kinde's.

const ALPHANUMERIC: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Text of this length over `0-9a-f`.
pub(crate) fn hexadecimal(length: usize) -> String {
    text(length, &ALPHANUMERIC[..16])
}

/// Text of this length over `0-9a-z`.
pub(crate) fn lower_alphanumeric(length: usize) -> String {
    text(length, &ALPHANUMERIC[..36])
}

/// Text of this length over `0-9a-zA-Z`.
pub(crate) fn alphanumeric(length: usize) -> String {
    text(length, ALPHANUMERIC)
}

fn text(length: usize, alphabet: &[u8]) -> String {
    // Drops bytes past the last whole multiple of the alphabet, so that every letter is equally likely.
    let usable = 256 / alphabet.len() * alphabet.len();
    let mut result = String::with_capacity(length);
    let mut pool = [0u8; 64];
    while result.len() < length {
        getrandom::fill(&mut pool).expect("the operating system provides random bytes");
        let letters = pool.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < usable);
        let missing = length - result.len();
        result.extend(letters.take(missing).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_the_length_and_the_alphabet_asked_for() {
        for length in [0, 1, 32, 51, 200] {
            let text = lower_alphanumeric(length);
            assert_eq!(text.len(), length);
            assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        }
        assert_ne!(alphanumeric(32), alphanumeric(32));
    }
}
