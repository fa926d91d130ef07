//! Connections to Kinde that die, break or close, and backends that hang: no caller is turned away because of them.

use std::time::Duration;

use crate::steps::{all, hold, in_flight, recover};
use crate::{
    adapter::Subject,
    client::{Running, get},
    expected::*,
    key::Key,
    world::World,
};
use apikey_testkit::emulator::{Backends, Fault};

/// How long a verification may take. Within a third of the default budget, a busy machine may be as silent as a dead
/// connection.
const BUDGET: Duration = Duration::from_secs(9);

async fn world(subject: Subject) -> World {
    World::protected(subject, |builder| builder.verification_timeout(BUDGET)).await
}

async fn all_are_let_in(running: Vec<Running>, keys: &[Key]) {
    for (running, key) in running.into_iter().zip(keys) {
        running.answer().await.is_me(key);
    }
}

/// A world with this many idle connections to Kinde.
async fn with_connections(subject: Subject, count: usize) -> World {
    let world = world(subject).await;
    // The token's connection is not one of them.
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    let keys = world.create_many("connected", count);
    let gate = hold(&world);
    let running = world.start_all_as(1, &keys).await;
    in_flight(&world, count as u64).await;
    gate.open();
    recover(&world);
    all_are_let_in(running, &keys).await;
    assert!(world.emulator.counters().connections >= count as u64);
    world
}

pub async fn dead_connections_cost_a_part_of_the_budget_and_no_key(subject: Subject) {
    all([1, 20, 60].map(|count| async move {
        let world = with_connections(subject, count).await;
        let keys = world.create_many("after", 40);
        assert!(world.emulator.silence_connections() >= count);
        let request = get("/me").key(&keys[0]).note(format!("{count} dead connections"));
        let (answer, took) = world.start_as(1, request).await.answer_and_time().await;
        answer.is_me(&keys[0]);
        assert!(took < BUDGET * 5 / 6, "{count} dead connections cost {took:?}");
        // From now on no request meets a dead connection.
        let running = world.start_all_as(1, &keys[1..]).await;
        for (running, key) in running.into_iter().zip(&keys[1..]) {
            let (answer, took) = running.answer_and_time().await;
            answer.is_me(key);
            assert!(took < BUDGET / 3, "after {count} dead connections a request met one more: {took:?}");
        }
    }))
    .await;
}

pub async fn dead_connections_turn_away_none_of_many_keys_at_once(subject: Subject) {
    all([20, 60].map(|count| async move {
        let world = with_connections(subject, count).await;
        let keys = world.create_many("after", 50);
        world.emulator.silence_connections();
        all_are_let_in(world.start_all_as(1, &keys).await, &keys).await;
    }))
    .await;
}

pub async fn connections_that_kinde_closes_at_some_use_cost_no_key(subject: Subject) {
    all((2..=5).map(|nth| async move {
        let world = world(subject).await;
        world.emulator.close_connections_at_use(Some(nth));
        let (turns, together) = (world.create_many("turn", 30), world.create_many("together", 30));
        for key in &turns {
            world.send(get("/me").key(key).note(format!("use {nth}"))).await.is_me(key);
        }
        all_are_let_in(world.start_all_as(1, &together).await, &together).await;
    }))
    .await;
}

pub async fn breaking_every_busy_connection_costs_no_key(subject: Subject) {
    for count in [20, 60] {
        let world = world(subject).await;
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        let keys = world.create_many("cut", count);
        let gate = hold(&world);
        let running = world.start_all_as(1, &keys).await;
        in_flight(&world, count as u64).await;
        assert!(world.emulator.cut_connections() >= count);
        gate.open();
        all_are_let_in(running, &keys).await;
        recover(&world);
        world.ask("/me", &world.writer).await.is_me(&world.writer);
    }
}

pub async fn resetting_every_idle_connection_at_its_use_costs_no_key(subject: Subject) {
    for count in [20, 60] {
        let world = with_connections(subject, count).await;
        let keys = world.create_many("reset", count);
        assert!(world.emulator.reset_connections_once() >= count);
        all_are_let_in(world.start_all_as(1, &keys).await, &keys).await;
        world.ask("/me", &world.writer).await.is_me(&world.writer);
    }
}

/// Asks with these keys at once, each on a connection to Kinde of its own. If a connection came free while others are
/// made, one of those would be kept unused, and might lead to the backend that hangs.
async fn all_at_once_are_let_in(world: &World, keys: &[Key]) {
    let gate = hold(world);
    let running = world.start_all_as(1, keys).await;
    in_flight(world, keys.len() as u64).await;
    gate.open();
    recover(world);
    all_are_let_in(running, keys).await;
}

pub async fn one_backend_of_three_that_hangs_costs_no_key(subject: Subject) {
    all([6, 60].map(|at_once| async move {
        let world = world(subject).await;
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        world.emulator.set_backends(Backends::round_robin(3));
        world.emulator.set_backend_fault(1, Some(Fault::Hang));
        for keys in world.create_many("balanced", 60).chunks(at_once) {
            all_at_once_are_let_in(&world, keys).await;
        }
        let asked: Vec<u64> = world.emulator.backend_counters().iter().map(|one| one.requests).collect();
        assert!(asked.iter().all(|requests| *requests > 0), "{asked:?}");
    }))
    .await;
}

pub async fn a_kinde_that_refuses_connections_for_a_moment_is_found_again(subject: Subject) {
    let world = with_connections(subject, 5).await;
    let emulator = &world.emulator;
    emulator.refuse_connections(true).await.expect("the port stays taken");
    emulator.cut_connections();
    let keys = world.create_many("refused", 20);
    for key in &keys {
        world.ask("/me", key).await.is_denied(&unavailable());
    }
    emulator.refuse_connections(false).await.expect("the port is still there");
    crate::steps::until_let_in(&world, &world.writer).await;
    all_are_let_in(world.start_all_as(1, &keys).await, &keys).await;
}
