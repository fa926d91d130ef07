//! A cached decision allocates nothing.

use std::time::Duration;

use allocation_counter::measure;
use apikey_core::{
    Authenticator, CredentialSource, Decision, PlainRequest, Policy, TypedPolicy as _, Verification, scopes,
};
use apikey_testkit::FakeVerifier;
use tokio::runtime::{Builder, Runtime};

scopes! { ReadUsers = "read:users"; Admin = "admin"; }

const KEY: &str = "k_live_1234567890abcdef";

/// Verifications run on the caller's runtime, so none still holds its answer when the caller has it. An answer that
/// something else holds for long is copied.
fn authenticator(runtime: &Runtime) -> Authenticator {
    let key = Verification::active("api_key_1").with_scopes(["read:users"]).with_organization("org_acme");
    let sources = [
        CredentialSource::bearer(),
        CredentialSource::header("Authorization"),
        CredentialSource::header("X-Api-Key"),
        CredentialSource::header_with_scheme("X-Forwarded-Authorization", "Bearer"),
    ];
    Authenticator::builder(FakeVerifier::new().with_key(KEY, key))
        .credential_sources(sources)
        .verification_runtime(runtime.handle().clone())
        .build()
        .unwrap()
}

/// How many allocations a whole decision makes: extract, look up, check the policy, drop the key.
fn allocations(authenticator: &Authenticator, request: &PlainRequest, policy: &Policy) -> u64 {
    let counted = measure(|| {
        match authenticator.gate(policy).decide(authenticator.begin(request), request, |key| key) {
            Decision::Decided(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    });
    counted.count_total
}

#[test]
fn a_cached_decision_allocates_nothing() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let authenticator = authenticator(&runtime);
    let bearer = PlainRequest::new().with_header("Authorization", format!("Bearer {KEY}"));
    let header = PlainRequest::new().with_header("X-Api-Key", KEY);
    let bare = PlainRequest::new().with_header("Authorization", KEY);
    let forwarded = PlainRequest::new()
        .with_header("X-Forwarded-Authorization", format!("Bearer {KEY}"))
        .with_header("Authorization", "Digest username=\"me\"");
    runtime.block_on(authenticator.authenticate(&bearer)).unwrap();
    for request in [&bearer, &bare, &header, &forwarded] {
        for policy in [
            &Policy::any_key(),
            &Policy::all(["read:users"]),
            &Policy::any(["admin", "read:users"]).and(Policy::organization_key()),
            <apikey_core::AnyOf<(Admin, ReadUsers)>>::POLICY,
        ] {
            for _ in 0..100 {
                assert_eq!(allocations(&authenticator, request, policy), 0, "{policy:?}");
            }
        }
    }
}

#[test]
fn an_ignored_token_allocates_nothing() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let options = authenticator(&runtime).with_options().accepted_prefixes(["k_"]).ignore_other_tokens(true);
    let authenticator = options.build().unwrap();
    let jwt = PlainRequest::new().with_header("Authorization", format!("Bearer {}", "eyJ.".repeat(1000)));
    let counted = measure(|| drop(authenticator.begin(&jwt)));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn what_has_to_be_asked_about_is_seen_to_allocate() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let authenticator = authenticator(&runtime);
    let bearer = PlainRequest::new().with_header("Authorization", format!("Bearer {KEY}"));
    let counted = measure(|| {
        let key = runtime.block_on(authenticator.authenticate(&bearer)).unwrap();
        assert!(!key.is_from_cache() && key.age() < Duration::from_secs(60));
    });
    assert!(counted.count_total > 0, "the counter counts");
}
