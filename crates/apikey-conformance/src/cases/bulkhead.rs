//! How many verifications may be in flight, how many callers may wait for one, and whose turn comes next.

use std::time::{Duration, Instant};

use apikey_core::AttemptLimit;

use crate::steps::{MINUTE, STALE, TTL, fail, hold, in_flight, start, timed};
use crate::{
    adapter::Subject,
    client::{Request, Running, SEVERAL_CLIENTS, get},
    expected::*,
    world::World,
};
use apikey_testkit::emulator::{Fault, Gate};

pub async fn a_key_past_the_limit_is_turned_away_without_a_queue(subject: Subject) {
    let limit = AttemptLimit::new(4, TTL).count_all_attempts();
    let world = World::with(subject, |builder| {
        builder.max_in_flight(2).max_queued(0).verification_timeout(MINUTE).attempt_limit(limit)
    })
    .await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    let gate = hold(&world);
    let (mut one, first) = start(&world, &world.reader).await;
    let (mut two, second) = start(&world, &world.writer).await;
    in_flight(&world, 2).await;
    for _ in 0..5 {
        // The gate is closed, so this waits for no answer of Kinde.
        world.ask("/me", &world.acme).await.is_denied(&unavailable());
        world.ask("/optional", &world.user).await.is_denied(&unavailable());
        world.ask("/me", &world.admin).await.is_me(&world.admin);
    }
    // A caller who joins a verification needs no slot.
    let (mut three, third) = start(&world, &world.reader).await;
    world.settle().await;
    gate.open();
    one.read(&first).await.is_me(&world.reader);
    two.read(&second).await.is_me(&world.writer);
    three.read(&third).await.is_me(&world.reader);
    // The refused requests were no attempts: this is the fourth.
    world.ask("/me", &world.acme).await.is_me(&world.acme);
    world.ask("/me", &world.user).await.is_denied(&rate_limited(4, 300, 300));
    let counters = world.emulator.counters();
    assert_eq!((counters.verify_calls, counters.most_verifications_in_flight), (4, 2));
}

pub async fn unknown_keys_past_the_limit_wait_for_their_turn(subject: Subject) {
    let world = World::with(subject, |builder| builder.max_in_flight(2).verification_timeout(MINUTE)).await;
    let keys = world.create_many("waits", 12);
    let gate = hold(&world);
    let waiting = world.start_all_as(1, &keys).await;
    in_flight(&world, 2).await;
    world.settle().await;
    assert!(waiting.iter().all(|waiting| !waiting.has_ended()), "a request did not wait");
    gate.open();
    for (waiting, key) in waiting.into_iter().zip(&keys) {
        waiting.answer().await.is_me(key);
    }
    let counters = world.emulator.counters();
    assert_eq!((counters.verify_calls, counters.most_verifications_in_flight), (12, 2));
}

pub async fn a_caller_waits_at_most_a_third_of_the_budget_for_its_turn(subject: Subject) {
    let budget = Duration::from_secs(3);
    let world = World::with(subject, |builder| builder.max_in_flight(1).verification_timeout(budget)).await;
    let gate = hold(&world);
    let first = world.start_as(1, get("/me").key(&world.reader)).await;
    in_flight(&world, 1).await;
    let began = Instant::now();
    world.ask("/me", &world.writer).await.is_denied(&unavailable());
    let waited = began.elapsed();
    assert!(waited >= budget / 4, "it waited for too short a time: {waited:?}");
    assert!(!first.has_ended(), "it waited for too long a time: {waited:?}");
    gate.open();
    first.answer().await.is_me(&world.reader);
    assert_eq!(world.emulator.verify_calls_for(&world.writer.secret), 0);
    world.ask("/me", &world.writer).await.is_me(&world.writer);
}

pub async fn an_unknown_key_past_the_queue_is_turned_away_at_once(subject: Subject) {
    let world =
        World::with(subject, |builder| builder.max_in_flight(1).max_queued(2).verification_timeout(MINUTE))
            .await;
    let keys = world.create_many("waits", 3);
    let gate = hold(&world);
    let waiting = world.start_all_as(1, &keys).await;
    in_flight(&world, 1).await;
    world.settle().await;
    for key in [&world.reader, &world.writer, &world.acme] {
        world.ask("/me", key).await.is_denied(&unavailable());
    }
    gate.open();
    for (waiting, key) in waiting.into_iter().zip(&keys) {
        waiting.answer().await.is_me(key);
    }
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 4);
}

pub async fn a_full_queue_serves_no_stale_answer(subject: Subject) {
    let (world, clock) = timed(subject, |builder| {
        builder.max_in_flight(1).max_queued(0).stale_if_error(STALE).verification_timeout(MINUTE)
    })
    .await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    clock.advance(TTL);
    let gate = hold(&world);
    let first = world.start_as(1, get("/me").key(&world.reader)).await;
    in_flight(&world, 1).await;
    for path in ["/me", "/layered", "/optional"] {
        world.ask(path, &world.admin).await.is_denied(&unavailable());
    }
    gate.open();
    first.answer().await.is_me(&world.reader);
    // The stale answer is still there if Kinde cannot answer.
    fail(&world, Fault::status(503));
    world.ask("/me", &world.admin).await.is_me(&world.admin);
}

pub async fn a_limited_client_gets_no_stale_answer(subject: Subject) {
    let (world, clock) = timed(subject, |builder| {
        builder.stale_if_error(STALE).attempt_limit(AttemptLimit::new(1, TTL + STALE))
    })
    .await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    clock.advance(TTL);
    world.ask("/me", &world.revoked).await.is_denied(&key_revoked());
    let answer = world.ask("/me", &world.admin).await;
    assert_eq!(answer.response.status, 429, "{answer}");
}

pub async fn a_client_without_a_verification_goes_before_a_greedy_one(subject: Subject) {
    if !SEVERAL_CLIENTS {
        return;
    }
    let world = World::with(subject, |builder| builder.max_in_flight(4).verification_timeout(MINUTE)).await;
    let (greedy, modest) = (world.create_many("greedy", 12), world.create_many("modest", 3));
    let gates: Vec<Gate> = greedy.iter().map(|_| Gate::new()).collect();
    for (key, gate) in greedy.iter().zip(&gates) {
        world.emulator.set_key_fault(&key.secret, Some(Fault::Hold(gate.clone())));
    }
    let many = world.start_all_as(1, &greedy).await;
    in_flight(&world, 4).await;
    world.settle().await;
    let mut few = Vec::new();
    for (key, client) in modest.iter().zip(2..) {
        few.push(world.start_as(client, get("/me").key(key)).await);
    }
    world.settle().await;
    // One slot after the other becomes free. The first one would be enough if the server knew all waiting callers by
    // then.
    for (key, gate) in greedy.iter().zip(&gates) {
        if world.emulator.verify_calls_for(&key.secret) > 0 {
            gate.open();
            let end = Instant::now() + Duration::from_millis(500);
            while few.iter().any(|few| !few.has_ended()) && Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        if few.iter().all(Running::has_ended) {
            break;
        }
    }
    let asked = world.calls_for(&greedy);
    assert!(asked < 8, "{asked} keys of the greedy client came first");
    for (few, key) in few.into_iter().zip(&modest) {
        few.answer().await.is_me(key);
    }
    gates.iter().for_each(Gate::open);
    for (many, key) in many.into_iter().zip(&greedy) {
        many.answer().await.is_me(key);
    }
}

pub async fn no_single_client_takes_all_places(subject: Subject) {
    if !SEVERAL_CLIENTS {
        return;
    }
    let world = World::with(subject, |builder| builder.max_in_flight(16).verification_timeout(MINUTE)).await;
    let (silent, good) = (world.create_many("silent", 40), world.create_many("good", 20));
    world.emulator.set_prefix_fault(KEYS, Some(Fault::Hang));
    for key in &good {
        world.emulator.set_key_fault(&key.secret, Some(Fault::Latency(Duration::ZERO)));
    }
    let _silent = world.start_all_as(1, &silent).await;
    in_flight(&world, 15).await;
    world.settle().await;
    for key in &good {
        world.ask_as(2, key).await.is_me(key);
    }
}

/// The prefix of all keys' secrets.
const KEYS: &str = "k_live_";

pub async fn a_caller_past_the_largest_crowd_is_turned_away(subject: Subject) {
    let world = World::with(subject, |builder| builder.max_waiting(3).verification_timeout(MINUTE)).await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    let gate = hold(&world);
    let mut waiting = vec![(start(&world, &world.reader).await, &world.reader)];
    in_flight(&world, 1).await;
    for _ in 0..3 {
        waiting.push((start(&world, &world.reader).await, &world.reader));
    }
    world.settle().await;
    for path in ["/me", "/layered", "/optional"] {
        world.ask(path, &world.reader).await.is_denied(&unavailable());
    }
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    // A caller who starts a verification, and joins none, does not count among the waiting ones.
    waiting.push((start(&world, &world.user).await, &world.user));
    in_flight(&world, 2).await;
    gate.open();
    for ((session, request), key) in &mut waiting {
        session.read(request).await.is_me(key);
    }
    assert_eq!(world.calls(), 3);
}

pub async fn an_answered_caller_no_longer_counts_as_waiting(subject: Subject) {
    let world = World::with(subject, |builder| {
        builder.max_waiting(1).cache_time_to_live(Duration::ZERO).verification_timeout(MINUTE)
    })
    .await;
    let gate = hold(&world);
    let (mut first, asked) = start(&world, &world.reader).await;
    in_flight(&world, 1).await;
    // It joins. Its handler keeps running until the end of its body arrives.
    let body = [b'a'; 4_000];
    let request = Request::new("POST", "/echo").key(&world.reader).body(&body);
    let bytes = request.bytes();
    let mut session = world.session().await;
    session.write(&bytes[..bytes.len() - 1]).await;
    world.settle().await;
    gate.open();
    first.read(&asked).await.is_me(&world.reader);
    // Soon after the answer its slot is free for another caller who joins.
    let mut rounds = 0;
    loop {
        world.calls();
        let gate = hold(&world);
        let writer = get("/me").key(&world.writer);
        let first = world.start_as(1, writer.clone()).await;
        in_flight(&world, 1).await;
        let second = world.start_as(1, writer).await;
        world.settle().await;
        gate.open();
        let (first, second) = (first.answer().await, second.answer().await);
        first.is_me(&world.writer);
        if second.response.status == 200 && world.calls() == 1 {
            break;
        }
        rounds += 1;
        assert!(rounds < 100, "a caller with an answer still counts as waiting: {second}");
    }
    session.write(&bytes[bytes.len() - 1..]).await;
    session.read(&request).await.is_echo(&body);
}

pub async fn a_crowd_with_one_key_keeps_nobody_elses_key_waiting(subject: Subject) {
    if !SEVERAL_CLIENTS {
        return;
    }
    let world =
        World::protected(subject, |builder| builder.max_waiting(64).verification_timeout(MINUTE)).await;
    let (cold, shared) = (world.create_many("cold", 20), world.create_many("shared", 1));
    let made_up = get("/me").bearer("k_live_made_up");
    world.emulator.set_key_fault("k_live_made_up", Some(Fault::Hang));
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(world.start_as(1, made_up.clone()).await);
    }
    in_flight(&world, 1).await;
    world.settle().await;
    for (key, client) in cold.iter().zip((2..6).cycle()) {
        world.ask_as(client, key).await.is_me(key);
    }
    // A few clients may wait for one verification.
    let gate = Gate::new();
    world.emulator.set_key_fault(&shared[0].secret, Some(Fault::Hold(gate.clone())));
    let mut few = Vec::new();
    for client in 2..6 {
        few.push(world.start_as(client, get("/me").key(&shared[0])).await);
    }
    world.settle().await;
    gate.open();
    for few in few {
        few.answer().await.is_me(&shared[0]);
    }
    assert_eq!(world.calls_for(&shared), 1);
    let still_wait = crowd.iter().filter(|running| !running.has_ended()).count();
    assert!((1..=64).contains(&still_wait), "{still_wait} of the crowd still wait");
}
