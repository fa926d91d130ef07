//! A webhook of Kinde's reaches every instance.

use super::support::*;
use apikey_core::webhooks::{KindeWebhooks, WebhookAnswer};
use apikey_core::{Authenticator, KindeSettings, Verification};
use apikey_testkit::emulator::Emulator;
use apikey_testkit::store::MemoryStore;
use serde_json::json;
use tokio::time::{Instant, pause, sleep};

/// Webhooks whose keys are known, so that the clock may stand still from now on.
async fn webhooks(emulator: &Emulator, keys: &Authenticator) -> KindeWebhooks {
    let webhooks = KindeWebhooks::new(keys, KindeSettings::new(emulator.url())).unwrap();
    let harmless = emulator.webhook("user.created", json!({}));
    assert_eq!(webhooks.receive(harmless.as_bytes()).await, WebhookAnswer::Ignored);
    pause();
    webhooks
}

fn suspended(emulator: &Emulator) -> String {
    emulator.webhook("user.updated", json!({"user": {"id": "kp_1", "is_suspended": true}}))
}

fn owned() -> Verification {
    Verification::active("id_1").with_user("kp_1")
}

#[tokio::test]
async fn a_webhook_at_one_instance_removes_at_all() {
    let (kinde, store, emulator) = (Kinde::default(), MemoryStore::new(), Emulator::start().await.unwrap());
    let fleet: [_; 3] = std::array::from_fn(|_| instance(&kinde, &store));
    let webhooks = webhooks(&emulator, &fleet[0]).await;
    sleep(LINKED).await;
    kinde.set("k_live_1", owned());
    for keys in &fleet {
        assert!(verify(keys, "k_live_1").await.is_ok());
    }
    kinde.revoke("k_live_1");
    assert_eq!(webhooks.receive(suspended(&emulator).as_bytes()).await, WebhookAnswer::Removed);
    assert_eq!(told(&fleet[0], "k_live_1").await, "KEY_REVOKED", "here at once");
    sleep(BOUND).await;
    for keys in &fleet {
        assert_eq!(told(keys, "k_live_1").await, "KEY_REVOKED");
    }
}

#[tokio::test]
async fn a_webhook_is_taken_only_when_the_fleet_has_it() {
    let (kinde, store, emulator) = (Kinde::default(), MemoryStore::new(), Emulator::start().await.unwrap());
    let (mine, others) = (store.other_client(), store.other_client());
    let build = |store: &MemoryStore| alone(&kinde).shared(store.clone(), secrets(SECRET)).build().unwrap();
    let (keys, other) = (build(&mine), build(&others));
    let webhooks = webhooks(&emulator, &keys).await;
    sleep(LINKED).await;
    kinde.set("k_live_1", owned());
    assert!(verify(&keys, "k_live_1").await.is_ok() && verify(&other, "k_live_1").await.is_ok());
    mine.set_unavailable(true);
    kinde.revoke("k_live_1");
    let body = suspended(&emulator);
    let began = Instant::now();
    assert_eq!(webhooks.receive(body.as_bytes()).await, WebhookAnswer::Unavailable);
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(told(&keys, "k_live_1").await, "KEY_REVOKED", "it took effect here");
    assert!(verify(&other, "k_live_1").await.is_ok(), "nobody could tell it");
    mine.set_unavailable(false);
    assert_eq!(webhooks.receive(body.as_bytes()).await, WebhookAnswer::Removed, "it is tried again");
    sleep(BOUND).await;
    assert_eq!(told(&other, "k_live_1").await, "KEY_REVOKED");
    assert_eq!(webhooks.receive(body.as_bytes()).await, WebhookAnswer::Repeated);
}

#[tokio::test]
async fn a_webhook_whose_sender_goes_away_still_reaches_the_fleet() {
    let (kinde, store, emulator) = (Kinde::default(), MemoryStore::new(), Emulator::start().await.unwrap());
    let (mine, others) = (store.other_client(), store.other_client());
    let build = |store: &MemoryStore| alone(&kinde).shared(store.clone(), secrets(SECRET)).build().unwrap();
    let (keys, other) = (build(&mine), build(&others));
    let webhooks = webhooks(&emulator, &keys).await;
    sleep(LINKED).await;
    kinde.set("k_live_1", owned());
    assert!(verify(&other, "k_live_1").await.is_ok());
    kinde.revoke("k_live_1");
    mine.set_unavailable(true);
    let body = suspended(&emulator);
    let receiving = webhooks.receive(body.as_bytes());
    assert!(tokio::time::timeout(MILLISECOND, receiving).await.is_err());
    mine.set_unavailable(false);
    sleep(5 * SECOND).await;
    assert_eq!(told(&other, "k_live_1").await, "KEY_REVOKED");
}
