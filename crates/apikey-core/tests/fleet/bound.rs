//! Instances that take only keys of one API share their answers with those that check the same.

use super::support::*;
use apikey_core::{Authenticator, Judgement, PresentedKey, Refusal, Verification, Verifier, VerifierError};
use apikey_testkit::store::MemoryStore;
use tokio::time::sleep;

/// A Kinde that accepts only keys whose text names this API.
struct Bound(Kinde, &'static str);

#[async_trait::async_trait]
impl Verifier for Bound {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        let judgement = self.0.verify(key).await?;
        let is_for_it = key.expose().contains(self.1);
        Ok(if is_for_it { judgement } else { Judgement::refused(Refusal::OtherApi) })
    }

    fn further_checks(&self) -> Vec<String> {
        vec![format!("api:{}", self.1)]
    }
}

fn bound_to(api_id: &'static str, kinde: &Kinde, store: &MemoryStore) -> Authenticator {
    alone_with(Bound(kinde.clone(), api_id)).shared(store.other_client(), secrets(SECRET)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn instances_of_one_api_share_what_they_checked() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let fleet: [_; 3] = std::array::from_fn(|_| bound_to("api_1", &kinde, &store));
    sleep(LINKED).await;
    kinde.set("k_api_1", Verification::active("id_1"));
    assert_eq!(told(&fleet[0], "k_api_1").await, "verified");
    sleep(MILLISECOND).await;
    for keys in &fleet[1..] {
        assert_eq!(told(keys, "k_api_1").await, "shared");
    }
    assert_eq!(kinde.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bound_instance_believes_no_entry_without_its_check() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let unbound = instance(&kinde, &store);
    let [one, two] = ["api_1", "api_2"].map(|api_id| bound_to(api_id, &kinde, &store));
    sleep(LINKED).await;
    for secret in ["k_of_api_1", "k_of_nothing"] {
        kinde.set(secret, Verification::active(format!("id_{secret}")));
    }
    // An instance that checks nothing shares first.
    assert_eq!(told(&unbound, "k_of_nothing").await, "verified");
    sleep(MILLISECOND).await;
    assert_eq!(told(&one, "k_of_nothing").await, "API_MISMATCH");
    assert_eq!(told(&unbound, "k_of_api_1").await, "verified");
    sleep(MILLISECOND).await;
    assert_eq!(told(&one, "k_of_api_1").await, "verified");
    // Now the entry says that the key is for the first API.
    sleep(MILLISECOND).await;
    assert_eq!(told(&two, "k_of_api_1").await, "API_MISMATCH");
    let other = instance(&kinde, &store);
    sleep(LINKED).await;
    assert_eq!(told(&other, "k_of_api_1").await, "shared", "it needs no check");
}

#[tokio::test(start_paused = true)]
async fn a_removal_reaches_instances_of_every_api() {
    let (kinde, store) = (Kinde::default(), MemoryStore::new());
    let unbound = instance(&kinde, &store);
    let [one, two] = ["api_1", "api_2"].map(|api_id| bound_to(api_id, &kinde, &store));
    sleep(LINKED).await;
    kinde.set("k_api_1_api_2", Verification::active("id_1"));
    for keys in [&unbound, &one, &two] {
        verify(keys, "k_api_1_api_2").await.unwrap();
        assert_eq!(told(keys, "k_api_1_api_2").await, "hit");
    }
    kinde.revoke("k_api_1_api_2");
    one.remove_key_id("id_1").await;
    sleep(BOUND).await;
    for keys in [&unbound, &one, &two] {
        assert!(verify(keys, "k_api_1_api_2").await.is_err());
    }
}
