//! A removal reaches every instance, with a bound for those that can't be reached.

use super::support::*;
use apikey_core::{Authenticator, Memo, PlainRequest, Policy, Removal, Verification};
use apikey_testkit::store::MemoryStore;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

type Remove = fn(&Authenticator) -> Removal;

const REMOVALS: [Remove; 6] = [
    |keys| keys.remove("k_live_1").unwrap(),
    |keys| keys.remove_key_id("id_1"),
    |keys| keys.remove_key_ids(["another", "id_1"]),
    |keys| keys.remove_user("kp_1"),
    |keys| keys.remove_organization("org_1"),
    |keys| keys.clear(),
];

fn owned() -> Verification {
    Verification::active("id_1").with_user("kp_1").with_organization("org_1")
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_removal_reaches_every_instance() {
    for remove in REMOVALS {
        let (kinde, store) = (Kinde::default(), MemoryStore::new());
        let fleet: [_; 3] = fleet(&kinde, &store).await;
        kinde.set("k_live_1", owned());
        for keys in &fleet {
            assert!(verify(keys, "k_live_1").await.is_ok());
        }
        kinde.revoke("k_live_1");
        let removal = remove(&fleet[0]);
        assert_eq!(removal.removed(), 1);
        assert_eq!(told(&fleet[0], "k_live_1").await, "KEY_REVOKED", "here at once");
        removal.await;
        let began = Instant::now();
        sleep(BOUND).await;
        for keys in &fleet {
            assert_eq!(told(keys, "k_live_1").await, "KEY_REVOKED", "{:?}", began.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_voids_what_the_store_still_holds() {
    for remove in REMOVALS {
        let (kinde, store) = (Kinde::default(), MemoryStore::new());
        let fleet: [_; 2] = fleet(&kinde, &store).await;
        kinde.set("k_live_1", owned());
        assert_eq!(told(&fleet[0], "k_live_1").await, "verified");
        remove(&fleet[1]).await;
        sleep(SECOND).await;
        kinde.revoke("k_live_1");
        for keys in &fleet {
            assert_eq!(told(keys, "k_live_1").await, "KEY_REVOKED");
        }
        let late = instance(&kinde, &store);
        sleep(LINKED).await;
        assert_eq!(told(&late, "k_live_1").await, "KEY_REVOKED", "it joined later");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_of_others_leaves_a_key_shared() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    kinde.set("k_live_1", owned());
    assert_eq!(told(&fleet[0], "k_live_1").await, "verified");
    fleet[1].remove("k_live_2").unwrap().await;
    fleet[1].remove_key_id("id_2").await;
    fleet[1].remove_user("kp_2").await;
    fleet[1].remove_organization("org_2").await;
    sleep(SECOND).await;
    assert_eq!(told(&fleet[1], "k_live_1").await, "shared");
}

#[tokio::test(start_paused = true)]
async fn a_removal_waits_for_the_store_and_is_not_lost() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let (mine, others) = (store.other_client(), store.other_client());
    let build = |store: &MemoryStore| alone(&kinde).shared(store.clone(), secrets(SECRET)).build().unwrap();
    let (keys, other) = (build(&mine), build(&others));
    sleep(LINKED).await;
    kinde.set("k_live_1", owned());
    assert!(verify(&other, "k_live_1").await.is_ok());
    mine.set_unavailable(true);
    kinde.revoke("k_live_1");
    let mut removal = keys.remove_key_id("id_1").into_future();
    assert!(timeout(30 * SECOND, &mut removal).await.is_err(), "the store is away");
    assert!(verify(&other, "k_live_1").await.is_ok(), "nobody could tell it");
    mine.set_unavailable(false);
    removal.await;
    sleep(BOUND).await;
    assert_eq!(told(&other, "k_live_1").await, "KEY_REVOKED");
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_is_awaited_outlives_its_authenticator() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let (keys, other) = (instance(&kinde, &store), instance(&kinde, &store));
    sleep(LINKED).await;
    kinde.set("k_live_1", owned());
    assert!(verify(&other, "k_live_1").await.is_ok());
    kinde.revoke("k_live_1");
    let removal = keys.remove_key_id("id_1");
    drop(keys);
    timeout(SECOND, removal.into_future()).await.expect("the store is there");
    sleep(BOUND).await;
    assert_eq!(told(&other, "k_live_1").await, "KEY_REVOKED");
}

/// A request may run again long after the verification that it waits for has ended.
#[tokio::test(start_paused = true)]
async fn who_wakes_after_a_removal_gets_no_older_answer() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    kinde.set("k_live_1", owned());
    kinde.set("k_live_2", Verification::active("id_2"));
    for (keys, others_ask) in [(&fleet[0], false), (&fleet[1], true)] {
        let [mut asleep, mut awake] = [(); 2].map(|()| Box::pin(verify(keys, "k_live_1")));
        let mut unconcerned = Box::pin(verify(keys, "k_live_2"));
        for waiting in [&mut asleep, &mut awake, &mut unconcerned] {
            assert!(timeout(Duration::ZERO, waiting).await.is_err());
        }
        sleep(SECOND / 2).await;
        assert!(awake.await.is_ok(), "{others_ask}");
        keys.remove_user("kp_1").await;
        assert_eq!(asleep.await.unwrap_err().code().as_str(), "VERIFICATION_UNAVAILABLE");
        assert!(unconcerned.await.is_ok(), "{others_ask}");
        sleep(SECOND).await;
        if !others_ask {
            assert!(verify(keys, "k_live_1").await.is_ok());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_let_in_stays_let_in() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let [keys] = fleet(&kinde, &store).await;
    kinde.set("k_live_1", owned());
    let request = PlainRequest::new().with_header("authorization", "Bearer k_live_1");
    let policy = Policy::any_key();
    let mut memo = Memo::default();
    for _ in 0..2 {
        let attempt = memo.begin(&keys, &request).unwrap();
        let decided = keys.gate(&policy).decide(attempt, &request, |key| key).wait().await;
        assert!(decided.is_ok());
        keys.remove_key_id("id_1").await;
    }
    assert_eq!(kinde.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_newer_secret_drops_the_older_one_everywhere() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    kinde.set("k_live_old", Verification::active("id_1"));
    for keys in &fleet {
        assert!(verify(keys, "k_live_old").await.is_ok());
    }
    kinde.revoke("k_live_old");
    kinde.set("k_live_new", Verification::active("id_1"));
    assert_eq!(told(&fleet[0], "k_live_new").await, "verified");
    sleep(SECOND).await;
    assert_eq!(told(&fleet[1], "k_live_old").await, "KEY_REVOKED");
}

#[tokio::test(start_paused = true)]
async fn a_lost_removal_is_told_again() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    kinde.set("k_live_1", owned());
    assert!(verify(&fleet[0], "k_live_1").await.is_ok());
    fleet[1].remove_key_id("id_1").await;
    sleep(SECOND).await;
    store.lose_logs();
    store.begin_another_run();
    sleep(LINKED + SECOND).await;
    kinde.revoke("k_live_1");
    let late = instance(&kinde, &store);
    sleep(LINKED).await;
    assert_eq!(told(&late, "k_live_1").await, "KEY_REVOKED", "the entry is from before the removal");
}
