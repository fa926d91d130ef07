//! The exactness of the counters.

use apikey_testkit::{
    emulator::{Counters, Endpoint, Fault, Gate},
    raw::{self, Connection},
};
use tokio::task::JoinSet;

use crate::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_are_exact_under_concurrency() {
    const CLIENTS: u64 = 40;
    const CALLS: u64 = 25;
    let scene = Scene::new().await;
    let (address, request) = (scene.emulator.address(), scene.verification(&scene.key.secret));
    scene.emulator.reset_counters();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let request = request.clone();
        clients.spawn(async move {
            let mut connection = Connection::connect(address).await.unwrap();
            for _ in 0..CALLS {
                connection.send(&request).await.unwrap();
                assert_eq!(connection.read_response(false).await.unwrap().status, 200);
            }
        });
    }
    clients.join_all().await;
    let counters = scene.emulator.counters();
    assert_eq!((counters.verify_calls, counters.connections), (CLIENTS * CALLS, CLIENTS));
    assert_eq!((counters.token_calls, counters.verifications_in_flight), (0, 0));
    assert!((1..=CLIENTS).contains(&counters.most_verifications_in_flight));
    assert_eq!(scene.emulator.verify_calls_for(&scene.key.secret), CLIENTS * CALLS);
    assert_eq!(scene.try_verify().await.unwrap().json()["verification_count"], CLIENTS * CALLS + 1);
}

#[tokio::test]
async fn the_most_in_flight_is_a_high_water_mark() {
    const CLIENTS: u64 = 12;
    let scene = Scene::new().await;
    let gate = Gate::new();
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (address, request) = (scene.emulator.address(), scene.verification(&scene.key.secret));
        clients.spawn(async move { raw::exchange(address, &request).await.unwrap().status });
    }
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == CLIENTS).await;
    gate.open();
    assert_eq!(clients.join_all().await, [200; CLIENTS as usize]);
    let counters = scene.emulator.counters();
    assert_eq!((counters.verifications_in_flight, counters.most_verifications_in_flight), (0, CLIENTS));
    scene.emulator.reset_counters();
    assert_eq!(scene.emulator.counters(), Counters::default());
}

#[tokio::test]
async fn one_call_after_the_other_is_never_two_in_flight() {
    let scene = Scene::new().await;
    for _ in 0..100 {
        scene.try_verify().await.unwrap();
    }
    assert_eq!(scene.emulator.counters().most_verifications_in_flight, 1);
}

#[tokio::test]
async fn calls_are_counted_by_secret_even_under_a_fault() {
    let scene = Scene::new().await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::status(500)));
    for secret in ["a", "b", "a"] {
        scene.verify(secret).await;
    }
    let calls = ["a", "b", "c"].map(|secret| scene.emulator.verify_calls_for(secret));
    assert_eq!(calls, [2, 1, 0]);
}

#[tokio::test]
async fn a_call_counts_when_all_of_it_has_arrived() {
    let scene = Scene::new().await;
    let request = scene.verification(&scene.key.secret);
    let (most, rest) = request.split_at(request.len() - 1);
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    connection.send(most).await.unwrap();
    scene.emulator.wait_until(|counters| counters.connections == 2).await;
    assert_eq!(scene.emulator.counters().verify_calls, 0);
    connection.send(rest).await.unwrap();
    assert_eq!(connection.read_response(false).await.unwrap().status, 200);
    assert_eq!(scene.emulator.counters().verify_calls, 1);
}

#[tokio::test]
async fn pipelined_calls_are_answered_in_order_on_one_connection() {
    let scene = Scene::new().await;
    let requests = [scene.verification("unknown"), scene.verification(&scene.key.secret)].concat();
    scene.emulator.reset_counters();
    let mut connection = Connection::connect(scene.emulator.address()).await.unwrap();
    connection.send(&requests).await.unwrap();
    for is_valid in [false, true] {
        assert_eq!(connection.read_response(false).await.unwrap().json()["is_valid"], is_valid);
    }
    let counters = scene.emulator.counters();
    assert_eq!((counters.connections, counters.verify_calls), (1, 2));
}
