//! One limit of attempts for the whole fleet.

use super::support::*;
use apikey_core::{AttemptLimit, Authenticator, Verification};
use apikey_testkit::store::MemoryStore;
use std::time::Duration;
use tokio::time::sleep;

const LIMIT: usize = 10;
const WINDOW: Duration = Duration::from_secs(900);

async fn limited(kinde: &Kinde, store: &MemoryStore, limit: AttemptLimit) -> [Authenticator; 3] {
    let build = |_| {
        let builder = alone(kinde).attempt_limit(limit);
        builder.shared(store.other_client(), secrets(SECRET)).build().unwrap()
    };
    let fleet = [(); 3].map(build);
    sleep(LINKED).await;
    fleet
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_for_the_sum_of_all_instances() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet = limited(&kinde, &store, AttemptLimit::new(LIMIT as u32, WINDOW)).await;
    let mut refused = 0;
    for number in 0..60 {
        let told = told_client(&fleet[number % 3], "192.0.2.1", &format!("k_live_junk_{number}")).await;
        refused += usize::from(told == "INVALID_KEY");
        assert!(["INVALID_KEY", "RATE_LIMITED"].contains(&told), "{told}");
    }
    assert_eq!((refused, kinde.calls()), (LIMIT, LIMIT));
    assert_eq!(told_client(&fleet[0], "192.0.2.2", "k_live_junk").await, "INVALID_KEY", "another client");
    sleep(WINDOW).await;
    assert_eq!(told_client(&fleet[0], "192.0.2.1", "k_live_junk").await, "INVALID_KEY", "a new window");
}

#[tokio::test(start_paused = true)]
async fn good_keys_use_up_no_attempts() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet = limited(&kinde, &store, AttemptLimit::new(LIMIT as u32, WINDOW)).await;
    for number in 0..5 * LIMIT {
        let secret = format!("k_live_{number}");
        kinde.set(&secret, Verification::active(format!("id_{number}")));
        assert_eq!(told_client(&fleet[number % 3], "192.0.2.1", &secret).await, "verified", "{number}");
        sleep(5 * MILLISECOND).await;
    }
}

/// Otherwise the answer would reach the store a round trip later, and another instance would ask meanwhile.
#[tokio::test(start_paused = true)]
async fn an_answer_is_shared_while_its_attempt_is_given_back() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let build = |store: MemoryStore| {
        let builder = alone(&kinde).attempt_limit(AttemptLimit::new(LIMIT as u32, WINDOW));
        builder.shared(store, secrets(SECRET)).build().unwrap()
    };
    let far = store.other_client();
    far.set_delays(10 * MILLISECOND, 10 * MILLISECOND);
    let fleet = [build(far), build(store.other_client())];
    sleep(LINKED).await;
    kinde.set("k_live_1", Verification::active("id_1"));
    assert_eq!(told_client(&fleet[0], "192.0.2.1", "k_live_1").await, "verified");
    sleep(15 * MILLISECOND).await;
    assert_eq!(told_client(&fleet[1], "192.0.2.1", "k_live_1").await, "shared");
}

#[tokio::test(start_paused = true)]
async fn many_good_keys_at_once_limit_nobody() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet = limited(&kinde, &store, AttemptLimit::new(LIMIT as u32, WINDOW)).await;
    let mut all = tokio::task::JoinSet::new();
    for number in 0..6 * LIMIT {
        let (keys, secret) = (fleet[number % 3].clone(), format!("k_live_{number}"));
        kinde.set(&secret, Verification::active(format!("id_{number}")));
        all.spawn(async move { told_client(&keys, "192.0.2.1", &secret).await });
    }
    for told in all.join_all().await {
        assert_eq!(told, "verified");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_the_store_is_no_attempt() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let limit = AttemptLimit::new(1, WINDOW).count_all_attempts();
    let fleet = limited(&kinde, &store, limit).await;
    kinde.set("k_live_1", Verification::active("id_1"));
    assert_eq!(told_client(&fleet[0], "192.0.2.1", "k_live_1").await, "verified");
    sleep(MILLISECOND).await;
    for keys in &fleet[1..] {
        assert_eq!(told_client(keys, "192.0.2.1", "k_live_1").await, "shared");
    }
    assert_eq!(told_client(&fleet[1], "192.0.2.1", "k_live_2").await, "RATE_LIMITED");
}

#[tokio::test(start_paused = true)]
async fn without_the_store_each_instance_limits_by_itself() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let clients: [MemoryStore; 3] = std::array::from_fn(|_| store.other_client());
    let fleet = clients.each_ref().map(|client| {
        let builder = alone(&kinde).attempt_limit(AttemptLimit::new(LIMIT as u32, WINDOW));
        builder.shared(client.clone(), secrets(SECRET)).build().unwrap()
    });
    sleep(LINKED).await;
    clients.iter().for_each(|client| client.set_unavailable(true));
    sleep(2 * SECOND).await;
    for number in 0..100 {
        told_client(&fleet[number % 3], "192.0.2.1", &format!("k_live_junk_{number}")).await;
    }
    assert_eq!(kinde.calls(), 3 * LIMIT);
}

/// Kinde names a moment, and when it has come, others have all places. So Kinde has judged nothing.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_got_no_second_turn_is_given_back() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let limit = AttemptLimit::new(1, WINDOW);
    let build = || alone(&kinde).attempt_limit(limit).max_in_flight(1);
    let one = build().retries(true).shared(store.other_client(), secrets(SECRET)).build().unwrap();
    let other = build().shared(store.other_client(), secrets(SECRET)).build().unwrap();
    sleep(LINKED).await;
    kinde.set_busy(1);
    let first = tokio::spawn({
        let one = one.clone();
        async move { told_client(&one, "192.0.2.1", "k_live_1").await }
    });
    sleep(50 * MILLISECOND).await;
    kinde.set_delay(20 * SECOND);
    let second = tokio::spawn({
        let one = one.clone();
        async move { told_client(&one, "192.0.2.2", "k_live_2").await }
    });
    assert_eq!(first.await.unwrap(), "VERIFICATION_UNAVAILABLE");
    kinde.set_delay(Duration::ZERO);
    assert_eq!(told_client(&other, "192.0.2.1", "k_live_3").await, "INVALID_KEY");
    assert_eq!(second.await.unwrap(), "VERIFICATION_UNAVAILABLE");
    let calls = store.calls();
    assert_eq!((calls.takes, calls.ended_attempts), (3, 3));
}

/// Attempts under way never draw a 429, wherever they are.
#[tokio::test(start_paused = true)]
async fn attempts_under_way_elsewhere_limit_nobody_for_long() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let [one, other, _] = limited(&kinde, &store, AttemptLimit::new(LIMIT as u32, WINDOW)).await;
    kinde.set_delay(2 * SECOND);
    let mut all = tokio::task::JoinSet::new();
    for number in 0..LIMIT {
        let (keys, secret) = (one.clone(), format!("k_live_{number}"));
        kinde.set(&secret, Verification::active(format!("id_{number}")));
        all.spawn(async move { told_client(&keys, "192.0.2.1", &secret).await });
    }
    sleep(100 * MILLISECOND).await;
    kinde.set("k_live_new", Verification::active("id_new"));
    assert_eq!(told_client(&other, "192.0.2.1", "k_live_new").await, "VERIFICATION_UNAVAILABLE");
    assert!(all.join_all().await.iter().all(|told| *told == "verified"));
    assert_eq!(told_client(&other, "192.0.2.1", "k_live_new").await, "verified");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_attempts_elsewhere_takes_no_place() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let limit = AttemptLimit::new(1, WINDOW);
    let one = limited(&kinde, &store, limit).await;
    let other = alone(&kinde).attempt_limit(limit).max_in_flight(1);
    let other = other.shared(store.other_client(), secrets(SECRET)).build().unwrap();
    sleep(LINKED).await;
    kinde.set_delay(2 * SECOND);
    let open = tokio::spawn(async move { told_client(&one[0], "192.0.2.1", "k_live_1").await });
    sleep(50 * MILLISECOND).await;
    kinde.set_delay(Duration::ZERO);
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { told_client(&other, "192.0.2.1", "k_live_2").await }
    });
    sleep(50 * MILLISECOND).await;
    let began = tokio::time::Instant::now();
    assert_eq!(told_client(&other, "192.0.2.2", "k_live_3").await, "INVALID_KEY");
    assert!(began.elapsed() < 100 * MILLISECOND, "{:?}", began.elapsed());
    assert_eq!(waiting.await.unwrap(), "VERIFICATION_UNAVAILABLE");
    assert_eq!(open.await.unwrap(), "INVALID_KEY");
}
