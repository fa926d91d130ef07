//! What the cache keeps, for how long, and what it forgets.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apikey_core::{
    Authenticator, DEFAULT_CACHE_TIME_TO_LIVE, Judgement, ManualClock, PlainRequest, Policy, Refusal,
    Removal, RequestHead, Verification,
};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, Gate, IssuedKey, KeySpecification};

use crate::support::*;

fn with_clock(emulator: &Emulator) -> (Authenticator, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let authenticator = patient(kinde(emulator)).clock(Arc::clone(&clock) as _).build().unwrap();
    (authenticator, clock)
}

async fn is_from_cache(authenticator: &Authenticator, key_: &IssuedKey) -> bool {
    authenticator.verify(key(&key_.secret)).await.unwrap().is_from_cache()
}

#[tokio::test]
async fn a_hit_costs_no_call() {
    let emulator = emulator().await;
    let (authenticator, key) = (authenticator(&emulator), reader(&emulator));
    assert!(!is_from_cache(&authenticator, &key).await);
    for _ in 0..100 {
        assert!(is_from_cache(&authenticator, &key).await);
        assert!(is_from_cache(&authenticator.clone(), &key).await);
    }
    assert_eq!(emulator.counters().verify_calls, 1);
}

#[tokio::test]
async fn a_hit_does_not_look_for_the_peer() {
    struct Head(PlainRequest, AtomicUsize);
    impl RequestHead for Head {
        fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
            self.0.header_values(name)
        }
        fn query(&self) -> Option<&str> {
            None
        }
        fn peer(&self) -> Option<IpAddr> {
            self.1.fetch_add(1, Ordering::SeqCst);
            Some(Ipv4Addr::LOCALHOST.into())
        }
    }
    let (fake, _) = Fake::new(anyone);
    let authenticator = Authenticator::builder(fake).build().unwrap();
    let head = Head(PlainRequest::new().with_header("authorization", "Bearer k1"), AtomicUsize::new(0));
    for _ in 0..3 {
        assert!(authenticator.authenticate(&head).await.is_ok());
        assert_eq!(head.1.load(Ordering::SeqCst), 1, "once, for the verification");
    }
}

#[tokio::test]
async fn an_answer_expires_with_its_time_to_live_and_never_later() {
    let emulator = emulator().await;
    let (authenticator, clock) = with_clock(&emulator);
    for key in readers(&emulator, 20) {
        assert!(!is_from_cache(&authenticator, &key).await);
        clock.advance(DEFAULT_CACHE_TIME_TO_LIVE * 9 / 10 - Duration::from_millis(1));
        assert!(is_from_cache(&authenticator, &key).await, "a jitter takes a tenth at most");
        clock.advance(DEFAULT_CACHE_TIME_TO_LIVE / 10 + Duration::from_millis(1));
        assert!(!is_from_cache(&authenticator, &key).await);
        assert_eq!(emulator.verify_calls_for(&key.secret), 2);
    }
}

#[tokio::test]
async fn hits_do_not_prolong_a_life() {
    let emulator = emulator().await;
    let (key, (authenticator, clock)) = (reader(&emulator), with_clock(&emulator));
    assert!(!is_from_cache(&authenticator, &key).await);
    for _ in 0..300 {
        clock.advance(Duration::from_secs(1));
        let _ = is_from_cache(&authenticator, &key).await;
    }
    assert_eq!(emulator.counters().verify_calls, 2);
}

#[tokio::test]
async fn age_counts_from_the_question_not_from_the_answer() {
    let emulator = emulator().await;
    let (key_, (authenticator, clock)) = (reader(&emulator), with_clock(&emulator));
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let asking = tokio::spawn({
        let (authenticator, key) = (authenticator.clone(), key(&key_.secret));
        async move { authenticator.verify(key).await }
    });
    emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    clock.advance(DEFAULT_CACHE_TIME_TO_LIVE);
    gate.open();
    assert_eq!(told(&asking.await.unwrap()), key_.key_id);
    assert!(!is_from_cache(&authenticator, &key_).await);
}

#[tokio::test]
async fn a_time_to_live_of_zero_caches_nothing() {
    let emulator = emulator().await;
    let (authenticator, key) = (uncached(&emulator), reader(&emulator));
    for calls in 1..=5 {
        assert!(!is_from_cache(&authenticator, &key).await);
        assert_eq!((emulator.counters().verify_calls, authenticator.cached_keys()), (calls, 0));
    }
}

#[tokio::test]
async fn the_cache_never_holds_more_than_its_capacity() {
    for capacity in [1, 2, 3, 7, 31, 32, 33, 100, 1000] {
        let (fake, _) = Fake::new(anyone);
        let authenticator = patient(fake).cache_capacity(capacity).build().unwrap();
        for number in 0..3 * capacity + 50 {
            let name = format!("k_live_{number}");
            assert_eq!(told(&authenticator.verify(key(&name)).await), name);
            let cached = authenticator.cached_keys();
            assert!(cached <= capacity, "{cached} of {capacity}");
            assert!(cached > 0, "a cache of {capacity} that holds nothing");
        }
    }
}

#[tokio::test]
async fn a_full_cache_keeps_what_is_in_use() {
    let (fake, calls) = Fake::new(anyone);
    let authenticator = patient(fake).cache_capacity(100).build().unwrap();
    for number in 0..5_000 {
        authenticator.verify(key(&format!("k_live_{number}"))).await.unwrap();
        authenticator.verify(key("k_live_busy")).await.unwrap();
    }
    let calls = calls.load(Ordering::SeqCst);
    assert!(calls < 5_000 + 100, "{calls} calls: a flood of other keys drives out a busy one");
}

#[tokio::test]
async fn any_capacity_that_is_accepted_works() {
    for capacity in [1 << 20, 1 << 40, usize::MAX / 2, usize::MAX] {
        let (fake, calls) = Fake::new(anyone);
        let Ok(authenticator) = patient(fake).cache_capacity(capacity).build() else { continue };
        for _ in 0..2 {
            authenticator.verify(key("k_live_1")).await.unwrap();
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1, "{capacity}");
    }
}

#[tokio::test]
async fn a_removed_key_is_asked_about_again() {
    let emulator = emulator().await;
    let (authenticator, keys) = (authenticator(&emulator), readers(&emulator, 2));
    for key in &keys {
        assert!(!is_from_cache(&authenticator, key).await);
    }
    authenticator.remove(&keys[0].secret).unwrap();
    assert!(is_from_cache(&authenticator, &keys[1]).await);
    emulator.revoke(&keys[0].key_id);
    assert_eq!(told(&authenticator.verify(key(&keys[0].secret)).await), "KEY_REVOKED");
    authenticator.clear();
    assert_eq!(authenticator.cached_keys(), 0);
    assert!(!is_from_cache(&authenticator, &keys[1]).await);
    assert!(authenticator.remove("no key").is_err());
    assert_eq!(authenticator.remove("k_live_unheard_of").unwrap().removed(), 0);
}

/// A key is revoked while an older answer is on its way.
#[tokio::test]
async fn a_purge_outruns_an_answer_that_is_on_its_way() {
    let purges: [fn(&Authenticator, &str) -> Removal; 2] = [
        |authenticator, secret| authenticator.remove(secret).unwrap(),
        |authenticator, _| authenticator.clear(),
    ];
    for purge in purges {
        let emulator = emulator().await;
        let (authenticator, key_) = (authenticator(&emulator), reader(&emulator));
        let gate = Gate::new();
        emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone()))]);
        let old = tokio::spawn({
            let (authenticator, key) = (authenticator.clone(), key(&key_.secret));
            async move { authenticator.verify(key).await }
        });
        emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
        emulator.revoke(&key_.key_id);
        purge(&authenticator, &key_.secret);
        let new = tokio::spawn({
            let (authenticator, key) = (authenticator.clone(), key(&key_.secret));
            async move { authenticator.verify(key).await }
        });
        gate.open();
        // No caller gets the answer from before the purge. Kinde is asked again.
        assert_eq!(told(&old.await.unwrap()), "KEY_REVOKED");
        assert_eq!(told(&new.await.unwrap()), "KEY_REVOKED");
        assert_eq!(authenticator.cached_keys(), 0);
        assert_eq!(told(&authenticator.verify(key(&key_.secret)).await), "KEY_REVOKED");
    }
}

#[tokio::test]
async fn two_authenticators_share_nothing() {
    let emulator = emulator().await;
    let key_ = reader(&emulator);
    let verifier = Arc::new(kinde(&emulator));
    let [one, other] = [0, 1].map(|_| patient(Shared(Arc::clone(&verifier))).build().unwrap());
    assert!(!is_from_cache(&one, &key_).await);
    assert!(!is_from_cache(&other, &key_).await);
    one.clear();
    assert!(is_from_cache(&other, &key_).await);
    assert_eq!(emulator.counters().token_calls, 1);
}

#[tokio::test]
async fn scopes_and_owner_are_checked_on_a_hit_as_ever() {
    let emulator = emulator().await;
    let issued = emulator.create_key(KeySpecification::new("k").scopes(["read:users"]).organization("org_1"));
    let authenticator = authenticator(&emulator);
    for hit in [false, true, true] {
        let verified = authenticator.verify(key(&issued.secret)).await.unwrap();
        assert_eq!(verified.is_from_cache(), hit);
        authenticator.authorize(&verified, &Policy::all(["read:users"])).unwrap();
        authenticator.authorize(&verified, &Policy::organization("org_1")).unwrap();
        let denial =
            authenticator.authorize(&verified, &Policy::all(["read:users", "write:users"])).unwrap_err();
        assert_eq!(denial.message(), "Insufficient scope. Required: write:users");
        let denial = authenticator.authorize(&verified, &Policy::organization("org_2")).unwrap_err();
        assert_eq!(denial.code().as_str(), "ORGANIZATION_MISMATCH");
    }
}

#[tokio::test]
async fn a_refused_key_is_never_cached() {
    let emulator = emulator().await;
    let authenticator = authenticator(&emulator);
    let issued = emulator.create_key(KeySpecification::new("k").status("inactive"));
    for calls in 1..=3 {
        assert_eq!(told(&authenticator.verify(key(&issued.secret)).await), "KEY_INACTIVE");
        assert_eq!(emulator.counters().verify_calls, calls);
    }
    emulator.set_status(&issued.key_id, "active");
    assert_eq!(told(&authenticator.verify(key(&issued.secret)).await), issued.key_id, "at once");
}

#[tokio::test]
async fn a_cached_key_outlives_an_outage_until_its_time_and_no_longer() {
    let emulator = emulator().await;
    let (key_, (authenticator, clock)) = (reader(&emulator), with_clock(&emulator));
    assert!(!is_from_cache(&authenticator, &key_).await);
    emulator.set_fault(Endpoint::Verify, Some(Fault::Reset));
    clock.advance(DEFAULT_CACHE_TIME_TO_LIVE * 8 / 10);
    assert!(is_from_cache(&authenticator, &key_).await);
    clock.advance(DEFAULT_CACHE_TIME_TO_LIVE * 2 / 10);
    assert_eq!(told(&authenticator.verify(key(&key_.secret)).await), "VERIFICATION_UNAVAILABLE");
    emulator.set_fault(Endpoint::Verify, None);
    assert!(!is_from_cache(&authenticator, &key_).await);
}

#[tokio::test]
async fn keys_that_differ_in_one_character_are_different_keys() {
    let (fake, calls) = Fake::new(|key| {
        Box::pin(async move {
            Ok(match key.as_str() {
                "k_live_A" => Judgement::accepted(Verification::active("A")),
                _ => Judgement::refused(Refusal::Invalid),
            })
        })
    });
    let authenticator = patient(fake).build().unwrap();
    assert_eq!(told(&authenticator.verify(key("k_live_A")).await), "A");
    for other in ["k_live_a", "k_live_A=", "K_live_A", "k_live_AA", "k_live_"] {
        assert_eq!(told(&authenticator.verify(key(other)).await), "INVALID_KEY", "{other}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 6);
}
