use super::*;

proptest! {
    #[test]
    fn any_answer_opens_as_it_was_sealed(
        verification in verification(),
        milliseconds: u64,
        head: [u8; 16],
        expires_in in prop::option::of((0..1_u64 << 40, 0..1_000_000_000_u32)),
        checked in prop::collection::vec(text(), 0..3),
    ) {
        let (sealer, asked_at) = (sealer(&[OLD]), Instant::now());
        let name = sealer.entry_names(&key("k1")).first;
        let expires_in = expires_in.map(|(seconds, nanoseconds)| Duration::new(seconds, nanoseconds));
        let expires_at = expires_in.map(|span| asked_at + span);
        let answer = SharedAnswer { verification, asked_at, expires_at, head: Head(head) };
        let checked: Vec<&str> = checked.iter().map(String::as_str).collect();
        let entry = sealer.seal_entry(&name, StoreTime { milliseconds }, &answer, &checked).unwrap();
        prop_assert_eq!(entry.asked_at.milliseconds, milliseconds);
        let opened = sealer.open_entry(&name, &entry, &checked).unwrap();
        prop_assert_eq!(opened.head, answer.head);
        prop_assert_eq!(opened.verification(), &answer.verification);
        // Elsewhere the question has another moment.
        let there = asked_at + Duration::from_secs(60);
        let judgement = opened.into_judgement(there);
        prop_assert_eq!(judgement.asked_at(), Some(there));
        prop_assert_eq!(judgement.expires_at().is_some(), expires_in.is_some());
        if let Some((end, span)) = judgement.expires_at().zip(expires_in) {
            let lost = span.checked_sub(end - there).expect("the key must not live longer there");
            prop_assert!(lost < Duration::from_millis(1));
        }
    }

    #[test]
    fn parts_of_two_entries_make_no_entry(from in 0..200_usize, length in 1..200_usize) {
        let sealer = sealer(&[OLD]);
        let ((name, one), (_, other)) = (entry(&sealer), entry(&sealer));
        let end = (from + length).min(one.sealed.len());
        prop_assume!(from < end);
        let mut mixed = one.sealed.clone();
        mixed[from..end].copy_from_slice(&other.sealed[from..end]);
        let is_one = mixed == one.sealed || mixed == other.sealed;
        prop_assert_eq!(sealer.open_entry(&name, &with_sealed(&mixed), &[]).is_some(), is_one);
    }

    #[test]
    fn arbitrary_bytes_are_a_miss(bytes in prop::collection::vec(any::<u8>(), 0..300), is_headed: bool) {
        let sealer = sealer(&[OLD, NEW]);
        let (name, entry) = entry(&sealer);
        let header = if is_headed { &entry.sealed[..45] } else { &[] };
        let bytes = [header, &bytes].concat();
        prop_assert!(sealer.open_entry(&name, &with_sealed(&bytes), &[]).is_none());
    }

    #[test]
    fn lengths_of_entries_tell_64_bytes_at_most(verification in verification()) {
        let sealer = sealer(&[OLD]);
        let name = sealer.entry_names(&key("k1")).first;
        let length = sealer.seal_entry(&name, ASKED_AT, &answer(verification), &[]).unwrap().sealed.len();
        prop_assert_eq!((length - 1 - 4 - 16 - 24 - TAG_BYTES) % 64, 0);
    }

    #[test]
    fn sealed_bytes_show_no_part_of_an_answer(
        secret in "k_live_[a-z0-9]{16}",
        key_id in "api_key_[a-z0-9]{8}",
        scope in "read:[a-z]{8}",
        owner in "(org|kp)_[a-z0-9]{12}",
    ) {
        let sealer = sealer(&[OLD]);
        let name = sealer.entry_names(&key(&secret)).first;
        let verification = Verification::active(key_id.as_str())
            .with_scopes([scope.as_str()])
            .with_user(owner.as_str())
            .with_organization(owner.as_str());
        let entry = sealer.seal_entry(&name, ASKED_AT, &answer(verification), &["api"]).unwrap();
        for text in [&secret, &key_id, &scope, &owner, REALM, "key_id", "scopes"] {
            prop_assert!(!shows(&entry.sealed, text) && !shows(&name.0, text));
        }
    }
}

#[test]
fn a_changed_entry_is_a_miss() {
    let sealer = sealer(&[OLD, NEW]);
    let (name, entry) = entry(&sealer);
    assert!(sealer.open_entry(&name, &entry, &[]).is_some());
    for bytes in changed(&entry.sealed) {
        assert!(sealer.open_entry(&name, &with_sealed(&bytes), &[]).is_none(), "{bytes:?}");
    }
}

#[test]
fn an_entry_opens_in_its_own_place_alone() {
    let sealer = sealer(&[OLD]);
    let (name, entry) = entry(&sealer);
    let elsewhere = |milliseconds| Entry { asked_at: StoreTime { milliseconds }, ..entry.clone() };
    for milliseconds in [ASKED_AT.milliseconds - 1, ASKED_AT.milliseconds + 1, 0, u64::MAX] {
        assert!(sealer.open_entry(&name, &elsewhere(milliseconds), &[]).is_none(), "another moment");
    }
    let of_another_key = sealer.entry_names(&key("k2")).first;
    assert!(sealer.open_entry(&of_another_key, &entry, &[]).is_none(), "another name");
    let staging = Sealer::new(&secrets(&[OLD]), "staging.kinde.com").unwrap();
    assert!(staging.open_entry(&name, &entry, &[]).is_none(), "another realm");
    assert!(super::sealer(&[NEW]).open_entry(&name, &entry, &[]).is_none(), "another secret");
}

#[test]
fn a_record_is_no_entry_and_an_entry_no_record() {
    let sealer = sealer(&[OLD]);
    let (name, entry) = entry(&sealer);
    assert_eq!(sealer.open_record(name.0, &entry.sealed).problem, Some(DOES_NOT_OPEN));
    let record = sealer.seal_record(name.0, None).unwrap();
    assert!(sealer.open_entry(&name, &with_sealed(&record), &[]).is_none());
    // Not even if everything else that they are bound to is the same.
    let bound: [&[u8]; 2] = [&name.0, &ASKED_AT.milliseconds.to_be_bytes()];
    let message = br#"{"key_id":"k","purge":"nothing"}"#;
    let sealed = |kind| sealer.seal_padded(kind, &bound, &HEAD.0, message).unwrap();
    assert!(sealer.open_entry(&name, &with_sealed(&sealed(ENTRY)), &[]).is_some());
    assert!(sealer.open_entry(&name, &with_sealed(&sealed(RECORD)), &[]).is_none());
}

#[test]
fn an_entry_of_another_version_is_a_miss() {
    let sealer = sealer(&[OLD]);
    let name = sealer.entry_names(&key("k1")).first;
    let opens = |version: u8| {
        let (salt, mut message) = ([3; 24], *br#"{"key_id":"k"}"#);
        let header = [&[version][..], &sealer.first.id, &HEAD.0, &salt].concat();
        let context: [&[u8]; 5] =
            [ENTRY, REALM.as_bytes(), &header, &name.0, &ASKED_AT.milliseconds.to_be_bytes()];
        let tag = sealer.first.seal(&salt, &context, &mut message).unwrap();
        let sealed = [&header, &message[..], tag.as_ref()].concat();
        sealer.open_entry(&name, &with_sealed(&sealed), &[]).is_some()
    };
    assert!(opens(VERSION) && !opens(VERSION + 1) && !opens(0));
}

#[test]
fn no_two_seals_of_one_answer_are_alike() {
    let sealer = sealer(&[OLD]);
    let ((_, one), (_, other)) = (entry(&sealer), entry(&sealer));
    // Version, secret and head.
    assert_eq!(one.sealed[..21], other.sealed[..21]);
    let equal = one.sealed[21..].iter().zip(&other.sealed[21..]).filter(|(one, other)| one == other).count();
    assert!(equal < 16, "{equal} bytes are equal");
}

#[test]
fn an_entry_without_a_needed_check_is_a_miss() {
    let sealer = sealer(&[OLD]);
    let name = sealer.entry_names(&key("k1")).first;
    let seal = |checked: &[&str]| {
        sealer.seal_entry(&name, ASKED_AT, &answer(Verification::active("api_key_1")), checked).unwrap()
    };
    let opens =
        |checked: &[&str], needed: &[&str]| sealer.open_entry(&name, &seal(checked), needed).is_some();
    assert!(opens(&[], &[]) && opens(&["api:a"], &[]) && opens(&["api:a"], &["api:a"]));
    assert!(opens(&["api:a", "later"], &["later"]) && opens(&["a", "b"], &["b", "a"]));
    assert!(!opens(&[], &["api:a"]) && !opens(&["api:b"], &["api:a"]) && !opens(&["a"], &["a", "b"]));
    assert!(!opens(&["api"], &["api:a"]) && !opens(&["api:a"], &["api"]) && !opens(&["a"], &[""]));
}

#[test]
fn unknown_members_are_ignored_and_missing_ones_default() {
    let sealer = sealer(&[OLD]);
    let name = sealer.entry_names(&key("k1")).first;
    let open = |message: &str, needed: &[&str]| {
        let entry = sealer.seal_entry_of(&name, ASKED_AT, HEAD, message.as_bytes()).unwrap();
        sealer.open_entry(&name, &entry, needed)
    };
    let least = open(r#"{"key_id":"k"}"#, &[]).unwrap();
    assert_eq!(*least.verification(), Verification::active("k"));
    assert_eq!(least.into_judgement(Instant::now()).expires_at(), None);
    assert!(open(r#"{"key_id":"k"}"#, &["api"]).is_none(), "nothing is stated");
    let more = open(r#"{"later":[{"a":null}],"key_id":"k","scopes":["s"],"z":1.5e3}  "#, &[]).unwrap();
    assert_eq!(*more.verification(), Verification::active("k").with_scopes(["s"]));
    let unreadable = [
        "",
        "{}",
        "[]",
        r#"["k"]"#,
        "null",
        r#"{"key_id":null}"#,
        r#"{"key_id":"k","key_id":"j"}"#,
        r#"{"key_id":"k","scopes":"s"}"#,
        r#"{"key_id":"k","expires_in":-1}"#,
        r#"{"key_id":"k"}}"#,
        "{\"key_id\":\"\u{7f}",
    ];
    for message in unreadable {
        assert!(open(message, &[]).is_none(), "{message}");
    }
    let entry = sealer.seal_entry_of(&name, ASKED_AT, HEAD, b"{\"key_id\":\"k\",\"z\":\"\xff\"}").unwrap();
    assert!(sealer.open_entry(&name, &entry, &[]).is_none(), "not UTF-8");
}

#[test]
fn a_key_that_lives_for_ever_does_so_everywhere() {
    let sealer = sealer(&[OLD]);
    let name = sealer.entry_names(&key("k1")).first;
    let message = format!(r#"{{"key_id":"k","expires_in":{}}}"#, u64::MAX);
    let entry = sealer.seal_entry_of(&name, ASKED_AT, HEAD, message.as_bytes()).unwrap();
    let judgement = sealer.open_entry(&name, &entry, &[]).unwrap().into_judgement(Instant::now());
    assert!(judgement.expires_at().is_none_or(|end| end > Instant::now() + Duration::from_secs(1 << 30)));
}

#[test]
fn an_answer_that_is_too_long_is_not_shared() {
    let sealer = sealer(&[OLD]);
    let name = sealer.entry_names(&key("k1")).first;
    let seal = |length: usize| {
        sealer.seal_entry(&name, ASKED_AT, &answer(Verification::active("x".repeat(length))), &[])
    };
    assert!(seal(65_000).is_some_and(|entry| sealer.open_entry(&name, &entry, &[]).is_some()));
    assert!(seal(65_536).is_none());
    let message = format!(r#"{{"key_id":"{}"}}"#, "x".repeat(65_536));
    let entry = sealer.seal_entry_of(&name, ASKED_AT, HEAD, message.as_bytes()).unwrap();
    assert!(sealer.open_entry(&name, &entry, &[]).is_none());
}
