//! Answers that one instance got serve all, and are never younger for it.

use super::support::*;
use apikey_core::{Policy, Verification};
use apikey_testkit::store::MemoryStore;
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[tokio::test(start_paused = true)]
async fn one_call_answers_every_instance() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 3] = fleet(&kinde, &store).await;
    for number in 0..100 {
        let secret = format!("k_live_{number}");
        let verification = Verification::active(format!("id_{number}"))
            .with_scopes(["read:users", "write:users"])
            .with_organization("org_1")
            .with_user("kp_1");
        kinde.set(&secret, verification.clone());
        for (place, keys) in fleet.iter().enumerate() {
            let key = verify(keys, &secret).await.unwrap();
            assert_eq!(key.source().as_str(), if place == 0 { "verified" } else { "shared" });
            assert_eq!(*key.verification(), verification);
            sleep(MILLISECOND).await;
            assert_eq!(told(keys, &secret).await, "hit");
        }
    }
    assert_eq!(kinde.calls(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_cold_key_costs_at_most_a_call_an_instance() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 3] = fleet(&kinde, &store).await;
    kinde.set("k_live_1", Verification::active("id_1"));
    let mut all = tokio::task::JoinSet::new();
    for number in 0..300 {
        let keys = fleet[number % 3].clone();
        all.spawn(async move { told(&keys, "k_live_1").await });
    }
    for told in all.join_all().await {
        assert!(["verified", "coalesced"].contains(&told), "{told}");
    }
    assert_eq!(kinde.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_ages_on_its_way_and_expires_everywhere_at_once() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    kinde.set("k_live_1", Verification::active("id_1"));
    assert_eq!(told(&fleet[0], "k_live_1").await, "verified");
    sleep(100 * SECOND).await;
    let travelled = verify(&fleet[1], "k_live_1").await.unwrap();
    assert_eq!(travelled.source().as_str(), "shared");
    assert!(travelled.age() >= 100 * SECOND && travelled.age() < 101 * SECOND, "{:?}", travelled.age());
    sleep(200 * SECOND).await;
    assert_eq!(told(&fleet[1], "k_live_1").await, "verified");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_by_one_instance_renews_for_all() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 3] = fleet(&kinde, &store).await;
    kinde.set("k_live_1", Verification::active("id_1"));
    for _ in 0..20_000 {
        for keys in &fleet {
            assert!(verify(keys, "k_live_1").await.is_ok());
        }
        sleep(100 * MILLISECOND).await;
    }
    // A time to live of 300 s, shortened by a tenth at most, is renewed when a twentieth is left. Now and then two ask at once.
    assert!((6..=12).contains(&kinde.calls()), "{} calls in 2,000 s", kinde.calls());
}

#[tokio::test(start_paused = true)]
async fn routes_that_need_young_answers_ask_kinde() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    let strict = fleet[1].with_options().max_age(5 * SECOND).build().unwrap();
    kinde.set("k_live_1", Verification::active("id_1"));
    assert_eq!(told(&fleet[0], "k_live_1").await, "verified");
    sleep(6 * SECOND).await;
    assert_eq!(told(&strict, "k_live_1").await, "verified");
    let key = verify(&fleet[1], "k_live_1").await.unwrap();
    assert!(fleet[1].authorize(&key, &Policy::fresh()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_looks_late_gets_no_answer_past_its_time() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    kinde.set("k_live_1", Verification::active("id_1"));
    assert_eq!(told(&fleet[0], "k_live_1").await, "verified");
    sleep(200 * SECOND).await;
    let mut late = Box::pin(verify(&fleet[1], "k_live_1"));
    assert!(timeout(Duration::ZERO, &mut late).await.is_err());
    sleep(150 * SECOND).await;
    assert_eq!(late.await.unwrap_err().code().as_str(), "VERIFICATION_UNAVAILABLE");
    assert_eq!(kinde.calls(), 1);
}

/// Without a fleet, a batch waits for its places, too.
#[tokio::test(start_paused = true)]
async fn a_batch_is_fed_in_as_places_come_free_in_a_fleet() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let builder = alone(&kinde).max_in_flight(2).max_queued(0).max_waiting(4);
    let keys = builder.shared(store.clone(), secrets(SECRET)).build().unwrap();
    sleep(LINKED).await;
    kinde.set_delay(100 * MILLISECOND);
    let batch = |name: &'static str| {
        let secrets: Vec<String> = (0..20).map(|number| format!("k_live_{name}_{number}")).collect();
        for secret in &secrets {
            kinde.set(secret, Verification::active(secret.clone()));
        }
        let keys = keys.clone();
        tokio::spawn(async move { keys.verify_many(&secrets).await })
    };
    let batches = [batch("one"), batch("two")];
    for answers in batches {
        for answer in answers.await.unwrap() {
            assert!(answer.is_ok(), "{answer:?}");
        }
    }
    assert_eq!(kinde.calls(), 40);
}

#[tokio::test(start_paused = true)]
async fn refusals_are_not_shared() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    for keys in &fleet {
        assert_eq!(told(keys, "k_live_junk").await, "INVALID_KEY");
    }
    assert_eq!((kinde.calls(), store.calls().keeps), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_expires_expires_for_all() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    kinde.set("k_live_1", Verification::active("id_1"));
    assert_eq!(told(&fleet[0], "k_live_1").await, "verified");
    sleep(290 * SECOND).await;
    // It is due for renewal, so it is not worth sharing.
    assert_eq!(told(&fleet[1], "k_live_1").await, "verified");
}
