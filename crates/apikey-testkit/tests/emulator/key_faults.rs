//! Faults and answers for certain keys only.

use std::{io::ErrorKind, time::Duration};

use apikey_testkit::{
    emulator::{Endpoint, Fault, KeySpecification, NegativeAnswer, ScriptedAnswer},
    raw::Connection,
};

use crate::Scene;

#[tokio::test]
async fn one_keys_fault_leaves_the_others_alone() {
    let scene = Scene::new().await;
    let odd = scene.emulator.create_key(KeySpecification::new("odd"));
    for (fault, status) in [
        (Fault::status(503), 503),
        (Fault::TooManyRequests { rate_limit_reset: None, retry_after: Some(3600) }, 429),
        (Fault::Answer(ScriptedAnswer::json(200, &serde_json::json!({"is_valid": true}))), 200),
        (Fault::Latency(Duration::from_millis(1)), 200),
    ] {
        scene.emulator.set_key_fault(&odd.secret, Some(fault));
        assert_eq!(scene.verify(&odd.secret).await.status, status);
        assert_eq!(scene.verify(&scene.key.secret).await.json()["is_valid"], true);
    }
    scene.emulator.set_key_fault(&odd.secret, Some(Fault::Reset));
    let error = scene.send(&scene.verification(&odd.secret)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    scene.emulator.set_key_fault(&odd.secret, Some(Fault::Hang));
    let mut hanging = Connection::connect(scene.emulator.address()).await.unwrap();
    hanging.send(&scene.verification(&odd.secret)).await.unwrap();
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    assert_eq!(scene.verify(&scene.key.secret).await.json()["is_valid"], true);
    assert_eq!(scene.emulator.verify_calls_for(&odd.secret), 6);
    scene.emulator.set_key_fault(&odd.secret, None);
    assert_eq!(scene.verify(&odd.secret).await.json()["is_valid"], true);
}

#[tokio::test]
async fn a_keys_fault_comes_first_and_uses_up_no_script() {
    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::status(500)));
    scene.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::status(502))]);
    scene.emulator.set_key_fault("made_up", Some(Fault::Flap));
    let mut statuses = Vec::new();
    for secret in ["made_up", "made_up", "other", "other"] {
        statuses.push(scene.verify(secret).await.status);
    }
    // A flap starts with a normal answer, although the endpoint has a fault.
    assert_eq!(statuses, [200, 503, 502, 500]);
}

#[tokio::test]
async fn a_prefix_concerns_known_and_made_up_keys() {
    let scene = Scene::new().await;
    let known = scene.emulator.create_key(KeySpecification::new("odd").secret("odd_1"));
    scene.emulator.set_prefix_fault("odd_", Some(Fault::status(503)));
    scene.emulator.set_prefix_fault("odd_2", Some(Fault::status(404)));
    scene.emulator.set_key_fault("odd_3", Some(Fault::status(400)));
    for (secret, status) in [(known.secret.as_str(), 503), ("odd_2x", 404), ("odd_3", 400), ("odd", 200)] {
        assert_eq!(scene.verify(secret).await.status, status, "{secret}");
    }
    scene.emulator.set_prefix_fault("odd_", None);
    assert_eq!(scene.verify(&known.secret).await.json()["is_valid"], true);
    assert_eq!(scene.verify("odd_2x").await.status, 404);
    scene.emulator.clear_key_faults();
    assert_eq!(scene.verify("odd_2x").await.json()["is_valid"], false);
}

#[tokio::test]
async fn unknown_keys_have_a_fault_of_their_own() {
    let scene = Scene::new().await;
    scene.emulator.set_unknown_key_fault(Some(Fault::status(503)));
    assert_eq!(scene.verify("unknown").await.status, 503);
    assert_eq!(scene.try_verify().await.unwrap().json()["is_valid"], true);
    scene.emulator.revoke(&scene.key.key_id);
    assert_eq!(scene.try_verify().await.unwrap().json()["status"], "revoked");
    scene.emulator.rotate(&scene.key.key_id);
    assert_eq!(scene.try_verify().await.unwrap().status, 503);
}

#[tokio::test]
async fn negative_answers_need_not_be_readable() {
    let scene = Scene::new().await;
    scene.emulator.revoke(&scene.key.key_id);
    for (style, status, body) in [
        (NegativeAnswer::Bare400, 400, ""),
        (NegativeAnswer::Bare401, 401, ""),
        (NegativeAnswer::Bare403, 403, ""),
        (NegativeAnswer::Bare404, 404, ""),
        (NegativeAnswer::Unreadable200, 200, "{}"),
        (NegativeAnswer::Garbage200, 200, "Everything is fine."),
    ] {
        scene.emulator.set_negative_answer(style);
        for secret in ["unknown", scene.key.secret.as_str()] {
            let response = scene.verify(secret).await;
            assert_eq!((response.status, response.body_text().as_str()), (status, body));
        }
    }
}

#[tokio::test]
async fn unknown_keys_can_be_answered_apart() {
    let scene = Scene::new().await;
    scene.emulator.revoke(&scene.key.key_id);
    scene.emulator.set_unknown_key_answer(Some(NegativeAnswer::Bare401));
    let response = scene.verify("unknown").await;
    assert_eq!((response.status, response.body.len()), (401, 0));
    assert_eq!(scene.try_verify().await.unwrap().json()["status"], "revoked");
    scene.emulator.set_unknown_key_answer(None);
    assert_eq!(scene.verify("unknown").await.json()["is_valid"], false);
    // The token is checked first. With a wrong one, the emulator does not look at the key.
    scene.emulator.set_unknown_key_answer(Some(NegativeAnswer::Unreadable200));
    scene.emulator.revoke_tokens();
    assert_eq!(scene.verify("unknown").await.json()["errors"][0]["code"], "TOKEN_INVALID");
}
