use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that can be told from each other by `seed`.
fn bytes(seed: u8, length: u8) -> Vec<u8> {
    (0..length).map(|index| index.wrapping_mul(7).wrapping_add(seed)).collect()
}

fn problem(text: &str) -> String {
    SharedSecrets::parse(text).unwrap_err().to_string()
}

proptest! {
    #[test]
    fn a_secret_is_read_from_base64_and_digits(secret in prop::collection::vec(any::<u8>(), 32..80)) {
        prop_assume!(different_values(&secret) >= LEAST_VALUES);
        let texts = [
            digits(&secret),
            digits(&secret).to_uppercase(),
            STANDARD.encode(&secret),
            STANDARD_NO_PAD.encode(&secret),
            URL_SAFE.encode(&secret),
            URL_SAFE_NO_PAD.encode(&secret),
        ];
        for text in texts {
            let secrets = SharedSecrets::parse(&format!(" {text} \n")).unwrap();
            prop_assert_eq!(secrets.iter().collect::<Vec<_>>(), [&secret[..]]);
        }
    }

    #[test]
    fn no_text_makes_a_secret_of_less_than_32_bytes(text in "[A-Za-z0-9+/_=,-]{0,90}") {
        if let Ok(secrets) = SharedSecrets::parse(&text) {
            prop_assert!(secrets.iter().all(|secret| secret.len() >= 32));
        }
    }
}

#[test]
fn a_list_keeps_its_order() {
    let list = [bytes(1, 32), bytes(2, 48)];
    let secrets =
        SharedSecrets::parse(&format!("{}, {}", digits(&list[0]), STANDARD.encode(&list[1]))).unwrap();
    assert_eq!(secrets.iter().collect::<Vec<_>>(), list);
}

#[test]
fn weak_secrets_are_refused_with_what_to_do() {
    let good = digits(&bytes(1, 32));
    let weak = [
        ("", "no secret is set"),
        (" ", "no secret is set"),
        ("changeme", "secret 1 is shorter than 32 bytes"),
        // As base64, these digits would be 33 bytes.
        (&digits(&bytes(1, 22)), "secret 1 is shorter than 32 bytes"),
        (&digits(&bytes(1, 31)), "secret 1 is shorter than 32 bytes"),
        (&good[1..], "secret 1 is neither base64 nor hexadecimal digits"),
        ("${APIKEY_SHARED_SECRET}", "secret 1 is neither base64 nor hexadecimal digits"),
        (&"0".repeat(64), "secret 1 is not random"),
        (&"0123456789abcdef".repeat(4), "secret 1 is not random"),
        (&"changeme".repeat(6), "secret 1 is not random"),
        (&format!("{good},"), "secret 2 of the list is empty"),
        (&format!("{good},{}", good.to_uppercase()), "secret 2 is in the list already"),
        (&(1..=5).map(|seed| digits(&bytes(seed, 32))).collect::<Vec<_>>().join(","), "more than 4 secrets"),
    ];
    for (text, expected) in weak {
        let told = problem(text);
        assert!(told.starts_with(&format!("APIKEY_SHARED_SECRET: {expected}")), "{text}: {told}");
        assert!(told.contains("`openssl rand -base64 32`"), "{told}");
    }
}

#[test]
fn neither_errors_nor_debug_show_a_secret() {
    let secret = digits(&bytes(3, 32));
    for text in [format!("{secret},{secret}"), format!("{secret},!"), secret[..62].to_owned()] {
        let error = SharedSecrets::parse(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&secret[..8]));
    }
    assert_eq!(format!("{:?}", SharedSecrets::parse(&secret).unwrap()), "SharedSecrets(..)");
}

#[test]
fn the_variable_is_read_and_missed_by_its_name() {
    let secret = digits(&bytes(4, 32));
    let secrets = SharedSecrets::from_variables(|name| (name == "APIKEY_SHARED_SECRET").then_some(&secret));
    assert_eq!(secrets.unwrap().iter().collect::<Vec<_>>(), [bytes(4, 32)]);
    for absent in [None, Some("")] {
        let error = SharedSecrets::from_variables(|_| absent).unwrap_err();
        assert_eq!(error.setting(), "APIKEY_SHARED_SECRET");
    }
}
