use super::*;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn every_documented_spelling_of_a_time_is_read() {
    let seconds = |raw: &str| {
        let at = Verification::active("k").with_last_verified_on(raw).last_verified_at()?;
        at.duration_since(SystemTime::UNIX_EPOCH).ok()
    };
    let expected = Some(Duration::from_secs(1_731_897_123));
    for offset in ["+11", "+1100", "+11:00"] {
        assert_eq!(seconds(&format!("2024-11-18T13:32:03{offset}")), expected, "{offset}");
    }
    assert_eq!(seconds("2024-11-18T02:32:03Z"), expected);
    assert_eq!(seconds("2024-11-18T02:32:03.25Z"), expected.map(|at| at + Duration::from_millis(250)));
    assert_eq!(
        seconds("2026-03-01T19:54:37.337802+00:00"),
        Some(Duration::from_micros(1_772_394_877_337_802))
    );
}

#[test]
fn an_unreadable_time_is_kept_raw() {
    for raw in ["", "yesterday", "2024-11-18", "2024-11-18T13:32:03", "18/11/2024"] {
        let verification = Verification::active("k").with_last_verified_on(raw);
        assert_eq!(verification.last_verified_on(), Some(raw));
        assert_eq!(verification.last_verified_at(), None, "{raw}");
    }
}

proptest! {
    #[test]
    fn every_part_reads_as_it_was_set_in_any_order(
        key_id in ".{0,8}",
        parts in prop::collection::vec((0..7_usize, ".{0,8}"), 0..10),
        asked_for in ".{0,2}",
    ) {
        let mut verification = Verification::active(key_id.clone());
        let mut expected: [Option<String>; 5] = Default::default();
        let (mut count, mut scopes) = (None, Vec::new());
        for (part, text) in parts {
            verification = match part {
                0 => verification.with_organization(text.clone()),
                1 => verification.with_user(text.clone()),
                2 => verification.with_last_verified_on(text.clone()),
                3 => verification.with_code(text.clone()),
                4 => verification.with_message(text.clone()),
                5 => {
                    count = Some(text.len() as u64);
                    verification.with_verification_count(text.len() as u64)
                }
                _ => {
                    scopes = text.chars().map(String::from).collect();
                    verification.with_scopes(scopes.iter().map(String::as_str))
                }
            };
            if let Some(expected) = expected.get_mut(part) {
                *expected = Some(text).filter(|text| part > 1 || !text.is_empty());
            }
        }
        prop_assert_eq!(verification.key_id(), key_id);
        prop_assert_eq!(verification.status(), "active");
        prop_assert_eq!(verification.organization_code(), expected[0].as_deref());
        prop_assert_eq!(verification.user_id(), expected[1].as_deref());
        prop_assert_eq!(verification.last_verified_on(), expected[2].as_deref());
        prop_assert_eq!(verification.code(), expected[3].as_deref());
        prop_assert_eq!(verification.message(), expected[4].as_deref());
        prop_assert_eq!(verification.verification_count(), count);
        prop_assert!(verification.scopes().eq(&scopes));
        for scope in scopes.iter().chain([&asked_for]) {
            prop_assert_eq!(verification.has_scope(scope), scopes.contains(scope), "{}", scope);
        }
    }
}

#[test]
fn a_verification_serialises_by_the_guides_names() {
    let full = Verification::active("k").with_scopes(["a", "b"]).with_organization("o").with_user("u");
    let full = full.with_last_verified_on("then").with_verification_count(3);
    assert_eq!(
        serde_json::to_string(&full).unwrap(),
        r#"{"key_id":"k","status":"active","scopes":["a","b"],"org_code":"o","user_id":"u","last_verified_on":"then","verification_count":3}"#
    );
    assert_eq!(
        serde_json::to_string(&Verification::active("k")).unwrap(),
        r#"{"key_id":"k","status":"active","scopes":[],"org_code":null,"user_id":null,"last_verified_on":null,"verification_count":null}"#
    );
}

#[test]
fn an_empty_owner_is_an_absent_owner() {
    let verification = Verification::active("k").with_organization("").with_user("");
    assert_eq!((verification.organization_code(), verification.user_id()), (None, None));
}
