//! What an instance does that can't reach the store.

use super::support::*;
use apikey_core::{Authenticator, Policy, Verification};
use apikey_testkit::store::MemoryStore;
use std::time::Duration;
use tokio::time::sleep;

async fn one(kinde: &Kinde, unconfirmed: Duration) -> (Authenticator, MemoryStore) {
    let store = MemoryStore::new();
    let builder = alone(kinde).serve_unconfirmed_for(unconfirmed).stale_if_error(1000 * SECOND);
    let keys = builder.shared(store.clone(), secrets(SECRET)).build().unwrap();
    sleep(LINKED).await;
    kinde.set("k_live_1", Verification::active("id_1"));
    assert_eq!(told(&keys, "k_live_1").await, "verified");
    (keys, store)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_fails_no_build_and_no_request() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    store.set_unavailable(true);
    let keys = alone(&kinde).shared(store.clone(), secrets(SECRET)).build().unwrap();
    kinde.set("k_live_1", Verification::active("id_1"));
    assert_eq!(told(&keys, "k_live_1").await, "verified");
    for _ in 0..9 {
        assert_eq!(told(&keys, "k_live_1").await, "hit");
        sleep(SECOND).await;
    }
    store.set_unavailable(false);
    sleep(LINKED).await;
    kinde.set("k_live_2", Verification::active("id_2"));
    assert_eq!(told(&keys, "k_live_2").await, "verified");
    sleep(MILLISECOND).await;
    assert_eq!(store.calls().keeps, 1, "it is linked without a restart");
}

#[tokio::test(start_paused = true)]
async fn a_cut_off_instance_asks_again_after_10_s() {
    let kinde = Kinde::default();
    let (keys, store) = one(&kinde, 60 * SECOND).await;
    store.set_unavailable(true);
    for second in 0..50 {
        let source = told(&keys, "k_live_1").await;
        assert!(["hit", "verified"].contains(&source), "{source} after {second} s");
        sleep(SECOND).await;
    }
    assert_eq!(kinde.calls(), 1 + 5 - 1);
    kinde.revoke("k_live_1");
    sleep(10 * SECOND).await;
    assert_eq!(told(&keys, "k_live_1").await, "KEY_REVOKED", "nobody told it, and it asked");
}

#[tokio::test(start_paused = true)]
async fn with_kinde_away_too_old_answers_end_after_60_s() {
    let kinde = Kinde::default();
    let (keys, store) = one(&kinde, 60 * SECOND).await;
    sleep(100 * SECOND).await;
    store.set_unavailable(true);
    kinde.set_down(true);
    for second in 0..59 {
        let key = verify(&keys, "k_live_1").await.unwrap();
        let is_fresh = keys.authorize(&key, &Policy::fresh()).is_ok();
        assert_eq!(is_fresh, second == 0, "after {second} s");
        assert_eq!(key.is_stale(), second > 0);
        sleep(SECOND).await;
    }
    sleep(2 * SECOND).await;
    assert_eq!(told(&keys, "k_live_1").await, "VERIFICATION_UNAVAILABLE");
    store.set_unavailable(false);
    sleep(LINKED).await;
    assert_eq!(told(&keys, "k_live_1").await, "hit", "linked again, it is confirmed");
}

#[tokio::test(start_paused = true)]
async fn a_strict_fleet_asks_kinde_for_each_request_while_cut_off() {
    let kinde = Kinde::default();
    let (keys, store) = one(&kinde, Duration::ZERO).await;
    store.set_unavailable(true);
    sleep(SECOND).await;
    for _ in 0..5 {
        assert_eq!(told(&keys, "k_live_1").await, "verified");
    }
    assert_eq!(kinde.calls(), 6);
    kinde.set_down(true);
    assert_eq!(told(&keys, "k_live_1").await, "VERIFICATION_UNAVAILABLE");
}

/// Kinde answers, so the bound is 10 s, however long it takes.
#[tokio::test(start_paused = true)]
async fn a_cut_off_instance_waits_for_a_slow_kinde() {
    let kinde = Kinde::default();
    let (keys, store) = one(&kinde, 60 * SECOND).await;
    store.set_unavailable(true);
    sleep(20 * SECOND).await;
    kinde.revoke("k_live_1");
    kinde.set_delay(2 * SECOND);
    assert_eq!(told(&keys, "k_live_1").await, "KEY_REVOKED");
}

#[tokio::test(start_paused = true)]
async fn a_strict_fleet_believes_a_slow_kinde() {
    let kinde = Kinde::default();
    let (keys, store) = one(&kinde, Duration::ZERO).await;
    store.set_unavailable(true);
    kinde.set_delay(2 * SECOND);
    sleep(SECOND).await;
    assert_eq!(told(&keys, "k_live_1").await, "verified");
    assert_eq!(kinde.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_kinde_does_not_confirm_is_forgotten() {
    let kinde = Kinde::default();
    let (keys, store) = one(&kinde, 60 * SECOND).await;
    store.set_unavailable(true);
    sleep(20 * SECOND).await;
    kinde.set_unjudged(true);
    assert_eq!(told(&keys, "k_live_1").await, "VERIFICATION_UNAVAILABLE");
    kinde.set_unjudged(false);
    kinde.set_down(true);
    assert_eq!(told(&keys, "k_live_1").await, "VERIFICATION_UNAVAILABLE");
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_costs_a_request_50_ms_at_most() {
    let kinde = Kinde::default();
    let (keys, store) = one(&kinde, 60 * SECOND).await;
    store.set_delays(90 * MILLISECOND, 90 * MILLISECOND);
    sleep(5 * SECOND).await;
    kinde.set("k_live_2", Verification::active("id_2"));
    let began = tokio::time::Instant::now();
    assert_eq!(told(&keys, "k_live_2").await, "verified");
    assert!(began.elapsed() <= 75 * MILLISECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn another_server_puts_every_instance_in_quarantine() {
    let kinde = Kinde::default();
    let (keys, store) = one(&kinde, 60 * SECOND).await;
    store.begin_another_run();
    let mut cut_off = 0;
    for _ in 0..40 {
        sleep(100 * MILLISECOND).await;
        let secret = format!("k_live_{}", cut_off + 10);
        let before = store.calls().looks;
        let _junk = told(&keys, &secret).await;
        cut_off += usize::from(store.calls().looks == before);
    }
    assert!((10..=25).contains(&cut_off), "cut off for {cut_off} tenths of a second");
}
