//! Runs one case many times. Callgrind counts the instructions within [`counted`].

use std::hint::black_box;

use apikey_core::{Authenticator, Denial, Policy, VerifiedKey};
use decision_bench::{bearer, decide, filled};

/// The number of cached keys, which take turns. Each run has other fingerprints, and over this many of them the cost
/// of a look-up evens out to one percent.
const KEYS: u64 = 10_000;

pub(crate) fn run(case: &str, times: &str) -> Result<(), String> {
    let times: usize = times.parse().map_err(|_| format!("'{times}' is not a number"))?;
    let (policy, good) = match case {
        "hit" => (Policy::all(["read:users"]), true),
        "hit_with_a_nested_policy" => {
            (Policy::organization_key().and(Policy::any(["admin", "write:users"])), true)
        }
        "malformed" => (Policy::any_key(), false),
        unknown => return Err(format!("there is no case '{unknown}'")),
    };
    let authenticator = filled(KEYS)?;
    let malformed = case == "malformed";
    let values: Vec<Vec<u8>> = (0..KEYS)
        .map(|number| if malformed { b"Bearer two words".to_vec() } else { bearer(number) })
        .collect();
    let wrong = counted(&authenticator, &policy, &values, times, good);
    wrong.map_or(Ok(()), |wrong| Err(format!("{case} measured something else: {wrong:?}")))
}

/// `cargo xtask instructions` names this function to callgrind. The first unexpected decision ends it.
#[inline(never)]
fn counted(
    authenticator: &Authenticator,
    policy: &Policy,
    values: &[Vec<u8>],
    times: usize,
    good: bool,
) -> Option<Option<Result<VerifiedKey, Denial>>> {
    for value in values.iter().cycle().take(times) {
        match decide(authenticator, policy, black_box(value)) {
            Some(Ok(key)) if good => drop(black_box(key)),
            Some(Err(denial)) if !good => drop(black_box(denial.response())),
            other => return Some(other),
        }
    }
    None
}
