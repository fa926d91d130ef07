use proptest::prelude::*;

use super::*;

mod entries;
mod names;
mod records;
mod rotation;
mod vectors;

const REALM: &str = "example.kinde.com";
const ASKED_AT: StoreTime = StoreTime { milliseconds: 1_764_482_400_000 };
const HEAD: Head = Head([7; 16]);
const ORIGIN: [u8; 16] = [9; 16];
const OLD: u8 = 1;
const NEW: u8 = 2;

/// A secret for each of these numbers.
fn secrets(numbers: &[u8]) -> SharedSecrets {
    let secret = |number: &u8| {
        (0..32_u8)
            .map(|index| format!("{:02x}", index.wrapping_mul(5).wrapping_add(*number)))
            .collect::<String>()
    };
    SharedSecrets::parse(&numbers.iter().map(secret).collect::<Vec<_>>().join(",")).unwrap()
}

fn sealer(numbers: &[u8]) -> Sealer {
    Sealer::new(&secrets(numbers), REALM).unwrap()
}

fn key(text: &str) -> PresentedKey {
    PresentedKey::parse(text).unwrap()
}

fn answer(verification: Verification) -> SharedAnswer {
    SharedAnswer { verification, asked_at: Instant::now(), expires_at: None, head: HEAD }
}

/// An entry for the key `k1`, and its name.
fn entry(sealer: &Sealer) -> (Name, Entry) {
    let name = sealer.entry_names(&key("k1")).first;
    let answer = answer(Verification::active("api_key_1").with_scopes(["read:users"]));
    (name, sealer.seal_entry(&name, ASKED_AT, &answer, &[]).unwrap())
}

fn with_sealed(sealed: &[u8]) -> Entry {
    Entry { asked_at: ASKED_AT, sealed: sealed.to_vec() }
}

/// Everything that may have been done to sealed bytes in one place.
fn changed(sealed: &[u8]) -> Vec<Vec<u8>> {
    let flipped = (0..sealed.len() * 8).map(|bit| {
        let mut bytes = sealed.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    });
    let shortened = (0..sealed.len()).flat_map(|length| {
        [sealed[..length].to_vec(), sealed[sealed.len() - length..].to_vec(), {
            let mut bytes = sealed.to_vec();
            bytes.remove(length);
            bytes
        }]
    });
    let lengthened = [[&[0], sealed].concat(), [sealed, &[0]].concat(), [sealed, sealed].concat()];
    flipped.chain(shortened).chain(lengthened).filter(|bytes| bytes != sealed).collect()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{0,20}", ".{0,12}", Just("\u{0}\"\\\u{7f}\u{1f600}".to_owned())]
}

fn verification() -> impl Strategy<Value = Verification> {
    let identity = (text(), prop::collection::vec(text(), 0..6), text(), text());
    let rest = (
        prop::option::of(text()),
        prop::option::of(any::<u64>()),
        prop::option::of(text()),
        prop::option::of(text()),
    );
    (identity, rest).prop_map(|((key_id, scopes, organization, user), (last, count, code, message))| {
        let mut verification =
            Verification::active(key_id).with_scopes(scopes).with_organization(organization).with_user(user);
        if let Some(last) = last {
            verification = verification.with_last_verified_on(last);
        }
        if let Some(count) = count {
            verification = verification.with_verification_count(count);
        }
        if let Some(code) = code {
            verification = verification.with_code(code);
        }
        if let Some(message) = message {
            verification = verification.with_message(message);
        }
        verification
    })
}

fn purge() -> impl Strategy<Value = Option<Purge>> {
    prop_oneof![
        Just(None),
        Just(Some(Purge::Everything)),
        (any::<[u8; 16]>()).prop_map(|bytes| Some(Purge::Key(Fingerprint::of_bytes(bytes)))),
        text().prop_map(|name| Some(Purge::KeyId(name.into()))),
        text().prop_map(|name| Some(Purge::User(name.into()))),
        text().prop_map(|name| Some(Purge::Organization(name.into()))),
    ]
}

/// Whether any 6 bytes of the text stand in the bytes.
fn shows(bytes: &[u8], text: &str) -> bool {
    text.as_bytes().windows(6).any(|part| bytes.windows(6).any(|window| window == part))
}
