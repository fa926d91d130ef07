//! Names and sealed bytes that must stay what they are, because another release or another provider made them.
//!
//! `vectors.txt` was sealed with aws-lc-rs, with ring, and by a program in Python that shares no code with this crate.

use super::*;

const VECTORS: &str = include_str!("vectors.txt");

fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn vectors(kind: &str) -> Vec<Vec<u8>> {
    let lines = VECTORS.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    lines.filter(|words| words[1] == kind).map(|words| bytes(words[2])).collect()
}

fn presented() -> PresentedKey {
    key("k_live_1234567890abcdef")
}

#[test]
fn names_stay_what_they_are() {
    let sealer = sealer(&[OLD, NEW]);
    let names = sealer.entry_names(&presented());
    let is = |name: Name, digits: &str| name.0 == bytes(digits)[..];
    assert!(is(names.first, "254df0a9fa6826aa22b0df3482d4d7e6"));
    assert!(is(names.others[0], "778a921c2fc271c1f8e07fa93d9eb11c"));
    assert!(is(sealer.log_name(), "3eb709778b9c18610a58db99fddc727c"));
    let fingerprint = sealer.fingerprinter().fingerprint(presented().expose().as_bytes());
    assert_eq!(fingerprint.to_bytes()[..], bytes("e977255259f6e95efa1232d032dc4d4c"));
    let client = Client::of_address("2001:db8:1:2::3".parse().unwrap(), 56);
    let limit = AttemptLimit::new(100, Duration::from_secs(900));
    assert!(is(sealer.window_name(client, &limit, "route"), "735d78fa7f7f3789034e529b1e723ce4"));
}

#[test]
fn entries_of_every_provider_open() {
    let sealer = sealer(&[OLD, NEW]);
    let name = sealer.entry_names(&presented()).first;
    let expected = Verification::active("api_key_1")
        .with_scopes(["read:users"])
        .with_organization("org_1")
        .with_user("kp_1")
        .with_last_verified_on("2026-11-30T06:00:00Z")
        .with_verification_count(3)
        .with_code("API_KEY_VERIFIED")
        .with_message("ok");
    let entries = vectors("entry");
    assert_eq!(entries.len(), 3);
    for sealed in entries {
        let opened = sealer.open_entry(&name, &with_sealed(&sealed), &["api"]).unwrap();
        assert_eq!((opened.head, opened.verification()), (HEAD, &expected));
        let asked_at = Instant::now();
        let ends = opened.into_judgement(asked_at).expires_at().unwrap();
        assert_eq!(ends - asked_at, Duration::from_millis(1_500));
    }
}

#[test]
fn records_of_every_provider_open() {
    let records = vectors("record");
    assert_eq!(records.len(), 3);
    for sealed in records {
        for reader in [sealer(&[OLD, NEW]), sealer(&[NEW, OLD]), sealer(&[OLD])] {
            let fingerprint = reader.fingerprinter().fingerprint(presented().expose().as_bytes());
            let expected = OpenedRecord { purge: Some(Purge::Key(fingerprint)), problem: None };
            assert_eq!(reader.open_record(ORIGIN, &sealed), expected);
        }
    }
}
