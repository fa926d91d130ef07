//! Webhooks that can't be verified.

use std::sync::Arc;
use std::time::Duration;

use apikey_core::webhooks::{KindeWebhooks, WebhookAnswer};
use apikey_core::{Authenticator, KindeSettings, ManualClock};
use apikey_testkit::FakeVerifier;
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, ScriptedAnswer};
use serde_json::json;
use tokio::runtime::Handle;

use crate::log::Log;

struct Scene {
    emulator: Emulator,
    clock: Arc<ManualClock>,
    webhooks: KindeWebhooks,
}

async fn scene() -> Scene {
    let (emulator, clock) = (Emulator::start().await.unwrap(), Arc::new(ManualClock::new()));
    let keys = Authenticator::builder(FakeVerifier::new())
        .clock(Arc::clone(&clock) as _)
        .verification_runtime(Handle::current())
        .build()
        .unwrap();
    let webhooks = KindeWebhooks::new(&keys, KindeSettings::new(emulator.url())).unwrap();
    Scene { emulator, clock, webhooks }
}

#[tokio::test]
async fn forged_webhooks_are_logged_once_a_minute_and_not_quoted() {
    let (log, _listening) = Log::listen().await;
    let Scene { emulator, clock, webhooks } = scene().await;
    let (attacker, kid) = (Emulator::start().await.unwrap(), emulator.webhook_key());
    attacker.rotate_webhook_key();
    let flood = async || {
        for number in 0..100 {
            let header = json!({"alg": "RS256", "kid": kid, "x": format!("evil-{number}\n")});
            let forged = attacker.sign(&header, br#"{"type":"evil-type","event_id":"evil-id"}"#);
            assert_eq!(webhooks.receive(forged.as_bytes()).await, WebhookAnswer::Unsigned);
        }
    };
    flood().await;
    let lines = log.take();
    assert_eq!(lines.matches("WARN").count(), 1, "{lines}");
    assert!(lines.contains("none of Kinde's keys") && !lines.contains("evil"), "{lines}");
    clock.advance(Duration::from_secs(60));
    flood().await;
    let lines = log.take();
    assert!(lines.matches("WARN").count() == 1 && lines.contains("more=99"), "{lines}");
}

#[tokio::test]
async fn a_key_set_that_cannot_be_fetched_is_logged_and_not_quoted() {
    let (log, _listening) = Log::listen().await;
    for fault in [
        Fault::Answer(ScriptedAnswer::new(200, "evil")),
        Fault::Answer(ScriptedAnswer::new(200, r#"{"keys":["evil"]}"#)),
        Fault::Answer(ScriptedAnswer::new(404, "evil")),
        Fault::status(503),
    ] {
        let Scene { emulator, webhooks, .. } = scene().await;
        emulator.set_fault(Endpoint::KeySet, Some(fault.clone()));
        let webhook = emulator.webhook("user.deleted", json!({"user": {"id": "kp_secret"}}));
        assert_eq!(webhooks.receive(webhook.as_bytes()).await, WebhookAnswer::Unavailable);
        let lines = log.take();
        assert_eq!(lines.matches("WARN").count(), 1, "{fault:?}: {lines}");
        assert!(lines.contains("Kinde's webhooks can't be verified: Kinde's key set"), "{lines}");
        assert!(!lines.contains("evil") && !lines.contains("kp_secret"), "{lines}");
    }
}

#[tokio::test]
async fn a_webhook_that_removes_is_logged_without_names() {
    let (log, _listening) = Log::listen().await;
    let Scene { emulator, webhooks, .. } = scene().await;
    let webhook = emulator.webhook("user.deleted", json!({"user": {"id": "kp_secret"}}));
    assert_eq!(webhooks.receive(webhook.as_bytes()).await, WebhookAnswer::Removed);
    let lines = log.take();
    assert!(lines.contains("a webhook of Kinde's removed 0 cached answers"), "{lines}");
    assert!(!lines.contains("_secret") && !lines.contains("event_"), "{lines}");
}
