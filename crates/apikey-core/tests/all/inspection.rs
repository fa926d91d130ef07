//! `KindeInspection`: one step at a time, with the verifier's settings and readings.

use apikey_core::{
    FailureClass, Health, InspectionToken, KindeInspection, KindeSettings, MachineToMachine, PresentedKey,
    Verifier as _,
};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, KeySpecification, NegativeAnswer, ScriptedAnswer};
use serde_json::{Value, json};

use crate::support::*;

fn inspection(emulator: &Emulator, changes: &[(&str, &str)]) -> KindeInspection {
    KindeInspection::new(settings_with(emulator, changes)).unwrap()
}

fn status(response: &apikey_core::KindeResponse) -> (u16, Value) {
    (response.status(), serde_json::from_slice(response.body().unwrap()).unwrap())
}

#[tokio::test]
async fn every_step_of_an_inspection_can_fail_by_itself() {
    let emulator = emulator().await;
    let kinde = inspection(&emulator, &[]);
    assert_eq!((kinde.connect().await, kinde.token().await), (Ok(()), Ok(())));
    assert_eq!(kinde.scope().await, Ok(true));
    assert_eq!(kinde.health().await, Health::Up);

    emulator.deny_scope(true);
    let error = kinde.scope().await.unwrap_err();
    assert!(error.reason().contains("KINDE_MANAGEMENT_CLIENT_ID"), "{error}");
    assert!(error.reason().contains("grant read:api_keys"), "{error}");
    emulator.deny_scope(false);

    // An odd answer and an outage say nothing about the scope.
    for fault in [Fault::status(500), Fault::status(400), Fault::Garbage] {
        emulator.set_fault(Endpoint::Verify, Some(fault.clone()));
        assert_eq!(kinde.scope().await, Ok(false), "{fault:?}");
    }
    emulator.set_fault(Endpoint::Verify, Some(Fault::status(401)));
    // This inspection knows that Kinde accepts its token for other keys, and the next one does not.
    assert_eq!(kinde.scope().await, Ok(false));
    let kinde = inspection(&emulator, &[]);
    assert_eq!(kinde.scope().await.unwrap_err().class(), FailureClass::ServiceRefused);
    emulator.set_fault(Endpoint::Verify, Some(Fault::status(500)));
    assert!(matches!(kinde.health().await, Health::Down(_)));

    let refused = inspection(&emulator, &[("KINDE_MANAGEMENT_CLIENT_SECRET", "another")]);
    let error = refused.token().await.unwrap_err();
    assert!(error.reason().contains("KINDE_MANAGEMENT_CLIENT_SECRET"), "{error}");
    assert_eq!(refused.connect().await, Ok(()));

    emulator.stop().await;
    let error = kinde.connect().await.unwrap_err();
    assert!(error.is_without_connection(), "{error}");
}

#[tokio::test]
async fn an_inspection_judges_answers_as_the_verifier_does() {
    let emulator = emulator().await;
    let keys = ["active", "inactive", "revoked"]
        .map(|status| emulator.create_key(KeySpecification::new(status).status(status)).secret);
    for style in [NegativeAnswer::Ok200, NegativeAnswer::Error400, NegativeAnswer::Error401] {
        emulator.set_negative_answer(style);
        let (kinde, verifier) = (inspection(&emulator, &[]), kinde(&emulator));
        for key in keys.iter().map(String::as_str).chain(["k_live_nobodys"]) {
            let response = kinde.verify_response(key, InspectionToken::Own).await.unwrap();
            let judged = verifier.verify(&PresentedKey::parse(key).unwrap()).await.unwrap();
            let read = kinde.judge(&response).unwrap();
            assert_eq!(read.is_accepted(), judged.is_accepted(), "{style:?}");
            if !read.is_accepted() {
                assert_eq!(read.verdict(), judged.verdict(), "{style:?}");
            }
        }
    }
    emulator.set_negative_answer(NegativeAnswer::Anonymous401);
    let (kinde, verifier) = (inspection(&emulator, &[]), kinde(&emulator));
    let response = kinde.verify_response("k_live_nobodys", InspectionToken::Own).await.unwrap();
    let nobodys = PresentedKey::parse("k_live_nobodys").unwrap();
    assert_eq!(
        kinde.judge(&response).unwrap_err().class(),
        verifier.verify(&nobodys).await.unwrap_err().class()
    );
}

#[tokio::test]
async fn an_inspection_sees_answers_as_they_came() {
    let emulator = emulator().await;
    let kinde = inspection(&emulator, &[]);
    let key = emulator.create_key(KeySpecification::new("one"));

    let token = kinde.token_response().await.unwrap().unwrap();
    assert_eq!((token.status(), &status(&token).1["expires_in"]), (200, &json!(86_399)));
    assert!(token.headers().any(|header| header == ("cache-control", "no-store")));

    let without = kinde.verify_response(&key.secret, InspectionToken::None).await.unwrap();
    assert_eq!(status(&without).1["errors"][0]["code"], "TOKEN_MISSING");
    let made_up = kinde.verify_response(&key.secret, InspectionToken::MadeUp).await.unwrap();
    assert_eq!(status(&made_up).1["errors"][0]["code"], "TOKEN_INVALID");
    let odd = kinde.verify_response("no \"key\"\n", InspectionToken::Own).await.unwrap();
    assert_eq!(status(&odd).1["is_valid"], false);
    let shown = kinde.key_response(&key.key_id, InspectionToken::Own).await.unwrap();
    assert_eq!(status(&shown).1["api_key"]["id"], *key.key_id);
    let nobodys = kinde.key_response("..%2Fverify?", InspectionToken::Own).await.unwrap();
    assert_eq!(nobodys.status(), 404);
    // An overload answers with a body, too.
    let busy = ScriptedAnswer::new(429, "busy").header("ratelimit-reset", "7");
    emulator.set_fault(Endpoint::Verify, Some(Fault::Answer(busy)));
    let busy = kinde.verify_response(&key.secret, InspectionToken::Own).await.unwrap();
    assert_eq!((busy.status(), busy.body()), (429, Some(b"busy".as_slice())));
    assert!(busy.headers().any(|header| header == ("ratelimit-reset", "7")));
}

#[tokio::test]
async fn an_inspection_asks_no_other_url_for_an_odd_key_id() {
    let emulator = emulator().await;
    let kinde = inspection(&emulator, &[]);
    let calls = emulator.counters();
    for key_id in ["", ".", "..", "/", "../verify", "..\\verify", "a/b", &"a".repeat(257)] {
        let error = kinde.key_response(key_id, InspectionToken::Own).await.unwrap_err();
        assert!(error.reason().contains("key's id"), "{key_id}: {error}");
    }
    assert_eq!(emulator.counters(), calls, "a call was made");
}

#[tokio::test]
async fn calls_of_an_inspection_share_one_token() {
    let emulator = emulator().await;
    let kinde = inspection(&emulator, &[]);
    kinde.token().await.unwrap();
    assert!(kinde.scope().await.unwrap());
    assert_eq!(kinde.health().await, Health::Up);
    let _ = kinde.verify_response("k_live_nobodys", InspectionToken::Own).await.unwrap();
    assert_eq!(emulator.counters().token_calls, 1);
}

#[tokio::test]
async fn an_inspection_knows_how_kinde_is_reached() {
    let credentials = MachineToMachine::new("client", "a secret of the client");
    let settings = KindeSettings::new("example.kinde.com").machine_to_machine(credentials);
    let kinde = KindeInspection::new(settings.clone().proxy("http://127.0.0.1:3128")).unwrap();
    assert_eq!((kinde.host(), kinde.port(), kinde.uses_tls()), ("example.kinde.com", 443, true));
    assert!(kinde.uses_proxy() && kinde.uses_token());
    assert!(!KindeInspection::new(settings.without_proxy()).unwrap().uses_proxy());
    assert!(!format!("{kinde:?}").contains("a secret"));

    let local =
        KindeSettings::from_variables(|name| (name == "KINDE_ISSUER_URL").then_some("http://[::1]:81"));
    let kinde = KindeInspection::new(local.unwrap().without_token()).unwrap();
    assert_eq!((kinde.host(), kinde.port(), kinde.uses_tls()), ("::1", 81, false));
    assert_eq!((kinde.uses_token(), kinde.domain_setting()), (false, "KINDE_ISSUER_URL"));
    assert!(kinde.token_response().await.unwrap().is_none());
}
