use std::time::{Duration, Instant};

use serde_json::Value;

use super::answers::{member, members, text};
use crate::engine::Purge;
use crate::fleet::seal::Sealer;
use crate::fleet::{Entry, Name, SharedSecrets, StoreTime};
use crate::key::PresentedKey;
use crate::peers::{Head, SharedAnswer};
use crate::verification::{Verdict, Verification};

const HEAD: Head = Head([7; 16]);
const ORIGIN: [u8; 16] = [9; 16];
const ASKED_AT: StoreTime = StoreTime { milliseconds: 1_764_482_400_000 };
const NEEDED: &[&str] = &["api"];

/// The members of a message.
type Message = [(String, Value)];

const ENTRY_MEMBERS: &[&str] = &[
    "key_id",
    "scopes",
    "organization",
    "user",
    "last_verified_on",
    "verification_count",
    "code",
    "message",
    "expires_in",
    "checked",
];
const RECORD_MEMBERS: &[&str] = &["purge", "name", "key"];

/// Checks what an instance believes of what it reads from a store. The input is taken five times:
///
/// - as an entry, and as a record of the log, from somebody without the secret,
/// - as what was done to a sealed entry and to a sealed record: each byte is combined with one of theirs, beginning with the
///   one that the first byte names,
/// - as the message of an entry, and as that of a record, from an instance of another release.
///
/// # Panics
/// If a promise is broken.
pub fn fleet(input: &[u8]) {
    let sealer = Sealer::new(&secrets(), "example.kinde.com").expect("a sealer");
    let name = sealer.entry_names(&PresentedKey::parse("k_live_1").expect("a key")).first;
    forged(&sealer, &name, input);
    changed(&sealer, &name, input);
    message_of_an_entry(&sealer, &name, input);
    message_of_a_record(&sealer, input);
}

fn secrets() -> SharedSecrets {
    let secret = |number: u8| {
        (0..32_u8).map(|index| format!("{:02x}", index.wrapping_mul(5) ^ number)).collect::<String>()
    };
    SharedSecrets::parse(&format!("{},{}", secret(1), secret(2))).expect("two secrets")
}

fn forged(sealer: &Sealer, name: &Name, input: &[u8]) {
    let entry = Entry { asked_at: ASKED_AT, sealed: input.to_vec() };
    assert!(sealer.open_entry(name, &entry, &[]).is_none(), "a forged entry opens");
    removes_everything(sealer, input);
}

fn removes_everything(sealer: &Sealer, sealed: &[u8]) {
    let opened = sealer.open_record(ORIGIN, sealed);
    assert_eq!(opened.purge, Some(Purge::Everything), "a forged record opens");
    assert!(opened.problem.is_some(), "nobody is told of a forged record");
}

fn changed(sealer: &Sealer, name: &Name, input: &[u8]) {
    let (from, changes) = input.split_first().unwrap_or((&0, &[]));
    let change = |sealed: &[u8]| {
        let mut changed = sealed.to_vec();
        changed.iter_mut().skip(usize::from(*from)).zip(changes).for_each(|(byte, change)| *byte ^= change);
        changed
    };
    let verification = Verification::active("api_key_1").with_scopes(["read:users"]);
    let answer = SharedAnswer { verification, asked_at: Instant::now(), expires_at: None, head: HEAD };
    let entry = sealer.seal_entry(name, ASKED_AT, &answer, &[]).expect("an entry");
    let other = Entry { sealed: change(&entry.sealed), ..entry.clone() };
    let opened = sealer.open_entry(name, &other, &[]);
    assert_eq!(
        opened.is_some(),
        other.sealed == entry.sealed,
        "a changed entry opens, or a whole one does not"
    );
    let record = sealer.seal_record(ORIGIN, None).expect("a record");
    let other = change(&record);
    if other == record {
        assert_eq!(sealer.open_record(ORIGIN, &record).purge, None);
    } else {
        removes_everything(sealer, &other);
    }
}

fn message_of_an_entry(sealer: &Sealer, name: &Name, input: &[u8]) {
    let entry = sealer.seal_entry_of(name, ASKED_AT, HEAD, input).expect("an entry");
    let opened = sealer.open_entry(name, &entry, &[]);
    let needed = sealer.open_entry(name, &entry, NEEDED);
    let Some(opened) = opened else {
        assert!(needed.is_none(), "an entry opens only if more is needed of it");
        return;
    };
    assert_eq!(opened.head, HEAD);
    let message = members(input, ENTRY_MEMBERS).expect("an entry opens, but its message is no object");
    let is_checked = |check: &&str| texts(&message, "checked").iter().any(|stated| stated == check);
    assert_eq!(needed.is_some(), NEEDED.iter().all(is_checked), "a check is missing");
    let asked_at = Instant::now();
    let judgement = opened.into_judgement(asked_at);
    let expires_in = member(&message, "expires_in").and_then(Value::as_u64);
    let expected = expires_in.and_then(|span| asked_at.checked_add(Duration::from_millis(span)));
    assert_eq!((judgement.asked_at(), judgement.expires_at()), (Some(asked_at), expected));
    let Verdict::Accepted(verification) = judgement.verdict() else { panic!("an entry refuses a key") };
    same(verification, &message);
    // What it says must survive the next instance, too.
    let answer = SharedAnswer { verification: verification.clone(), asked_at, expires_at: None, head: HEAD };
    let entry = sealer.seal_entry(name, ASKED_AT, &answer, NEEDED).expect("an entry");
    let again = sealer.open_entry(name, &entry, NEEDED).expect("an entry that opens");
    assert_eq!(again.verification(), verification);
}

fn same(verification: &Verification, message: &Message) {
    let text = |name| text(message, name);
    let owner = |name| text(name).filter(|owner: &&str| !owner.is_empty());
    assert_eq!(Some(verification.key_id()), text("key_id"));
    assert!(verification.scopes().eq(texts(message, "scopes")), "the scopes differ");
    assert_eq!(verification.organization_code(), owner("organization"));
    assert_eq!(verification.user_id(), owner("user"));
    assert_eq!(verification.last_verified_on(), text("last_verified_on"));
    assert_eq!(
        verification.verification_count(),
        member(message, "verification_count").and_then(Value::as_u64)
    );
    assert_eq!((verification.code(), verification.message()), (text("code"), text("message")));
}

fn message_of_a_record(sealer: &Sealer, input: &[u8]) {
    let sealed = sealer.seal_record_of(ORIGIN, input).expect("a record");
    let opened = sealer.open_record(ORIGIN, &sealed);
    if opened.problem.is_some() {
        assert_eq!(
            opened.purge,
            Some(Purge::Everything),
            "a removal that is not understood removes too little"
        );
        return;
    }
    let message = members(input, RECORD_MEMBERS).expect("a record opens, but its message is no object");
    let expected = match (text(&message, "purge"), text(&message, "name")) {
        (Some("nothing"), _) => None,
        (Some("everything"), _) => Some(Purge::Everything),
        (Some("key_id"), Some(id)) => Some(Purge::KeyId(id.into())),
        (Some("user"), Some(id)) => Some(Purge::User(id.into())),
        (Some("organization"), Some(code)) => Some(Purge::Organization(code.into())),
        (Some("key"), _) => {
            assert!(matches!(opened.purge, Some(Purge::Key(_))));
            return;
        }
        _ => panic!("a removal is understood without a known kind, or without its name"),
    };
    assert_eq!(opened.purge, expected);
}

/// The texts in a list.
fn texts<'a>(message: &'a Message, name: &str) -> Vec<&'a str> {
    let items = member(message, name).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).collect()
}
