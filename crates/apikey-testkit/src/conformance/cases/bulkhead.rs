//! How many verifications may be under way, and how many may wait for them.

use apikey_core::AttemptLimit;

use super::steps::{MINUTE, TTL, hold, in_flight, start};
use crate::conformance::{adapter::Subject, client::Request, expected::*, world::World};

pub async fn past_its_places_an_unknown_key_is_turned_away_and_a_known_one_is_not(subject: Subject) {
    let limit = AttemptLimit::new(4, TTL).count_all_attempts();
    let world = World::with(subject, |builder| {
        builder.max_in_flight(2).verification_timeout(MINUTE).attempt_limit(limit)
    })
    .await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    let gate = hold(&world);
    let (mut one, first) = start(&world, &world.reader).await;
    let (mut two, second) = start(&world, &world.writer).await;
    in_flight(&world, 2).await;
    for _ in 0..5 {
        // Nobody else's answer is waited for: the gate is closed.
        world.ask("/me", &world.acme).await.is_denied(&unavailable());
        world.ask("/optional", &world.user).await.is_denied(&unavailable());
        world.ask("/me", &world.admin).await.is_me(&world.admin);
    }
    // Whoever joins a verification needs no place.
    let (mut three, third) = start(&world, &world.reader).await;
    world.settle().await;
    gate.open();
    one.read(&first).await.is_me(&world.reader);
    two.read(&second).await.is_me(&world.writer);
    three.read(&third).await.is_me(&world.reader);
    // What was turned away was no attempt: this is the fourth.
    world.ask("/me", &world.acme).await.is_me(&world.acme);
    world.ask("/me", &world.user).await.is_denied(&rate_limited(4, 300, 300));
    let counters = world.emulator.counters();
    assert_eq!((counters.verify_calls, counters.most_verifications_in_flight), (4, 2));
}

pub async fn past_so_many_who_wait_an_unknown_key_is_turned_away(subject: Subject) {
    let world = World::with(subject, |builder| builder.max_waiting(3).verification_timeout(MINUTE)).await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    let gate = hold(&world);
    let mut waiting = Vec::new();
    for key in [&world.reader, &world.writer, &world.acme] {
        waiting.push((start(&world, key).await, key));
    }
    in_flight(&world, 3).await;
    // Also where it would only join.
    for key in [&world.user, &world.reader] {
        world.ask("/me", key).await.is_denied(&unavailable());
    }
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    gate.open();
    for ((session, request), key) in &mut waiting {
        session.read(request).await.is_me(key);
    }
    world.ask("/me", &world.user).await.is_me(&world.user);
}

pub async fn who_has_been_answered_waits_no_longer(subject: Subject) {
    let world = World::with(subject, |builder| builder.max_waiting(1)).await;
    // Its key is verified, and its handler goes on for as long as the end of its body does not come.
    let body = [b'a'; 4_000];
    let request = Request::new("POST", "/echo").key(&world.reader).body(&body);
    let bytes = request.bytes();
    let mut session = world.session().await;
    session.write(&bytes[..bytes.len() - 1]).await;
    world.emulator.wait_until(|counters| counters.verify_calls == 1).await;
    in_flight(&world, 0).await;
    // The answer reaches whoever waits soon after that.
    let mut rounds = 0;
    while world.ask("/me", &world.writer).await.response.status != 200 {
        rounds += 1;
        assert!(rounds < 500, "one who has been answered long ago is counted among those who wait");
    }
    session.write(&bytes[bytes.len() - 1..]).await;
    session.read(&request).await.is_echo(&body);
}
