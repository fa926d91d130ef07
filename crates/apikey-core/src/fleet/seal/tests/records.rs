use super::*;

const EVERYTHING: Option<Purge> = Some(Purge::Everything);

fn clear(purge: Option<Purge>) -> OpenedRecord {
    OpenedRecord { purge, problem: None }
}

fn unclear(problem: &'static str) -> OpenedRecord {
    OpenedRecord { purge: EVERYTHING, problem: Some(problem) }
}

proptest! {
    #[test]
    fn any_removal_opens_as_it_was_sealed(purge in purge(), origin: [u8; 16]) {
        let sealed = sealer(&[OLD]).seal_record(origin, purge.as_ref()).unwrap();
        prop_assert_eq!(sealer(&[OLD]).open_record(origin, &sealed), clear(purge));
    }

    #[test]
    fn arbitrary_bytes_remove_everything(bytes in prop::collection::vec(any::<u8>(), 0..300), is_headed: bool) {
        let sealer = sealer(&[OLD, NEW]);
        let header = sealer.seal_record(ORIGIN, None).unwrap()[..29].to_vec();
        let bytes = [if is_headed { &header[..] } else { &[] }, &bytes].concat();
        prop_assert_eq!(sealer.open_record(ORIGIN, &bytes), unclear(DOES_NOT_OPEN));
    }

    #[test]
    fn sealed_records_show_no_part_of_a_name(name in "(api_key|org|kp)_[a-z0-9]{12}", secret in "k_live_[a-z0-9]{16}") {
        let sealer = sealer(&[OLD, NEW]);
        let purges = [Purge::KeyId(name.as_str().into()), Purge::User(name.as_str().into())];
        let records = purges.iter().map(|purge| sealer.seal_record(ORIGIN, Some(purge)));
        let of_key = Purge::Key(sealer.fingerprinter().fingerprint(secret.as_bytes()));
        for sealed in records.chain([sealer.seal_record(ORIGIN, Some(&of_key))]) {
            let sealed = sealed.unwrap();
            prop_assert!(![&name, &secret, REALM, "purge", "key_id"].iter().any(|text| shows(&sealed, text)));
        }
    }

    #[test]
    fn lengths_of_records_tell_64_bytes_at_most(purge in purge()) {
        let length = sealer(&[OLD]).seal_record(ORIGIN, purge.as_ref()).unwrap().len();
        prop_assert_eq!((length - 1 - 4 - 24 - TAG_BYTES) % 64, 0);
    }
}

#[test]
fn short_removals_of_every_kind_have_one_length() {
    let sealer = sealer(&[OLD]);
    let purges = [
        None,
        EVERYTHING,
        Some(Purge::Key(sealer.fingerprinter().fingerprint(b"k1"))),
        Some(Purge::KeyId("api_key_0123456789abcdef".into())),
        Some(Purge::User("kp_0123456789abcdef0123456789abcdef".into())),
        Some(Purge::Organization("org_0123456789a".into())),
    ];
    let lengths: Vec<_> =
        purges.iter().map(|purge| sealer.seal_record(ORIGIN, purge.as_ref()).unwrap().len()).collect();
    assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
}

#[test]
fn a_changed_record_removes_everything() {
    let sealer = sealer(&[OLD, NEW]);
    for purge in [None, Some(Purge::KeyId("api_key_1".into()))] {
        let sealed = sealer.seal_record(ORIGIN, purge.as_ref()).unwrap();
        assert_eq!(sealer.open_record(ORIGIN, &sealed), clear(purge));
        for bytes in changed(&sealed) {
            assert_eq!(sealer.open_record(ORIGIN, &bytes), unclear(DOES_NOT_OPEN), "{bytes:?}");
        }
    }
}

#[test]
fn a_record_in_another_place_removes_everything() {
    let sealer = sealer(&[OLD]);
    let sealed = sealer.seal_record(ORIGIN, None).unwrap();
    assert_eq!(sealer.open_record([8; 16], &sealed), unclear(DOES_NOT_OPEN), "another origin");
    let staging = Sealer::new(&secrets(&[OLD]), "staging.kinde.com").unwrap();
    assert_eq!(staging.open_record(ORIGIN, &sealed), unclear(DOES_NOT_OPEN), "another realm");
    assert_eq!(super::sealer(&[NEW]).open_record(ORIGIN, &sealed), unclear(DOES_NOT_OPEN), "another secret");
}

#[test]
fn a_removal_that_is_not_understood_removes_everything() {
    let sealer = sealer(&[OLD]);
    let open = |message: &str| {
        let sealed = sealer.seal_record_of(ORIGIN, message.as_bytes()).unwrap();
        sealer.open_record(ORIGIN, &sealed)
    };
    assert_eq!(open(r#"{"purge":"nothing","later":1}  "#), clear(None));
    assert_eq!(open(r#"{"name":"u","purge":"user","later":{}}"#), clear(Some(Purge::User("u".into()))));
    let id = sealer.first.id;
    let own = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, id);
    let not_understood = [
        "".to_owned(),
        "{}".to_owned(),
        r#"{"purge":"issuer","name":"i"}"#.to_owned(),
        r#"{"purge":"user"}"#.to_owned(),
        r#"{"purge":"user","name":null}"#.to_owned(),
        r#"{"purge":"nothing","purge":"nothing"}"#.to_owned(),
        format!(r#"{{"purge":"key","key":{{"{own}":"AAAA"}}}}"#),
        format!(r#"{{"purge":"key","key":{{"{own}":"{}"}}}}"#, "A".repeat(24)),
        format!(r#"{{"purge":"key","key":{{"{own}":1}}}}"#),
    ];
    for message in not_understood {
        assert_eq!(open(&message), unclear(NOT_UNDERSTOOD), "{message}");
    }
    assert_eq!(open(r#"{"purge":"key"}"#), unclear(OTHER_SECRETS));
}

#[test]
fn a_removal_whose_name_is_too_long_removes_everything() {
    let sealer = sealer(&[OLD]);
    let purge = Purge::User("u".repeat(9_000).into());
    let sealed = sealer.seal_record(ORIGIN, Some(&purge)).unwrap();
    assert!(sealed.len() <= LONGEST_RECORD);
    assert_eq!(sealer.open_record(ORIGIN, &sealed), clear(EVERYTHING));
    let message = format!(r#"{{"purge":"user","name":"{}"}}"#, "u".repeat(9_000));
    let sealed = sealer.seal_record_of(ORIGIN, message.as_bytes()).unwrap();
    assert_eq!(sealer.open_record(ORIGIN, &sealed), unclear(DOES_NOT_OPEN));
}
