//! A Kinde that has too much to do, or is slow: as many keys are accepted as it can answer for.

use std::time::Duration;

use tokio::time::interval;

use crate::steps::{MINUTE, SECOND, all, fail, recover, timed, until, until_let_in};
use crate::{
    adapter::Subject,
    client::{Answer, SEVERAL_CLIENTS, get},
    expected::*,
    world::World,
};
use apikey_testkit::emulator::{ConcurrencyLimit, Fault};

/// Kinde serves this many calls at once, for this long each, and answers 429 to further ones.
fn limit(world: &World, most: u64, latency: Duration, retry_after: Option<u64>) {
    world.emulator.limit_concurrency(Some(ConcurrencyLimit {
        most,
        latency,
        retry_after,
        rate_limit_reset: None,
    }));
}

pub async fn a_cold_start_gets_through_a_kinde_that_takes_few_at_once(subject: Subject) {
    for clients in if SEVERAL_CLIENTS { [1, 20].as_slice() } else { &[1] } {
        // Long enough that a slow machine does not decide the case.
        let world =
            World::protected(subject, |builder| builder.verification_timeout(Duration::from_secs(15))).await;
        limit(&world, 10, SECOND / 20, None);
        let keys = world.create_many("cold", 200);
        let mut running = Vec::new();
        for (key, client) in keys.iter().zip((1..=*clients).cycle()) {
            running.push(world.start_as(client, get("/me").key(key)).await);
        }
        for (running, key) in running.into_iter().zip(&keys) {
            running.answer().await.is_me(key);
        }
    }
}

/// Offers one and a half times the load that Kinde can take. Returns how many of a hundred keys are accepted.
///
/// Kinde takes 25 keys a second. That is little work even for a busy machine, so that its delays do not decide the case.
/// The core's tests hold the bounds with a faster Kinde and the default budget, in paused time.
async fn let_in(subject: Subject, clients: u8, retry_after: Option<u64>) -> usize {
    const OFFERED: usize = 240;
    let budget = Duration::from_secs(8);
    let world = World::protected(subject, |builder| builder.verification_timeout(budget)).await;
    limit(&world, 5, SECOND / 5, retry_after);
    let keys = world.create_many("offered", OFFERED);
    let mut ticks = interval(SECOND * 2 / 75);
    let mut running = Vec::new();
    for (key, client) in keys.iter().zip((1..=clients).cycle()) {
        ticks.tick().await;
        running.push(world.start_as(client, get("/me").key(key)).await);
    }
    let mut let_in = 0;
    for (running, key) in running.into_iter().zip(&keys) {
        let answer = running.answer().await;
        match answer.response.status {
            200 => {
                answer.is_me(key);
                let_in += 1;
            }
            _ => answer.is_denied(&unavailable()),
        }
    }
    println!("{let_in} of {OFFERED} keys of {clients} clients, with {retry_after:?}");
    100 * let_in / OFFERED
}

/// From how many clients the keys come.
fn crowds() -> Vec<u8> {
    if SEVERAL_CLIENTS { vec![1, 20] } else { vec![1] }
}

pub async fn most_keys_that_kinde_can_take_get_in_under_overload(subject: Subject) {
    all(crowds().into_iter().map(|clients| async move {
        let let_in = let_in(subject, clients, None).await;
        assert!(let_in >= 53, "{let_in} of 100 keys of {clients} clients");
    }))
    .await;
}

pub async fn a_moment_on_each_429_pauses_the_key_that_drew_it_alone(subject: Subject) {
    all(crowds().into_iter().map(|clients| async move {
        let let_in = let_in(subject, clients, Some(1)).await;
        assert!(let_in >= 53, "{let_in} of 100 keys of {clients} clients");
    }))
    .await;
}

pub async fn a_silence_that_kinde_asks_of_everybody_is_kept(subject: Subject) {
    let (world, clock) = timed(subject, |builder| builder.circuit_breaker(true).retries(true)).await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    world.emulator.ask_for_silence(60);
    let keys = world.create_many("silenced", 40);
    let mut fresh = keys.iter();
    let mut next = || get("/me").key(fresh.next().expect("the pause begins after a few keys"));
    // A few keys get the overload answer, then the service's own question does, and everybody must wait.
    let mut spent = 0;
    loop {
        world.calls();
        world.send(next()).await.is_denied(&unavailable().retry_after(60));
        if world.calls() == 0 {
            break;
        }
        spent += 1;
        assert!(spent < 30, "the silence is not kept");
        world.settle().await;
    }
    world.settle().await;
    world.calls();
    for passed in (0..60).step_by(4) {
        for key in [&world.reader, &world.writer] {
            world.ask("/me", key).await.is_denied(&unavailable().retry_after(60 - passed));
        }
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        clock.advance(4 * SECOND);
    }
    assert_eq!(world.calls(), 0, "the service asked within the silence");
    // The first caller afterwards makes the service ask its question, which gets the same answer.
    let request = || get("/me").key(&world.reader);
    let is_long = |answer: &Answer| answer.response.header("retry-after") == Some("60");
    until("another pause", &world, request, is_long).await.is_denied(&unavailable());
    assert_eq!(world.calls(), 1, "one question, and no caller's key");
    recover(&world);
    clock.advance(MINUTE);
    until_let_in(&world, &world.reader).await;
    world.ask("/me", &world.writer).await.is_me(&world.writer);
}

pub async fn answers_that_take_most_of_the_budget_are_good_ones(subject: Subject) {
    // The rest of it is for a busy machine. A test of the core, in paused time, leaves less.
    let budget = Duration::from_secs(10);
    all([75, 85].map(|percent| async move {
        let world = World::protected(subject, |builder| builder.verification_timeout(budget)).await;
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        let keys = world.create_many("slow", 40);
        fail(&world, Fault::Latency(budget * percent / 100));
        let running = world.start_all_as(1, &keys).await;
        for (running, key) in running.into_iter().zip(&keys) {
            running.answer().await.is_me(key);
        }
        recover(&world);
        world.ask("/me", &world.writer).await.is_me(&world.writer);
    }))
    .await;
}
