use super::*;

/// The documented steps from one secret to another. Instances of two steps that follow each other run side by side.
const STEPS: [&[u8]; 4] = [&[OLD], &[OLD, NEW], &[NEW, OLD], &[NEW]];

/// What an instance finds about a key, if another one has shared an answer about `shared`.
fn found(
    author: &Sealer,
    reader: &Sealer,
    shared: &PresentedKey,
    asked: &PresentedKey,
) -> Option<OpenedEntry> {
    let place = author.entry_names(shared).first;
    let answer = answer(Verification::active(shared.expose()));
    let entry = author.seal_entry(&place, ASKED_AT, &answer, &[]).unwrap();
    let EntryNames { first, others } = reader.entry_names(asked);
    let name = [first].into_iter().chain(others).find(|name| *name == place)?;
    reader.open_entry(&name, &entry, &[])
}

fn removed(author: &Sealer, reader: &Sealer, key: &PresentedKey) -> Option<Purge> {
    let purge = Purge::Key(author.fingerprinter().fingerprint(key.expose().as_bytes()));
    let sealed = author.seal_record(ORIGIN, Some(&purge)).unwrap();
    reader.open_record(ORIGIN, &sealed).purge
}

/// What this instance must forget if the key is removed.
fn precisely(reader: &Sealer, key: &PresentedKey) -> Option<Purge> {
    Some(Purge::Key(reader.fingerprinter().fingerprint(key.expose().as_bytes())))
}

#[test]
fn a_rotation_in_steps_loses_no_answer_and_no_removal() {
    let (one, other) = (key("k1"), key("k2"));
    for (before, after) in STEPS.iter().zip(&STEPS[1..]) {
        let instances = [sealer(before), sealer(after)];
        for author in &instances {
            for reader in &instances {
                let opened = found(author, reader, &one, &one).expect("an answer");
                assert_eq!(opened.verification().key_id(), "k1");
                assert!(found(author, reader, &one, &other).is_none());
                let is_one_order = author.first.id == reader.first.id;
                let expected = if is_one_order { precisely(reader, &one) } else { Some(Purge::Everything) };
                assert_eq!(removed(author, reader, &one), expected);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_mix_of_secrets_makes_a_wrong_decision(
        author in Just(vec![1_u8, 2, 3, 4]).prop_shuffle(),
        reader in Just(vec![1_u8, 2, 3, 4]).prop_shuffle(),
        of_author in 1..=4_usize,
        of_reader in 1..=4_usize,
    ) {
        let (author, reader) = (sealer(&author[..of_author]), sealer(&reader[..of_reader]));
        let (one, other) = (key("k1"), key("k2"));
        let shares_the_seal = reader.keys().any(|keys| keys.id == author.first.id);
        let opened = found(&author, &reader, &one, &one);
        prop_assert_eq!(opened.is_some(), shares_the_seal);
        prop_assert!(opened.is_none_or(|opened| opened.verification().key_id() == "k1"));
        prop_assert!(found(&author, &reader, &one, &other).is_none());
        let purge = removed(&author, &reader, &one);
        let is_one_order = author.first.id == reader.first.id;
        prop_assert_eq!(purge == precisely(&reader, &one), is_one_order);
        prop_assert!(is_one_order || purge == Some(Purge::Everything));
    }

    #[test]
    fn the_order_of_the_secrets_does_not_matter_to_a_reader(purge in purge(), verification in verification()) {
        let (author, reader) = (sealer(&[1, 2, 3]), sealer(&[3, 1, 2]));
        let name = author.entry_names(&key("k1")).first;
        prop_assert!(reader.entry_names(&key("k1")).others.contains(&name));
        let entry = author.seal_entry(&name, ASKED_AT, &answer(verification.clone()), &[]).unwrap();
        let opened = reader.open_entry(&name, &entry, &[]).unwrap();
        prop_assert_eq!(opened.verification(), &verification);
        let opened = reader.open_record(ORIGIN, &author.seal_record(ORIGIN, purge.as_ref()).unwrap());
        match purge {
            Some(Purge::Key(_)) => prop_assert_eq!(opened.problem, Some(OTHER_SECRETS)),
            purge => prop_assert_eq!(opened, OpenedRecord { purge, problem: None }),
        }
    }
}

#[test]
fn a_retired_secret_opens_nothing() {
    let (author, reader) = (sealer(&[OLD]), sealer(&[NEW]));
    assert!(found(&author, &reader, &key("k1"), &key("k1")).is_none());
    assert_eq!(removed(&author, &reader, &key("k1")), Some(Purge::Everything));
}
