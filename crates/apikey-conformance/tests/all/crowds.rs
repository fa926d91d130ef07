//! Crowds that are too large to run on every adapter.

use std::time::Duration;

use apikey_conformance::Adapter as _;
use apikey_core::{
    Authenticator, AuthenticatorBuilder, Decision, KindeSettings, KindeVerifier, MachineToMachine,
    PlainRequest, Policy, PresentedKey, Verification,
};
use apikey_testkit::FakeVerifier;
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, Gate, KeySpecification};
use apikey_testkit::raw::{self, Connection};
use tokio::task::JoinSet;

use crate::reference::Reference;

const MINUTE: Duration = Duration::from_secs(60);

fn builder(emulator: &Emulator) -> AuthenticatorBuilder {
    let credentials = MachineToMachine::new(emulator.client_id(), emulator.client_secret());
    let settings =
        KindeSettings::new(emulator.url()).machine_to_machine(credentials).audience(emulator.audience());
    Authenticator::builder(KindeVerifier::new(settings).unwrap()).verification_timeout(MINUTE)
}

fn hold(emulator: &Emulator) -> Gate {
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    gate
}

/// Sent by one of a hundred clients, so that none gets more than its share.
fn request(secret: &str, number: usize) -> PlainRequest {
    let request = PlainRequest::new().with_header("Authorization", format!("Bearer {secret}"));
    request.with_peer([192, 0, 2, (number % 100) as u8].into())
}

/// 500 connections with ten pipelined requests each, and 5,000 callers within the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_callers_one_key_one_call() {
    let emulator = Emulator::start().await.unwrap();
    let key = emulator.create_key(KeySpecification::new("one"));
    let authenticator = builder(&emulator).build().unwrap();
    let server = Reference::start(authenticator.clone()).await;
    let (gate, any_key) = (hold(&emulator), Policy::any_key());

    let bearer = format!("Bearer {}", key.secret);
    let pipelined = raw::get("/me", &[("Authorization", &bearer)]).repeat(10);
    let mut connections = Vec::new();
    for _ in 0..500 {
        let mut connection = Connection::connect(server.address()).await.unwrap();
        connection.send(&pipelined).await.unwrap();
        connections.push(connection);
    }
    emulator.wait_until(|counters| counters.verify_calls == 1).await;
    let mut waiting = JoinSet::new();
    for number in 0..5_000 {
        let head = request(&key.secret, number);
        let attempt = authenticator.begin(&head);
        let decision = authenticator.gate(&any_key).decide(attempt, &head, |key| key);
        let Decision::Pending(pending) = decision else { panic!("the gate is closed: {decision:?}") };
        waiting.spawn(pending);
    }
    gate.open();
    let mut answers = 0;
    while let Some(answered) = waiting.join_next().await {
        assert_eq!(answered.unwrap().unwrap().key_id(), key.key_id);
        answers += 1;
    }
    for connection in &mut connections {
        for _ in 0..10 {
            let answer = connection.read_response(false).await.unwrap();
            assert_eq!((answer.status, &answer.json()["key_id"]), (200, &key.key_id.clone().into()));
            answers += 1;
        }
    }
    let counters = emulator.counters();
    assert_eq!((answers, counters.verify_calls, counters.token_calls), (10_000, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_distinct_cold_keys_never_pass_the_cap() {
    let emulator = Emulator::start().await.unwrap();
    let authenticator =
        builder(&emulator).max_in_flight(64).retries(false).circuit_breaker(false).build().unwrap();
    let secrets: Vec<String> = (0..10_000)
        .map(|number| {
            emulator.create_key(KeySpecification::new("cold").key_id(format!("api_key_{number}"))).secret
        })
        .collect();

    let (gate, any_key) = (hold(&emulator), Policy::any_key());
    let mut waiting = JoinSet::new();
    let mut turned_away = Vec::new();
    for (number, secret) in secrets.iter().enumerate() {
        let head = request(secret, number);
        let attempt = authenticator.begin(&head);
        match authenticator.gate(&any_key).decide(attempt, &head, |key| key) {
            Decision::Decided(Err(denial)) => {
                assert_eq!((denial.status(), denial.retry_after_seconds()), (503, Some(1)));
                turned_away.push(number);
            }
            Decision::Pending(pending) => drop(waiting.spawn(async move { (number, pending.await) })),
            other => panic!("{other:?}"),
        }
    }
    // 64 are in flight, and 256 wait for them.
    assert_eq!((waiting.len(), turned_away.len()), (320, 10_000 - 320));
    emulator.wait_until(|counters| counters.verifications_in_flight == 64).await;
    gate.open();
    while let Some(answered) = waiting.join_next().await {
        let (number, key) = answered.unwrap();
        assert_eq!(key.unwrap().key_id(), format!("api_key_{number}"));
    }

    // The refused callers come again, all at once and as soon as they can.
    emulator.set_fault(Endpoint::Verify, Some(Fault::Latency(Duration::from_millis(1))));
    let persistent = &turned_away[..1_000];
    for number in persistent.iter().copied() {
        let (authenticator, request) = (authenticator.clone(), request(&secrets[number], number));
        waiting.spawn(async move {
            loop {
                match authenticator.authenticate(&request).await {
                    Err(denial) if denial.status() == 503 => tokio::task::yield_now().await,
                    other => return (number, other),
                }
            }
        });
    }
    while let Some(answered) = waiting.join_next().await {
        let (number, key) = answered.unwrap();
        assert_eq!(key.unwrap().key_id(), format!("api_key_{number}"));
    }
    let counters = emulator.counters();
    assert_eq!(counters.verify_calls, 320 + 1_000);
    assert!(counters.most_verifications_in_flight <= 64, "{counters:?}");
    assert_eq!(counters.verifications_in_flight, 0);
}

/// Without optimisation a tenth of them, so that the test is short.
const JUNK: usize = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_junk_keys_leave_good_ones_cached() {
    const GOOD: usize = 1_000;
    let verifier = FakeVerifier::new();
    for number in 0..GOOD {
        verifier.answer(
            format!("k_live_good_{number}"),
            Ok(apikey_core::Judgement::accepted(Verification::active(format!("api_key_{number}")))),
        );
    }
    let authenticator = Authenticator::builder(verifier.clone())
        .cache_capacity(2 * GOOD)
        .negative_time_to_live(MINUTE)
        .build()
        .unwrap();
    let verify = async |authenticator: &Authenticator, secret: String| {
        authenticator.verify(PresentedKey::parse(&secret).unwrap()).await
    };
    for number in 0..GOOD {
        let key = verify(&authenticator, format!("k_live_good_{number}")).await.unwrap();
        assert!(!key.is_from_cache());
    }
    let mut floods = JoinSet::new();
    let workers = 32;
    for worker in 0..workers {
        let authenticator = authenticator.clone();
        floods.spawn(async move {
            for number in (worker..JUNK).step_by(workers) {
                let key = PresentedKey::parse(&format!("k_live_junk_{number}")).unwrap();
                let denial = authenticator.verify(key).await.unwrap_err();
                assert_eq!(denial.status(), 401);
            }
        });
    }
    while let Some(flood) = floods.join_next().await {
        flood.unwrap();
    }
    assert_eq!(verifier.calls(), (GOOD + JUNK) as u64);
    for number in 0..GOOD {
        let key = verify(&authenticator, format!("k_live_good_{number}")).await.unwrap();
        assert!(key.is_from_cache(), "junk pushed out {number}");
        assert_eq!(key.key_id(), format!("api_key_{number}"));
    }
    assert_eq!(verifier.calls(), (GOOD + JUNK) as u64);
}
