use super::*;
use crate::key::Fingerprinter;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Deed {
    /// The kind of purge, and the number of the key, id or owner that it names.
    Purge(usize, usize),
    Ask,
    /// One of the open questions ends.
    End(prop::sample::Index),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..9_usize, 0..3_usize).prop_map(|(kind, whose)| Deed::Purge(kind, whose)),
        2 => Just(Deed::Ask),
        1 => any::<prop::sample::Index>().prop_map(Deed::End),
    ]
}

fn purge(kind: usize, whose: usize, keys: &[Fingerprint]) -> Purge {
    match kind {
        0 => Purge::Everything,
        1 | 2 => Purge::Key(keys[whose]),
        3 | 4 => Purge::KeyId(format!("{whose}").into()),
        5 | 6 => Purge::User(format!("{whose}").into()),
        _ => Purge::Organization(format!("{whose}").into()),
    }
}

proptest! {
    /// Ids, users and organizations have the same names here, so that mistaking one for another would show.
    #[test]
    fn the_log_says_of_every_open_question_what_a_plain_list_says(deeds in prop::collection::vec(deed(), 0..60)) {
        let fingerprinter = Fingerprinter::random().unwrap();
        let keys: Vec<_> = (0..3_u8).map(|key| fingerprinter.fingerprint(&[key])).collect();
        let verifications: Vec<_> = (0..27)
            .map(|number| {
                let part = |divisor: usize| (number / divisor % 3).to_string();
                let key = Verification::active(part(1)).with_user(part(3));
                if number < 9 { key } else { key.with_organization(part(9)) }
            })
            .collect();
        let mut log = Purges::default();
        let mut list: Vec<(u64, Purge)> = Vec::new();
        let mut open: Vec<u64> = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Purge(kind, whose) => {
                    let purge = purge(kind, whose, &keys);
                    log.note(&purge, !open.is_empty());
                    list.push((log.now(), purge));
                }
                Deed::Ask => open.push(log.now()),
                Deed::End(which) if !open.is_empty() => {
                    open.remove(which.index(open.len()));
                    log.forget_before(open.iter().min().copied());
                }
                Deed::End(_) => {}
            }
            if open.is_empty() {
                prop_assert!(log.is_empty() && log.latest.is_empty());
            }
            prop_assert!(log.latest.len() <= log.len() && log.len() <= list.len());
            for asked in &open {
                let since = |is_such: &dyn Fn(&Purge) -> bool| {
                    list.iter().any(|(number, purge)| number > asked && is_such(purge))
                };
                for key in &keys {
                    let named = since(&|purge| matches!(purge, Purge::Everything) || *purge == Purge::Key(*key));
                    prop_assert_eq!(log.names(*asked, *key), named);
                    prop_assert_eq!(log.concerns(*asked, *key, None), since(&|purge| purge.matches(*key, None)));
                    for verification in verifications.iter().map(Some) {
                        let concerned = since(&|purge| purge.matches(*key, verification));
                        prop_assert_eq!(log.concerns(*asked, *key, verification), concerned);
                    }
                }
            }
        }
    }
}

fn note_ids(log: &mut Purges, ids: std::ops::Range<usize>) {
    for id in ids {
        log.note(&Purge::KeyId(format!("id{id}").into()), true);
    }
}

#[test]
fn past_a_million_purges_everything_counts_as_purged() {
    let (mut log, key) = (Purges::default(), Fingerprinter::random().unwrap().fingerprint(b"k1"));
    let verification = Verification::active("another");
    let is_concerned = |log: &Purges, asked| log.concerns(asked, key, Some(&verification));
    note_ids(&mut log, 0..MOST_NOTED);
    assert!(!is_concerned(&log, 0) && !log.names(0, key));
    assert!(log.concerns(0, key, None), "a refusal may be of any key");
    assert_eq!(log.len(), MOST_NOTED);
    note_ids(&mut log, 0..1);
    assert!(is_concerned(&log, 0) && log.names(0, key));
    assert!(log.is_empty(), "and nothing else need be known");
    let asked = log.now();
    note_ids(&mut log, 0..10);
    assert!(!is_concerned(&log, asked), "what was asked since heeds what is noted since");
    assert!(log.concerns(asked, key, Some(&Verification::active("id9"))));
}

#[test]
fn the_log_is_forgotten_in_parts_even_while_purges_keep_coming() {
    const NOTED: usize = 3 * MOST_FORGOTTEN;
    let mut log = Purges::default();
    note_ids(&mut log, 0..NOTED);
    let asked = log.now() - 1;
    log.forget_before(Some(asked));
    assert_eq!(log.len(), NOTED - MOST_FORGOTTEN);
    note_ids(&mut log, NOTED..NOTED + MOST_FORGOTTEN);
    assert_eq!(log.len(), MOST_FORGOTTEN + 1, "what the open question must heed");
    log.forget_before(None);
    assert_eq!((log.len(), log.latest.len()), (0, 0));
}
