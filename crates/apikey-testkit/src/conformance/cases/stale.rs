//! Older answers, where they are allowed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apikey_core::ManualClock;

use super::steps::{MINUTE, SOON, STALE, TTL, fail, failures, hold, in_flight, recover, timed};
use crate::conformance::{
    adapter::Subject,
    client::{Request, get},
    expected::*,
    world::{Key, World},
};
use crate::emulator::{Endpoint, Fault, KeySpecification, NegativeAnswer};

async fn stale(subject: Subject) -> (World, Arc<ManualClock>) {
    timed(subject, |builder| {
        builder.stale_if_error(STALE).stale_while_slow(Duration::from_millis(50)).verification_timeout(MINUTE)
    })
    .await
}

pub async fn without_leave_no_older_answer_is_served(subject: Subject) {
    let (world, clock) = timed(subject, |builder| builder).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    fail(&world, Fault::status(503));
    clock.advance(TTL);
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
    fail(&world, Fault::status(404));
    world.ask("/me", &world.reader).await.is_denied(&internal_error());
}

pub async fn an_older_answer_serves_while_kinde_cannot_answer(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(TTL);
    let calls = world.calls();
    assert_eq!(calls, 1);
    for fault in failures() {
        let shown = format!("{fault:?}");
        println!("{shown}");
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        assert_eq!(world.calls(), 1, "{shown}: it asks again each time");
        // Its policy still counts, and nobody else profits.
        let denied = insufficient_scope("admin", &["admin"], &["read:users"]);
        world.ask("/layered", &world.reader).await.is_denied(&denied);
        assert!(world.ask("/me", &world.writer).await.response.status >= 500, "{shown}");
        world.calls();
    }
    recover(&world);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1, "the answer is fresh again");
}

pub async fn an_older_answer_serves_while_kinde_is_slow_and_is_renewed_behind_it(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(TTL);
    world.calls();
    let gate = hold(&world);
    let begin = Instant::now();
    for _ in 0..3 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    gate.open();
    in_flight(&world, 0).await;
    recover(&world);
    renewed(&world, &world.reader).await;
    assert_eq!(world.calls(), 1, "one verification, which went on");
    // A Kinde that hangs for ever is no worse.
    clock.advance(TTL);
    fail(&world, Fault::Hang);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

/// Waits until the answer about this key is fresh; it must be good all the time.
async fn renewed(world: &World, key: &Key) {
    for _ in 0..10_000 {
        world.ask("/me", key).await.is_me(key);
        if world.ask("/fresh", key).await.response.status == 200 {
            return;
        }
    }
    panic!("the answer is not renewed");
}

pub async fn an_older_answer_serves_while_there_is_no_token(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(TTL);
    world.emulator.revoke_tokens();
    for fault in [Fault::status(503), Fault::Reset, Fault::status(404)] {
        world.emulator.set_fault(Endpoint::Token, Some(fault));
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        world.ask("/fresh", &world.reader).await.is_denied(&unavailable());
    }
    world.emulator.set_fault(Endpoint::Token, None);
    world.emulator.deny_scope(true);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.emulator.deny_scope(false);
    world.ask("/fresh", &world.reader).await.is_me(&world.reader);
}

pub async fn an_older_answer_has_an_end_that_failures_do_not_move(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    fail(&world, Fault::status(503));
    clock.advance(TTL);
    for _ in 0..5 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        clock.advance(STALE / 6);
    }
    clock.advance(STALE / 6 - Duration::from_nanos(1));
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(Duration::from_nanos(1));
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
    recover(&world);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn no_outage_brings_a_refused_key_back(subject: Subject) {
    for negative in [Duration::ZERO, MINUTE] {
        let (world, clock) =
            timed(subject, |builder| builder.stale_if_error(STALE).negative_time_to_live(negative)).await;
        let gone = world.create(KeySpecification::new("gone"));
        for (key, status, denied) in [
            (&world.reader, "revoked", key_revoked()),
            (&world.writer, "inactive", key_inactive()),
            (&gone, "gone", key_inactive()),
        ] {
            world.ask("/me", key).await.is_me(key);
            clock.advance(TTL);
            fail(&world, Fault::status(503));
            world.ask("/me", key).await.is_me(key);
            recover(&world);
            world.emulator.set_status(&key.id, status);
            let style = if status == "gone" { NegativeAnswer::Error400 } else { NegativeAnswer::Ok200 };
            world.emulator.set_negative_answer(style);
            let answer = world.ask("/me", key).await;
            if status == "gone" {
                answer.is_denied(&invalid_key());
            } else {
                answer.is_denied(&denied);
            }
            clock.advance(MINUTE);
            for fault in failures() {
                fail(&world, fault);
                let answer = world.ask("/me", key).await;
                assert!(answer.response.status >= 500, "{answer}");
            }
            recover(&world);
        }
    }
}

pub async fn a_route_for_fresh_answers_refuses_older_ones(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/fresh", &world.reader).await.is_me(&world.reader);
    fail(&world, Fault::status(503));
    world.ask("/fresh", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1, "cached is fresh, as long as its time to live lasts");
    clock.advance(TTL);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/fresh", &world.reader).await.is_denied(&unavailable());
    let head = Request::new("HEAD", "/fresh").key(&world.reader);
    world.send(head).await.is_denied(&unavailable());
    // What the key is wanting is no concern of a route that would refuse it all the same.
    world.send(get("/fresh")).await.is_denied(&missing_key());
    world.send(get("/fresh").key(&world.reader).key(&world.reader)).await.is_denied(&multiple_keys());
    recover(&world);
    world.ask("/fresh", &world.reader).await.is_me(&world.reader);
    world.ask("/fresh", &world.revoked).await.is_denied(&key_revoked());
}

pub async fn a_route_for_fresh_answers_waits_for_a_slow_kinde(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(TTL);
    world.calls();
    let gate = hold(&world);
    let mut waiting = Vec::new();
    for path in ["/fresh", "/sure"] {
        let request = get(path).key(&world.reader);
        let mut session = world.session().await;
        session.write(&request.bytes()).await;
        waiting.push((session, request));
    }
    in_flight(&world, 1).await;
    // These come later, and are answered first: the others still wait.
    for _ in 0..5 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    gate.open();
    for (mut session, request) in waiting {
        session.read(&request).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1, "one question for all");
}
