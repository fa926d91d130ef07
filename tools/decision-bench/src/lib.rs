//! What is measured of the core: authenticators with many cached keys, and the whole decision about one request.

mod least_cached;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apikey_core::{
    Authenticator, Decision, Denial, Judgement, Policy, PresentedKey, RequestHead, Verification, VerifiedKey,
    Verifier, VerifierError,
};
use async_trait::async_trait;

pub use least_cached::LeastCached;

/// Spreads numbers over all bits of an id.
const MIX: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// A secret that is as long as Kinde's.
#[must_use]
pub fn secret(number: u64) -> String {
    format!("k_live_{:032x}", (u128::from(number) + 7).wrapping_mul(MIX.rotate_left(29) | 1))
}

/// The header value that presents this key.
#[must_use]
pub fn bearer(number: u64) -> Vec<u8> {
    format!("Bearer {}", secret(number)).into_bytes()
}

/// An answer with everything that Kinde returns: two scopes, both owners, and the informational members.
#[must_use]
pub fn verification(number: u64) -> Verification {
    Verification::active(format!("api_key_{:032x}", u128::from(number).wrapping_mul(MIX)))
        .with_scopes(["read:users", "write:users"])
        .with_organization(format!("org_{number:011x}"))
        .with_user(format!("kp_{number:032x}"))
        .with_last_verified_on("2026-03-01T19:54:37.337802+00:00")
        .with_verification_count(12)
        .with_code("API_KEY_VERIFIED")
        .with_message("API key verified")
}

/// Accepts every key, each with its own key id.
#[derive(Default)]
struct Everyone(Arc<AtomicU64>);

#[async_trait]
impl Verifier for Everyone {
    async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
        Ok(Judgement::accepted(verification(self.0.fetch_add(1, Ordering::Relaxed))))
    }
}

/// An authenticator with this many cached keys, numbered from 0. One is verified after the other.
///
/// # Errors
///
/// If it cannot be built or filled, in words.
pub fn filled(keys: u64) -> Result<Authenticator, String> {
    filled_by(keys, 1)
}

/// The same, with this many keys verified at once. Under valgrind, each switch between threads takes long.
///
/// # Errors
///
/// As [`filled`].
pub fn filled_by(keys: u64, at_once: u64) -> Result<Authenticator, String> {
    let capacity = usize::try_from(keys).unwrap_or(usize::MAX).max(1_000);
    let authenticator = Authenticator::builder(Everyone::default())
        .cache_capacity(capacity)
        .cache_time_to_live(Duration::from_secs(24 * 60 * 60))
        .attempt_limit(None)
        .build()
        .map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        for first in (0..keys).step_by(at_once as usize) {
            let some = first..keys.min(first + at_once);
            let answers = authenticator.verify_many(some.map(secret)).await.into_iter();
            answers.collect::<Result<Vec<_>, _>>().map_err(|denial| denial.to_string())?;
        }
        Ok::<(), String>(())
    })?;
    Ok(authenticator)
}

/// This many of the keys in random order, the same in every run.
#[must_use]
pub fn random_order(keys: u64, length: usize) -> Vec<usize> {
    let mut state = 88_172_645_463_325_252_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % keys) as usize
        })
        .collect()
}

/// A request with only this `Authorization` header.
pub struct Request<'v>(pub &'v [u8]);

impl RequestHead for Request<'_> {
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        (name == "authorization").then_some(self.0).into_iter()
    }

    fn query(&self) -> Option<&str> {
        None
    }

    fn peer(&self) -> Option<IpAddr> {
        None
    }
}

/// The whole cached decision: extract, fingerprint, look up, check the deadline and the policy, and return the key.
/// `None`: the key is not cached.
#[must_use]
pub fn decide(
    authenticator: &Authenticator,
    policy: &Policy,
    authorization: &[u8],
) -> Option<Result<VerifiedKey, Denial>> {
    let request = Request(authorization);
    match authenticator.gate(policy).decide(authenticator.begin(&request), &request, |key| key) {
        Decision::Decided(decision) => Some(decision),
        Decision::Pending(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_a_hit() {
        let authenticator = filled(100).unwrap();
        assert_eq!(authenticator.cached_keys(), 100);
        let policy = Policy::all(["read:users"]);
        for number in 0..100 {
            let key = decide(&authenticator, &policy, &bearer(number)).unwrap().unwrap();
            assert!(key.is_from_cache());
            assert_eq!(key.key_id(), verification(number).key_id());
        }
    }
}
