//! A store that lies gets misses, or empties caches. It lets no key in.

use super::support::*;
use apikey_core::Verification;
use apikey_testkit::store::MemoryStore;
use tokio::time::sleep;

const SCOPE: &str = "read:canary";

fn canary() -> Verification {
    Verification::active("id_canary")
        .with_scopes([SCOPE])
        .with_user("kp_canary")
        .with_organization("org_canary")
}

#[tokio::test(start_paused = true)]
async fn the_store_holds_nothing_in_clear() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    kinde.set("k_live_canary", canary());
    assert!(verify(&fleet[0], "k_live_canary").await.is_ok());
    for removal in [
        fleet[0].remove("k_live_canary").unwrap(),
        fleet[0].remove_key_id("id_canary"),
        fleet[0].remove_user("kp_canary"),
        fleet[0].remove_organization("org_canary"),
    ] {
        removal.await;
    }
    let logs = store.logs();
    let sealed = store.entries().into_iter().map(|(_, entry)| entry.sealed);
    let records = logs.iter().flat_map(|log| store.records(log)).map(|record| record.sealed);
    let all: Vec<Vec<u8>> = sealed.chain(records).collect();
    assert!(all.len() >= 5, "{}", all.len());
    for bytes in all {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("canary") && !text.contains("read:"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_with_one_bit_changed_is_a_miss() {
    for bit in [0, 3, 40, 200, 700, 1_500] {
        let (kinde, store) = (Kinde::default(), MemoryStore::new());
        let fleet: [_; 2] = fleet(&kinde, &store).await;
        kinde.set("k_live_1", canary());
        assert!(verify(&fleet[0], "k_live_1").await.is_ok());
        sleep(MILLISECOND).await;
        store.change_entries(|_, entry| entry.sealed[bit / 8] ^= 1 << (bit % 8));
        assert_eq!(told(&fleet[1], "k_live_1").await, "verified", "bit {bit}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_of_one_key_and_one_moment() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 3] = fleet(&kinde, &store).await;
    for number in [1, 2] {
        kinde.set(&format!("k_live_{number}"), Verification::active(format!("id_{number}")));
        assert!(verify(&fleet[0], &format!("k_live_{number}")).await.is_ok());
    }
    sleep(MILLISECOND).await;
    let entries = store.entries();
    let [(_, one), (_, other)] = &entries[..] else { panic!("two entries") };
    let (one, other) = (one.clone(), other.clone());
    store.change_entries(|_, entry| *entry = if *entry == one { other.clone() } else { one.clone() });
    for number in [1, 2] {
        let key = verify(&fleet[1], &format!("k_live_{number}")).await.unwrap();
        assert_eq!((key.source().as_str(), key.key_id()), ("verified", &*format!("id_{number}")));
    }
    sleep(10 * SECOND).await;
    store.change_entries(|_, entry| entry.asked_at.milliseconds += 5_000);
    assert_eq!(told(&fleet[2], "k_live_1").await, "verified", "it says that it is younger");
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_put_back_after_a_removal_stays_void() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    kinde.set("k_live_1", canary());
    assert!(verify(&fleet[0], "k_live_1").await.is_ok());
    sleep(MILLISECOND).await;
    let kept = store.entries();
    kinde.revoke("k_live_1");
    fleet[0].remove_key_id("id_canary").await;
    sleep(SECOND).await;
    for _ in 0..10 {
        for (name, entry) in &kept {
            let mut until = store.now();
            until.milliseconds += 1_000_000;
            store.put_entry(*name, entry.clone(), until);
        }
        for keys in &fleet {
            assert_eq!(told(keys, "k_live_1").await, "KEY_REVOKED");
        }
        sleep(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_forged_removal_empties_caches_and_nothing_worse() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 2] = fleet(&kinde, &store).await;
    kinde.set("k_live_1", canary());
    assert!(verify(&fleet[1], "k_live_1").await.is_ok());
    fleet[0].remove_key_id("another").await;
    let late = instance(&kinde, &store);
    store.change_records(|record| record.sealed[30] ^= 1);
    sleep(LINKED).await;
    assert_eq!(told(&late, "k_live_1").await, "verified", "the log says: everything");
    assert!(verify(&fleet[1], "k_live_1").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn other_secrets_share_nothing() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let one = instance(&kinde, &store);
    let other = alone(&kinde).shared(store.other_client(), secrets(NEWER_SECRET)).build().unwrap();
    sleep(LINKED).await;
    kinde.set("k_live_1", canary());
    assert_eq!(told(&one, "k_live_1").await, "verified");
    sleep(MILLISECOND).await;
    assert_eq!(told(&other, "k_live_1").await, "verified");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_of_the_secret_makes_no_wrong_decision() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let (old_first, new_first) = (format!("{SECRET},{NEWER_SECRET}"), format!("{NEWER_SECRET},{SECRET}"));
    let lists = [SECRET, &old_first, &old_first, &new_first, &new_first, NEWER_SECRET];
    for (number, pair) in lists.windows(2).enumerate() {
        let build = |list: &str| alone(&kinde).shared(store.other_client(), secrets(list)).build().unwrap();
        let fleet = [build(pair[0]), build(pair[1])];
        sleep(LINKED).await;
        let (secret, id) = (format!("k_live_{number}"), format!("id_{number}"));
        kinde.set(&secret, Verification::active(&*id));
        assert_eq!(told(&fleet[0], &secret).await, "verified");
        sleep(MILLISECOND).await;
        let shares = told(&fleet[1], &secret).await;
        assert_eq!(shares, "shared", "{number}");
        kinde.revoke(&secret);
        let removals: [fn(&apikey_core::Authenticator, &str, &str) -> apikey_core::Removal; 2] =
            [|keys, secret, _| keys.remove(secret).unwrap(), |keys, _, id| keys.remove_key_id(id)];
        removals[number % 2](&fleet[number % 2], &secret, &id).await;
        sleep(BOUND).await;
        for keys in &fleet {
            assert_eq!(told(keys, &secret).await, "KEY_REVOKED", "{number}");
        }
    }
}
