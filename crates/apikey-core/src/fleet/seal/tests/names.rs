use std::collections::HashSet;
use std::net::Ipv4Addr;

use super::*;

fn client(number: u32) -> Client {
    Client::of_address(Ipv4Addr::from_bits(number).into(), 56)
}

const LIMIT: AttemptLimit = AttemptLimit::new(100, Duration::from_secs(900));

proptest! {
    #[test]
    fn every_instance_finds_the_same_names(secret in "[a-z0-9]{1,40}", number: u32, label in text()) {
        let (one, other) = (sealer(&[OLD]), sealer(&[OLD]));
        prop_assert!(one.entry_names(&key(&secret)).first == other.entry_names(&key(&secret)).first);
        let name = |sealer: &Sealer| sealer.window_name(client(number), &LIMIT, &label);
        prop_assert!(name(&one) == name(&other));
        prop_assert!(one.log_name() == other.log_name());
    }

    #[test]
    fn different_keys_have_different_names(one in "[a-z0-9]{1,40}", other in "[a-z0-9]{1,40}") {
        let sealer = sealer(&[OLD]);
        let name = |text: &str| sealer.entry_names(&key(text)).first;
        prop_assert_eq!(name(&one) == name(&other), one == other);
    }

    #[test]
    fn limits_share_a_window_only_if_all_is_equal(
        one in (0..2_u32, 0..2_u32, 0..2_u64, any::<bool>(), "[ab]{0,2}"),
        other in (0..2_u32, 0..2_u32, 0..2_u64, any::<bool>(), "[ab]{0,2}"),
    ) {
        let sealer = sealer(&[OLD]);
        let name = |(number, attempts, seconds, counts_all, label): &(u32, u32, u64, bool, String)| {
            let limit = AttemptLimit::new(*attempts, Duration::from_secs(*seconds));
            let limit = if *counts_all { limit.count_all_attempts() } else { limit };
            sealer.window_name(client(*number), &limit, label)
        };
        prop_assert_eq!(name(&one) == name(&other), one == other);
    }
}

#[test]
fn names_differ_by_realm_by_kind_and_by_secret() {
    let mut names = HashSet::new();
    for realm in [REALM, "staging.kinde.com", ""] {
        for secret in [OLD, NEW] {
            let sealer = Sealer::new(&secrets(&[secret]), realm).unwrap();
            assert!(names.insert(sealer.entry_names(&key("unix")).first));
            assert!(names.insert(sealer.window_name(Client::UNIX_SOCKET, &LIMIT, "")));
            assert!(names.insert(sealer.window_name(Client::UNIX_SOCKET, &LIMIT, "other")));
        }
        assert!(names.insert(Sealer::new(&secrets(&[OLD]), realm).unwrap().log_name()));
    }
}

#[test]
fn the_name_of_the_log_depends_on_no_secret() {
    let name = |numbers: &[u8]| sealer(numbers).log_name();
    assert!(name(&[OLD]) == name(&[NEW]) && name(&[OLD]) == name(&[NEW, OLD]));
}

#[test]
fn a_fingerprint_means_the_same_with_the_same_first_secret() {
    let fingerprint = |numbers: &[u8]| sealer(numbers).fingerprinter().fingerprint(b"k1");
    assert_eq!(fingerprint(&[OLD]), fingerprint(&[OLD, NEW]));
    assert_ne!(fingerprint(&[OLD]), fingerprint(&[NEW, OLD]));
}
