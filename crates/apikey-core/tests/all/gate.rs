//! The gate decides about requests without a key, about requests with a key, and about the policy.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use apikey_core::{
    Attempt, Authenticator, Decision, Denial, DenialBody, DenialCode, Judgement, PlainRequest, Policy,
    RequestHead, Verification, VerifiedKey,
};
use proptest::prelude::*;
use tokio::sync::Semaphore;

use crate::support::{Fake, Said, anyone, patient, told};

fn bearer(key: &str) -> PlainRequest {
    PlainRequest::new().with_header("authorization", format!("Bearer {key}"))
}

/// The gate's decisions about a request, on a route that requires a key and on one with an optional key.
async fn decisions(
    keys: &Authenticator,
    policy: &Policy,
    request: &PlainRequest,
) -> (Result<VerifiedKey, Denial>, Result<Option<VerifiedKey>, Denial>) {
    let gate = keys.gate(policy);
    let required = gate.decide(keys.begin(request), request, |key| key).wait().await;
    (required, gate.decide_optional(keys.begin(request), request, |key| key).wait().await)
}

#[tokio::test]
async fn only_a_route_with_an_optional_key_lets_nothing_pass() {
    let keys = patient(Fake::new(anyone).0).build().unwrap();
    let (required, optional) = decisions(&keys, &Policy::any_key(), &PlainRequest::new()).await;
    assert_eq!(required.unwrap_err().code(), DenialCode::MissingKey);
    assert_eq!(optional, Ok(None));
}

#[tokio::test]
async fn what_is_presented_must_pass_even_if_the_key_is_optional() {
    let keys = patient(Fake::new(anyone).0).build().unwrap();
    let (malformed, twice) = (bearer("two words"), bearer("a").with_header("authorization", "Bearer b"));
    for (policy, request, code) in [
        (Policy::any_key(), malformed, DenialCode::InvalidFormat),
        (Policy::any_key(), twice, DenialCode::MultipleKeys),
        (Policy::scope("admin"), bearer("k1"), DenialCode::InsufficientScope),
        (Policy::organization_key(), bearer("k1"), DenialCode::OrganizationKeyRequired),
    ] {
        // The first decision waits for the verifier. The second one comes from the cache.
        for _ in 0..2 {
            let (required, optional) = decisions(&keys, &policy, &request).await;
            assert_eq!(required.unwrap_err().code(), code);
            assert_eq!(optional.unwrap_err().code(), code);
        }
    }
}

#[tokio::test]
async fn a_denied_attempt_stays_denied() {
    let keys = patient(Fake::new(anyone).0).build().unwrap();
    let policy = Policy::any_key();
    let denied = || Attempt::denied(Denial::wiring_mistake("for this test"));
    let required = keys.gate(&policy).decide(denied(), &PlainRequest::new(), |key| key).wait().await;
    assert_eq!(required.unwrap_err().code(), DenialCode::InternalError);
    let optional = keys.gate(&policy).decide_optional(denied(), &PlainRequest::new(), |key| key).wait().await;
    assert_eq!(optional.unwrap_err().code(), DenialCode::InternalError);
}

/// Accepts every key after the test tells it to.
fn held() -> (impl Fn(String) -> Said + Send + Sync + 'static, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let verify = move |key: String| -> Said {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            gate.acquire().await.map(drop).expect("it is never closed");
            Ok(Judgement::accepted(Verification::active(key)))
        })
    };
    (verify, opened)
}

#[tokio::test]
async fn a_decision_that_is_dropped_cancels_no_other() {
    let (verify, opened) = held();
    let (verifier, calls) = Fake::new(verify);
    let keys = patient(verifier).build().unwrap();
    let policy = Policy::any_key();
    let decide = || keys.gate(&policy).decide(keys.begin(&bearer("k1")), &bearer("k1"), |key| key);
    let Decision::Pending(first) = decide() else { panic!("the gate is closed") };
    let second = tokio::spawn(decide().wait());
    drop(first);
    opened.add_permits(10);
    assert_eq!(told(&second.await.unwrap()), "k1");
    assert!(matches!(decide(), Decision::Decided(Ok(key)) if key.is_from_cache()));
    assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_pending_decision_keeps_the_policy_that_it_was_made_with() {
    let (verify, opened) = held();
    let keys = patient(Fake::new(verify).0).build().unwrap();
    let pending = {
        let policy = Policy::scope("admin");
        keys.gate(&policy).decide(keys.begin(&bearer("k1")), &bearer("k1"), |key| key)
    };
    opened.add_permits(10);
    assert_eq!(told(&pending.wait().await), "INSUFFICIENT_SCOPE");
}

/// A request that can't be shared between threads.
struct Private(Cell<u32>);

impl RequestHead for Private {
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.set(self.0.get() + 1);
        (name == "authorization").then_some(&b"Bearer k1"[..]).into_iter()
    }

    fn query(&self) -> Option<&str> {
        None
    }

    fn peer(&self) -> Option<IpAddr> {
        None
    }
}

#[tokio::test]
async fn a_future_is_send_even_if_its_request_is_not_sync() {
    let keys = patient(Fake::new(anyone).0).build().unwrap();
    let asked = {
        let request = Private(Cell::new(0));
        let asked = keys.authenticate(&request);
        assert!(request.0.get() > 0, "the attempt begins at once");
        asked
    };
    assert_eq!(told(&tokio::spawn(asked).await.unwrap()), "k1");
    let decision = {
        let policy = Policy::any_key();
        let request = Private(Cell::new(0));
        keys.gate(&policy).decide(keys.begin(&request), &request, |key| key)
    };
    assert_eq!(told(&tokio::spawn(decision.wait()).await.unwrap()), "k1");
}

/// The status and content type of the answer to a gRPC request: decided at once, and after a verification.
#[tokio::test]
async fn a_gate_answers_in_the_protocol_of_the_request() {
    let keys = patient(Fake::new(anyone).0).build().unwrap();
    let (any_key, admin) = (Policy::any_key(), Policy::scope("admin"));
    let grpc = |request: PlainRequest| request.with_header("content-type", "application/grpc");
    let mut denials = vec![keys.authenticate(&grpc(PlainRequest::new())).await.unwrap_err()];
    for policy in [&any_key, &admin, &admin] {
        let request = grpc(if *policy == any_key { PlainRequest::new() } else { bearer("k1") });
        denials.push(
            keys.gate(policy).decide(keys.begin(&request), &request, |key| key).wait().await.unwrap_err(),
        );
        let wired_wrong = Attempt::denied(Denial::wiring_mistake("for this test"));
        denials.push(
            keys.gate(policy).decide_optional(wired_wrong, &request, |key| key).wait().await.unwrap_err(),
        );
    }
    for denial in denials {
        let response = denial.response();
        assert_eq!(
            (response.status, response.headers[0].1.as_str()),
            (200, "application/grpc"),
            "{denial:?}"
        );
    }
}

/// Also a denial that the adapter made, and not the gate.
#[tokio::test]
async fn a_gate_lets_its_own_renderer_word_every_denial() {
    let keys = patient(Fake::new(anyone).0)
        .denial_renderer(|denial, _| DenialBody::new("text/plain", denial.code().as_str()))
        .build()
        .unwrap();
    let partners =
        keys.with_options().denial_renderer(|_, _| DenialBody::new("text/plain", "no")).build().unwrap();
    let (any_key, nothing) = (Policy::any_key(), PlainRequest::new());
    for (keys, missing, mistaken) in [(&keys, "MISSING_KEY", "INTERNAL_ERROR"), (&partners, "no", "no")] {
        let gate = keys.gate(&any_key);
        let denial = gate.decide(keys.begin(&nothing), &nothing, |key| key).wait().await.unwrap_err();
        assert_eq!(denial.response().body, missing.as_bytes());
        let wired_wrong = Attempt::denied(Denial::wiring_mistake("for this test"));
        let denial = gate.decide(wired_wrong, &nothing, |key| key).wait().await.unwrap_err();
        assert_eq!(denial.response().body, mistaken.as_bytes());
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    let leaf = prop_oneof![
        Just(Policy::any_key()),
        Just(Policy::organization_key()),
        Just(Policy::user_key()),
        Just(Policy::organization("org_1")),
        Just(Policy::fresh()),
        "[ab]".prop_map(Policy::scope),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let some = prop::collection::vec(inner, 0..3);
        prop_oneof![some.clone().prop_map(Policy::all), some.prop_map(Policy::any)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_key_passes_if_and_only_if_it_satisfies_the_policy(
        policy in policy(),
        scopes in prop::collection::vec("[ab]", 0..3),
        has_organization in any::<bool>(),
        is_cached in any::<bool>(),
    ) {
        let mut verification = Verification::active("k1").with_scopes(scopes);
        if has_organization {
            verification = verification.with_organization("org_1");
        }
        let expected = policy.is_satisfied_by(&verification);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (required, optional) = runtime.block_on(async {
            let verify = move |_| -> Said {
                let judgement = Judgement::accepted(verification.clone());
                Box::pin(async move { Ok(judgement) })
            };
            let keys = patient(Fake::new(verify).0)
                .verification_runtime(tokio::runtime::Handle::current())
                .build()
                .unwrap();
            if is_cached {
                keys.authenticate(&bearer("k1")).await.unwrap();
            }
            decisions(&keys, &policy, &bearer("k1")).await
        });
        prop_assert_eq!(required.is_ok(), expected);
        prop_assert_eq!(optional.map(|key| key.is_some()).unwrap_or_default(), expected);
        if let Err(denial) = required {
            prop_assert_eq!(denial.status(), 403);
        }
    }
}
