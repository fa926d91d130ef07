//! Stale answers, if the settings allow them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apikey_core::ManualClock;
use serde_json::json;

use crate::steps::{
    MINUTE, SECOND, SOON, STALE, TTL, fail, failures, hold, in_flight, oddities, outages, overloads, recover,
    timed, until_open, wrong_set_ups,
};
use crate::{
    adapter::Subject,
    client::{Request, get},
    expected::*,
    key::Key,
    world::World,
};
use apikey_testkit::emulator::{Endpoint, Fault, KeySpecification, NegativeAnswer, ScriptedAnswer};

async fn stale(subject: Subject) -> (World, Arc<ManualClock>) {
    timed(subject, |builder| {
        builder
            .stale_if_error(STALE)
            .stale_while_slow(Duration::from_millis(500))
            .verification_timeout(MINUTE)
    })
    .await
}

pub async fn no_stale_answer_is_served_unless_asked_for(subject: Subject) {
    let (world, clock) = timed(subject, |builder| builder).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    fail(&world, Fault::status(503));
    clock.advance(TTL);
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
    fail(&world, Fault::status(404));
    world.ask("/me", &world.reader).await.is_denied(&internal_error());
}

pub async fn a_stale_answer_serves_while_kinde_cannot_answer(subject: Subject) {
    let (world, clock) = stale(subject).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(TTL);
    let calls = world.calls();
    assert_eq!(calls, 1);
    for fault in [outages(), wrong_set_ups(), overloads()].concat() {
        let shown = format!("{fault:?}");
        println!("{shown}");
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        assert_eq!(world.calls(), 1, "{shown}: it asks again each time");
        // Its policy still counts, and no other key profits.
        let denied = insufficient_scope("admin", &["admin"], &["read:users"]);
        world.ask("/layered", &world.reader).await.is_denied(&denied);
        assert!(world.ask("/me", &world.writer).await.response.status >= 500, "{shown}");
        world.calls();
        // Kinde is asked about an overloaded key again at the moment that Kinde named.
        clock.advance(5 * SECOND);
    }
    recover(&world);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1, "the answer is fresh again");
}

pub async fn an_answer_that_judges_nothing_ends_the_stale_one_for_good(subject: Subject) {
    for fault in oddities() {
        let shown = format!("{fault:?}");
        println!("{shown}");
        let (world, clock) = stale(subject).await;
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        world.ask("/me", &world.writer).await.is_me(&world.writer);
        clock.advance(TTL);
        world.emulator.set_key_fault(&world.reader.secret, Some(fault));
        // Other keys are judged, so this key is the reason.
        world.ask("/me", &world.writer).await.is_me(&world.writer);
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        world.emulator.clear_key_faults();
        fail(&world, Fault::status(503));
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        recover(&world);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
}

pub async fn an_odd_answer_in_an_outage_ends_no_stale_one(subject: Subject) {
    let (world, clock) = timed(subject, |builder| builder.stale_if_error(STALE).circuit_breaker(true)).await;
    for key in [&world.reader, &world.writer] {
        world.ask("/me", key).await.is_me(key);
    }
    clock.advance(TTL);
    // A gateway that gives every caller the same empty answer.
    fail(&world, Fault::Empty);
    until_open(&world, &clock).await;
    for _ in 0..10 {
        clock.advance(10 * SECOND);
        for key in [&world.reader, &world.writer] {
            world.ask("/me", key).await.is_me(key);
        }
        world.settle().await;
    }
    assert!(world.calls_for(&[world.reader.clone(), world.writer.clone()]) > 0, "no caller's key ever goes");
}

pub async fn a_key_that_kinde_gave_up_gets_in_by_no_stale_answer(subject: Subject) {
    let error = |status, code: &str| {
        Fault::Answer(ScriptedAnswer::json(status, &json!({"errors": [{"code": code, "message": "No"}]})))
    };
    let not_found = json!({"errors": {"code": "NOT_FOUND", "message": "No such thing"}});
    let rows = [
        (error(401, "KEY_REVOKED"), key_revoked()),
        (error(401, "API_KEY_DISABLED"), key_inactive()),
        (error(400, "INVALID_KEY"), invalid_key()),
        (error(404, "KEY_NOT_FOUND"), invalid_key()),
        (error(400, "api_key_expired"), invalid_key()),
        // The key may be the reason, or something else: no caller gets in.
        (Fault::Answer(ScriptedAnswer::json(404, &not_found)), unavailable()),
        (error(401, "UNAUTHORIZED"), unavailable()),
        (error(403, "FORBIDDEN"), unavailable()),
    ];
    for (fault, denied) in rows {
        println!("{fault:?}");
        let (world, clock) = stale(subject).await;
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        clock.advance(TTL + 300 * SECOND - SECOND);
        world.ask("/me", &world.writer).await.is_me(&world.writer);
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        world.emulator.set_key_fault(&world.reader.secret, Some(fault));
        for _ in 0..3 {
            world.ask("/me", &world.reader).await.is_denied(&denied);
        }
        fail(&world, Fault::status(503));
        world.emulator.clear_key_faults();
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
    }
}

pub async fn a_stale_answer_serves_while_a_slow_kinde_renews_it(subject: Subject) {
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
    assert_eq!(world.calls(), 1, "one verification, which kept running");
    // A Kinde that hangs for ever is no worse.
    clock.advance(TTL);
    fail(&world, Fault::Hang);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

/// Waits until the answer about this key is fresh. Until then the key must be accepted all the time.
async fn renewed(world: &World, key: &Key) {
    for _ in 0..10_000 {
        world.ask("/me", key).await.is_me(key);
        if world.ask("/fresh", key).await.response.status == 200 {
            return;
        }
    }
    panic!("the answer is not renewed");
}

pub async fn a_stale_answer_serves_while_there_is_no_token(subject: Subject) {
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

pub async fn a_stale_answer_has_an_end_that_failures_do_not_move(subject: Subject) {
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
        let expired = world.create(KeySpecification::new("expired"));
        for (key, status, denied) in [
            (&world.reader, "revoked", key_revoked()),
            (&world.writer, "inactive", key_inactive()),
            (&expired, "expired", invalid_key()),
        ] {
            world.ask("/me", key).await.is_me(key);
            clock.advance(TTL);
            fail(&world, Fault::status(503));
            world.ask("/me", key).await.is_me(key);
            recover(&world);
            world.emulator.set_status(&key.id, status);
            let style = if status == "expired" { NegativeAnswer::Error400 } else { NegativeAnswer::Ok200 };
            world.emulator.set_negative_answer(style);
            world.ask("/me", key).await.is_denied(&denied);
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

pub async fn a_route_for_fresh_answers_refuses_stale_ones(subject: Subject) {
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
    // A route that would refuse the key anyway does not wait for a fresh answer.
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
    // These come later and are answered first: the others still wait.
    for _ in 0..5 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    gate.open();
    for (mut session, request) in waiting {
        session.read(&request).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1, "one question for all");
}
