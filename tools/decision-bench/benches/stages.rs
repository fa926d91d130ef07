//! The stages of a decision, each alone: `cargo bench --package decision-bench`.

use apikey_core::{Authenticator, Policy, PresentedKey};
use decision_bench::{Request, bearer, decide, filled, secret};
use divan::{Bencher, black_box};

const KEYS: [u64; 3] = [1, 10_000, 1_000_000];

fn main() {
    divan::main();
}

fn authenticator(keys: u64) -> Authenticator {
    filled(keys).expect("the authenticator is built and filled")
}

/// No key: only the look at the header is left.
#[divan::bench]
fn look_at_an_empty_header(bencher: Bencher) {
    let authenticator = authenticator(1);
    bencher.bench(|| authenticator.begin(black_box(&Request(b""))));
}

/// Whether a text has the form of a key.
#[divan::bench]
fn parse(bencher: Bencher) {
    let secret = secret(0);
    bencher.bench(|| PresentedKey::parse(black_box(&secret)));
}

/// Extraction, fingerprint, look-up, deadline, handle. The keys take turns.
#[divan::bench(args = KEYS)]
fn find(bencher: Bencher, keys: u64) {
    let authenticator = authenticator(keys);
    let values: Vec<Vec<u8>> = (0..keys).map(bearer).collect();
    let mut next = values.iter().cycle();
    bencher.bench_local(|| authenticator.begin(&Request(black_box(next.next().expect("it goes round")))));
}

/// The policy alone.
#[divan::bench(args = [1, 4, 16])]
fn authorize(bencher: Bencher, scopes: usize) {
    let authenticator = authenticator(1);
    let Some(Ok(key)) = decide(&authenticator, &Policy::any_key(), &bearer(0)) else { unreachable!("a hit") };
    let policy =
        Policy::any((1..scopes).map(|number| format!("scope:{number}")).chain(["read:users".to_owned()]));
    bencher.bench(|| authenticator.authorize(black_box(&key), black_box(&policy)));
}

/// The whole decision, on one thread and on two.
#[divan::bench(args = KEYS, threads = [1, 2])]
fn whole_decision(bencher: Bencher, keys: u64) {
    let authenticator = authenticator(keys);
    let (policy, value) = (Policy::all(["read:users"]), bearer(keys / 2));
    bencher.bench(|| decide(&authenticator, &policy, black_box(&value)));
}

/// A refusal with its answer.
#[divan::bench]
fn refuse_for_scopes(bencher: Bencher) {
    let (authenticator, policy, value) = (authenticator(1), Policy::all(["admin"]), bearer(0));
    bencher.bench(|| {
        decide(&authenticator, &policy, black_box(&value)).map(|denied| denied.map_err(|d| d.response()))
    });
}
