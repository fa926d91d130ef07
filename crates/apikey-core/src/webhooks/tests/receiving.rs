//! Webhooks, with an emulator that serves the key set.

use std::sync::Arc;
use std::time::Duration;

use apikey_testkit::emulator::{Endpoint, Fault, Gate, ScriptedAnswer};
use async_trait::async_trait;
use jiff::Timestamp;

use super::*;
use crate::webhooks::{KindeWebhooks, LONGEST_WEBHOOK, WebhookAnswer};
use crate::{
    Authenticator, Judgement, KindeSettings, ManualClock, PresentedKey, Verification, Verifier, VerifierError,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Accepts every key for the same user and organization.
struct Anyone;

#[async_trait]
impl Verifier for Anyone {
    async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
        let owned = Verification::active("id_1").with_user("kp_1").with_organization("org_1");
        Ok(Judgement::accepted(owned))
    }
}

/// An API with one cached key, and its Kinde.
struct Scene {
    emulator: Emulator,
    clock: Arc<ManualClock>,
    keys: Authenticator,
    webhooks: KindeWebhooks,
}

impl Scene {
    async fn new() -> Self {
        Self::at(Timestamp::now).await
    }

    async fn at(wall_clock: fn() -> Timestamp) -> Self {
        let (emulator, clock) = (Emulator::start().await.unwrap(), Arc::new(ManualClock::new()));
        let keys = Authenticator::builder(Anyone).clock(Arc::clone(&clock) as _);
        let keys = keys.cache_time_to_live(24 * 60 * MINUTE).build().unwrap();
        let settings = KindeSettings::new(emulator.url());
        let webhooks = KindeWebhooks::with_wall_clock(&keys, settings, wall_clock).unwrap();
        let scene = Self { emulator, clock, keys, webhooks };
        scene.cache_a_key().await;
        scene
    }

    async fn cache_a_key(&self) {
        self.keys.verify(PresentedKey::parse("k_live_1").unwrap()).await.unwrap();
        assert!(self.has_cached());
    }

    fn has_cached(&self) -> bool {
        !self.keys.cached("id_1").is_empty()
    }

    fn deleted(&self) -> String {
        self.emulator.webhook("user.deleted", json!({"user": {"id": "kp_1"}}))
    }

    async fn receive(&self, body: &str) -> WebhookAnswer {
        self.webhooks.receive(body.as_bytes()).await
    }

    fn key_set_calls(&self) -> u64 {
        self.emulator.counters().key_set_calls
    }

    /// A token by a key that nobody knows.
    fn by_unknown_key(&self) -> String {
        self.emulator.sign(&json!({"alg": "RS256", "kid": "unknown"}), b"{}")
    }

    fn counted(&self, result: &str) -> u64 {
        self.keys.statistics().total("apikey.webhooks", &[("result", result)])
    }
}

#[tokio::test]
async fn a_webhook_forgets_the_keys_of_who_is_gone() {
    let scene = Scene::new().await;
    for (kind, data) in [
        ("user.deleted", json!({"user": {"id": "kp_1"}})),
        ("user.updated", json!({"user": {"id": "kp_1", "is_suspended": true}})),
        ("organization.deleted", json!({"organization": {"code": "org_1"}})),
    ] {
        scene.cache_a_key().await;
        assert_eq!(
            scene.receive(&scene.emulator.webhook(kind, data)).await,
            WebhookAnswer::Removed,
            "{kind}"
        );
        assert!(!scene.has_cached(), "{kind}");
    }
    assert_eq!(scene.counted("removed"), 3);
    assert_eq!(scene.key_set_calls(), 1);
}

#[tokio::test]
async fn a_webhook_about_others_leaves_keys_alone() {
    let scene = Scene::new().await;
    for (kind, data, answer) in [
        ("user.deleted", json!({"user": {"id": "kp_2"}}), WebhookAnswer::Removed),
        ("user.updated", json!({"user": {"id": "kp_1", "is_suspended": false}}), WebhookAnswer::Ignored),
        ("made.up", json!({"user": {"id": "kp_1"}}), WebhookAnswer::Ignored),
        ("user.deleted", json!({"user": {}}), WebhookAnswer::Invalid),
    ] {
        assert_eq!(scene.receive(&scene.emulator.webhook(kind, data)).await, answer, "{kind}");
    }
    assert!(scene.has_cached());
}

#[tokio::test]
async fn a_webhook_that_kinde_did_not_sign_has_no_effect() {
    let scene = Scene::new().await;
    let (webhook, other) = (scene.deleted(), Emulator::start().await.unwrap());
    other.rotate_webhook_key();
    let payload = json!({
        "type": "user.deleted", "event_id": "1", "timestamp": Timestamp::now().to_string(),
        "data": {"user": {"id": "kp_1"}},
    });
    let payload = payload.to_string();
    for (body, answer) in [
        (other.sign(&header(&scene.emulator), payload.as_bytes()), WebhookAnswer::Unsigned),
        (other.sign(&header(&other), payload.as_bytes()), WebhookAnswer::Unsigned),
        (format!("{webhook}x"), WebhookAnswer::Invalid),
        (payload.clone(), WebhookAnswer::Invalid),
        (String::new(), WebhookAnswer::Invalid),
        (" ".repeat(LONGEST_WEBHOOK + 1), WebhookAnswer::TooLarge),
    ] {
        assert_eq!(scene.receive(&body).await, answer, "{body}");
    }
    assert!(scene.has_cached());
    assert_eq!(scene.counted("refused"), 6);
}

#[tokio::test]
async fn a_long_webhook_is_read_to_the_limit() {
    let scene = Scene::new().await;
    let webhook = scene.deleted();
    let padded = format!("{webhook}{}", " ".repeat(LONGEST_WEBHOOK - webhook.len()));
    assert_eq!(scene.receive(&padded).await, WebhookAnswer::Removed);
    assert_eq!(scene.receive(&format!("{padded} ")).await, WebhookAnswer::TooLarge);
}

#[tokio::test]
async fn an_old_webhook_has_no_effect() {
    let scene = Scene::at(|| Timestamp::now() + 49 * 60 * MINUTE).await;
    assert_eq!(scene.receive(&scene.deleted()).await, WebhookAnswer::Expired);
    let early = Scene::at(|| Timestamp::now() - 6 * MINUTE).await;
    assert_eq!(early.receive(&early.deleted()).await, WebhookAnswer::Expired);
    assert!(scene.has_cached() && early.has_cached());
    let late = Scene::at(|| Timestamp::now() + 37 * 60 * MINUTE).await;
    assert_eq!(late.receive(&late.deleted()).await, WebhookAnswer::Removed, "Kinde's last try");
}

#[tokio::test]
async fn a_repeated_event_is_handled_once() {
    let scene = Scene::new().await;
    let (body, other) = (scene.deleted(), scene.deleted());
    assert_eq!(scene.receive(&body).await, WebhookAnswer::Removed);
    scene.cache_a_key().await;
    for _ in 0..3 {
        assert_eq!(scene.receive(&body).await, WebhookAnswer::Repeated);
    }
    assert!(scene.has_cached());
    assert_eq!(scene.receive(&other).await, WebhookAnswer::Removed, "it is another event");
    assert!(!scene.has_cached());
    assert_eq!((scene.counted("repeated"), scene.counted("removed")), (3, 2));
}

#[tokio::test]
async fn unknown_keys_cause_one_fetch_a_minute() {
    let scene = Scene::new().await;
    assert_eq!(scene.receive(&scene.deleted()).await, WebhookAnswer::Removed);
    let flood = async |expected| {
        for _ in 0..100 {
            assert_eq!(scene.receive(&scene.by_unknown_key()).await, WebhookAnswer::Unsigned);
        }
        assert_eq!(scene.key_set_calls(), expected);
    };
    flood(1).await;
    scene.clock.advance(MINUTE);
    flood(2).await;
    scene.clock.advance(MINUTE - Duration::from_secs(1));
    flood(2).await;
    assert_eq!(scene.receive(&scene.deleted()).await, WebhookAnswer::Removed, "known keys serve meanwhile");
    assert_eq!(scene.key_set_calls(), 2);
}

#[tokio::test]
async fn a_rotated_key_is_learned_and_the_old_one_dropped() {
    let scene = Scene::new().await;
    let [old, another, late] = [(); 3].map(|()| scene.deleted());
    assert_eq!(scene.receive(&old).await, WebhookAnswer::Removed);
    scene.emulator.rotate_webhook_key();
    scene.clock.advance(MINUTE);
    assert_eq!(scene.receive(&another).await, WebhookAnswer::Removed, "nobody has said that it is gone");
    assert_eq!(scene.receive(&scene.deleted()).await, WebhookAnswer::Removed);
    assert_eq!(scene.key_set_calls(), 2);
    assert_eq!(scene.receive(&late).await, WebhookAnswer::Unsigned);
}

#[tokio::test]
async fn a_key_set_serves_for_an_hour() {
    let scene = Scene::new().await;
    let [old, another, late] = [(); 3].map(|()| scene.deleted());
    assert_eq!(scene.receive(&old).await, WebhookAnswer::Removed);
    scene.emulator.rotate_webhook_key();
    scene.clock.advance(60 * MINUTE - Duration::from_secs(1));
    assert_eq!(scene.receive(&another).await, WebhookAnswer::Removed);
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.receive(&late).await, WebhookAnswer::Unsigned, "the key is gone");
}

/// What a key set that can't be used looks like.
fn faults() -> Vec<Fault> {
    vec![
        Fault::status(503),
        Fault::status(404),
        Fault::status(429),
        Fault::Reset,
        Fault::Garbage,
        Fault::Empty,
        Fault::HugeBody(1_000_000),
        Fault::Redirect("/elsewhere".to_owned()),
        Fault::Answer(ScriptedAnswer::new(200, r#"{"keys":[]}"#)),
        Fault::Answer(ScriptedAnswer::new(203, r#"{"keys":[]}"#)),
    ]
}

#[tokio::test]
async fn a_webhook_waits_for_kinde_if_its_keys_are_not_known() {
    for fault in faults() {
        let scene = Scene::new().await;
        scene.emulator.set_fault(Endpoint::KeySet, Some(fault.clone()));
        for _ in 0..20 {
            assert_eq!(scene.receive(&scene.deleted()).await, WebhookAnswer::Unavailable, "{fault:?}");
        }
        assert!(scene.key_set_calls() <= 1, "{fault:?}");
        scene.emulator.set_fault(Endpoint::KeySet, None);
        scene.clock.advance(Duration::from_secs(5));
        assert!(scene.has_cached(), "{fault:?}");
        assert_eq!(scene.receive(&scene.deleted()).await, WebhookAnswer::Removed, "{fault:?}");
        assert_eq!(scene.counted("unavailable"), 20, "{fault:?}");
    }
}

#[tokio::test]
async fn known_keys_stay_in_use_if_a_fetch_fails() {
    for fault in faults() {
        let scene = Scene::new().await;
        assert_eq!(scene.receive(&scene.deleted()).await, WebhookAnswer::Removed);
        scene.emulator.set_fault(Endpoint::KeySet, Some(fault.clone()));
        for _ in 0..3 {
            scene.clock.advance(60 * MINUTE);
            assert_eq!(scene.receive(&scene.deleted()).await, WebhookAnswer::Removed, "{fault:?}");
            let unknown = scene.receive(&scene.by_unknown_key()).await;
            assert_eq!(unknown, WebhookAnswer::Unavailable, "nobody can tell: {fault:?}");
        }
    }
}

#[tokio::test]
async fn webhooks_share_one_fetch_and_cancel_none() {
    let scene = Scene::new().await;
    let gate = Gate::new();
    scene.emulator.set_fault(Endpoint::KeySet, Some(Fault::Hold(gate.clone())));
    let receive = || {
        let (webhooks, body) = (scene.webhooks.clone(), scene.deleted());
        tokio::spawn(async move { webhooks.receive(body.as_bytes()).await })
    };
    let first = receive();
    scene.emulator.wait_until(|counters| counters.key_set_calls == 1).await;
    let others = [(); 20].map(|()| receive());
    first.abort();
    gate.open();
    for other in others {
        assert_eq!(other.await.unwrap(), WebhookAnswer::Removed);
    }
    assert_eq!(scene.key_set_calls(), 1);
}

#[test]
fn a_webhook_needs_no_runtime_of_the_caller() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scene = runtime.block_on(Scene::new());
    let body = scene.deleted();
    let mut receiving = Box::pin(scene.webhooks.receive(body.as_bytes()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let answer = loop {
        match receiving.as_mut().poll(&mut context) {
            std::task::Poll::Ready(answer) => break answer,
            std::task::Poll::Pending => std::thread::yield_now(),
        }
    };
    assert_eq!(answer, WebhookAnswer::Removed);
}

#[test]
fn answers_are_json_and_say_how_long_a_webhook_may_be() {
    use WebhookAnswer::*;
    for answer in [Removed, Repeated, Ignored, Invalid, Expired, Unsigned, TooLarge, Unavailable] {
        let body: Value = serde_json::from_str(answer.body()).unwrap();
        assert_eq!(body.get("result").is_some(), answer.status() == 200, "{answer:?}");
        assert_eq!(body.get("code").is_some(), answer.status() != 200, "{answer:?}");
    }
    assert!(TooLarge.body().contains(&LONGEST_WEBHOOK.to_string()));
}
