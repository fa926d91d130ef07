//! TLS with a real server. The test makes the server's certificate.

use std::sync::Arc;
use std::time::Duration;

use apikey_core::{
    Authenticator, FailureClass, KindeSettings, KindeVerifier, PresentedKey, Verifier, VerifierError,
};
use apikey_testkit::emulator::{Alpn, Emulator, Endpoint, Fault, Gate, KeySpecification, TlsIdentity};
use tokio::task::JoinSet;

fn settings(emulator: &Emulator) -> KindeSettings {
    let environment = emulator.environment();
    KindeSettings::from_variables(|name| Some(&environment.iter().find(|(known, _)| *known == name)?.1))
        .unwrap()
}

fn trusting(emulator: &Emulator, identity: &TlsIdentity) -> KindeVerifier {
    KindeVerifier::new(settings(emulator).root_certificate(identity.root_pem())).unwrap()
}

fn good_key(emulator: &Emulator) -> PresentedKey {
    PresentedKey::parse(&emulator.create_key(KeySpecification::new("good")).secret).unwrap()
}

async fn is_accepted(verifier: &KindeVerifier, key: &PresentedKey) -> bool {
    verifier.verify(key).await.unwrap().is_accepted()
}

async fn refused_certificate(served: &TlsIdentity, trusted: &TlsIdentity) -> VerifierError {
    let emulator = Emulator::builder().tls(served).start().await.unwrap();
    let verifier = trusting(&emulator, trusted);
    let key = good_key(&emulator);
    let error = verifier.verify(&key).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Outage, "{error}");
    assert!(error.is_without_connection());
    let health = verifier.check().await;
    assert!(health.clone().into_result().is_err(), "{health:?}");
    assert_eq!(
        (emulator.counters().verify_calls, emulator.counters().token_calls),
        (0, 0),
        "nothing was sent"
    );
    error
}

#[tokio::test]
async fn a_certificate_that_is_trusted_serves() {
    let identity = TlsIdentity::generate(["localhost"]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let (verifier, key) = (trusting(&emulator, &identity), good_key(&emulator));
    for _ in 0..20 {
        assert!(is_accepted(&verifier, &key).await);
    }
    let counters = emulator.counters();
    assert_eq!((counters.token_calls, counters.verify_calls), (1, 20));
    assert!(counters.connections <= 2, "{counters:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let identity = TlsIdentity::generate(["localhost"]);
    let error = refused_certificate(&identity.for_other_names(["elsewhere.example"]), &identity).await;
    assert!(error.reason().contains("another name"), "{error}");
    assert!(!error.reason().contains("elsewhere"), "nothing of the certificate is repeated: {error}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let identity = TlsIdentity::generate(["localhost"]);
    let error = refused_certificate(&identity, &TlsIdentity::generate(["localhost"])).await;
    assert!(error.reason().contains("root_certificate"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused() {
    let identity = TlsIdentity::generate(["localhost"]);
    let error = refused_certificate(&identity.expired(), &identity).await;
    assert!(error.reason().contains("expired"), "{error}");
}

#[tokio::test]
async fn the_platforms_own_authorities_do_not_vouch_for_an_emulator() {
    let identity = TlsIdentity::generate(["localhost"]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let key = good_key(&emulator);
    // A machine without certificate authorities may refuse at start-up.
    if let Ok(verifier) = KindeVerifier::new(settings(&emulator)) {
        assert_eq!(verifier.verify(&key).await.unwrap_err().class(), FailureClass::Outage);
    }
    assert_eq!(emulator.counters().token_calls, 0);
}

#[tokio::test]
async fn several_authorities_can_be_added() {
    let (one, other) = (TlsIdentity::generate(["localhost"]), TlsIdentity::generate(["localhost"]));
    let emulator = Emulator::builder().tls(&other).start().await.unwrap();
    let key = good_key(&emulator);
    let both = format!("# two of them\n{}\n{}", one.root_pem(), other.root_pem());
    for settings in [
        settings(&emulator).root_certificate(&both),
        settings(&emulator).root_certificate(one.root_pem()).root_certificate(other.root_pem()),
    ] {
        assert!(is_accepted(&KindeVerifier::new(settings).unwrap(), &key).await);
    }
}

#[test]
fn a_root_certificate_without_use_is_refused_at_start_up() {
    let (start, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let key = format!(
        "{}\nAAAA\n{}",
        start.replace("CERTIFICATE", "PRIVATE KEY"),
        end.replace("CERTIFICATE", "PRIVATE KEY")
    );
    for pem in
        ["", "no PEM", &format!("{start}\n%%%%\n{end}\n"), &format!("{start}\nAAAA\n{end}\n"), start, &key]
    {
        for domain in ["https://localhost:1", "http://127.0.0.1:1"] {
            let settings = KindeSettings::new(domain).without_token().root_certificate(pem);
            let error = KindeVerifier::new(settings).unwrap_err();
            assert_eq!(error.setting(), "root_certificate", "{pem:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_closes_while_idle_costs_no_answer() {
    let identity = TlsIdentity::generate(["localhost"]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let (verifier, key) = (trusting(&emulator, &identity), good_key(&emulator));
    assert!(is_accepted(&verifier, &key).await);
    for closed in 1..=10 {
        let before = emulator.counters().connections;
        assert!(emulator.drain_connections() >= 1);
        // Until both sides know that the connection is closed.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(is_accepted(&verifier, &key).await, "after {closed}");
        assert_eq!(emulator.counters().connections, before + 1);
    }
}

/// The close may still be on its way when the next call goes out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_closes_at_its_second_use_costs_no_answer() {
    let identity = TlsIdentity::generate(["localhost"]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let authenticator = Authenticator::builder(trusting(&emulator, &identity)).build().unwrap();
    emulator.close_connections_at_use(Some(2));
    for _ in 0..40 {
        authenticator.verify(good_key(&emulator)).await.unwrap();
    }
}

#[tokio::test]
async fn http_1_1_alone_is_offered_and_spoken() {
    let identity = TlsIdentity::generate(["localhost"]);
    for alpn in [Alpn::Http1, Alpn::Http2, Alpn::None] {
        let emulator = Emulator::builder().tls(&identity).alpn(alpn).start().await.unwrap();
        let (verifier, key) = (trusting(&emulator, &identity), good_key(&emulator));
        assert!(is_accepted(&verifier, &key).await, "{alpn:?}");
        assert!(matches!(verifier.check().await, apikey_core::Health::Up));
        let offers: Vec<String> = emulator.alpn_offers().into_keys().collect();
        assert_eq!(offers, ["http/1.1"], "{alpn:?}");
        assert_eq!(emulator.counters().http2_connections, 0);
    }
}

/// Makes this many calls at once, each on a connection of its own.
async fn burst(emulator: &Emulator, verifier: &Arc<KindeVerifier>, key: &PresentedKey, calls: u64) {
    let gate = Gate::new();
    emulator
        .script_faults(Endpoint::Verify, vec![Some(Fault::Hold(gate.clone())); calls.try_into().unwrap()]);
    let mut tasks = JoinSet::new();
    for _ in 0..calls {
        let (verifier, key) = (Arc::clone(verifier), PresentedKey::parse(key.expose()).unwrap());
        tasks.spawn(async move { is_accepted(&verifier, &key).await });
    }
    emulator.wait_until(|counters| counters.verifications_in_flight == calls).await;
    gate.open();
    assert!(tasks.join_all().await.into_iter().all(|is_accepted| is_accepted));
}

#[tokio::test]
async fn later_bursts_resume_the_sessions_of_the_first() {
    let identity = TlsIdentity::generate(["localhost"]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let (verifier, key) = (Arc::new(trusting(&emulator, &identity)), good_key(&emulator));
    burst(&emulator, &verifier, &key, 64).await;
    let first = emulator.counters();
    burst(&emulator, &verifier, &key, 64).await;
    let second = emulator.counters();
    println!("first {first:?}\nsecond {second:?}");
    assert_eq!(second.connections, first.connections, "the pool serves the second burst");
    // Now the pool is replaced.
    emulator.cut_connections();
    emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    burst(&emulator, &verifier, &key, 64).await;
    let third = emulator.counters();
    println!("third {third:?}");
    assert_eq!(third.connections, second.connections + 64);
    let full = third.tls_handshakes - second.tls_handshakes;
    assert!(full <= 16, "{full} full handshakes of 64");
}
