//! A Kinde that can't answer is left alone, and found again.

use std::sync::Arc;
use std::time::Duration;

use apikey_core::{AttemptLimit, AuthenticatorBuilder, ManualClock};
use serde_json::json;

use super::steps::{MINUTE, NOBODYS, SECOND, STALE, TTL, fail, hold, in_flight, recover, start, timed};
use crate::conformance::{adapter::Subject, client::get, expected::*, world::World};
use crate::emulator::{Fault, ScriptedAnswer};

/// A world in which Kinde has failed for long enough that it is left alone, with `admin` cached.
async fn broken(
    subject: Subject,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    let (world, clock) = timed(subject, |builder| configure(builder.circuit_breaker(true))).await;
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    fail(&world, Fault::status(503));
    for _ in 0..10 {
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
    }
    let calls = world.calls();
    assert!((4..10).contains(&calls), "an outage is noticed after a few failures, not {calls}");
    (world, clock)
}

pub async fn in_an_outage_unknown_keys_get_their_503_without_a_call(subject: Subject) {
    let (world, clock) = broken(subject, |builder| builder).await;
    for path in ["/me", "/layered", "/optional", "/twice"] {
        world.ask(path, &world.reader).await.is_denied(&unavailable());
        world.send(get(path).bearer(NOBODYS)).await.is_denied(&unavailable());
    }
    world.ask("/me", &world.admin).await.is_me(&world.admin);
    world.send(get("/me")).await.is_denied(&missing_key());
    recover(&world);
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
    assert_eq!(world.calls_and_tokens(), (0, 0));
    clock.advance(SECOND);
    // The first who asks is the probe, and all is well.
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    assert_eq!(world.calls(), 2);
}

pub async fn single_probes_find_out_when_kinde_answers_again(subject: Subject) {
    let (world, clock) = broken(subject, |builder| builder.verification_timeout(MINUTE)).await;
    clock.advance(SECOND);
    let gate = hold(&world);
    let (mut probe, request) = start(&world, &world.reader).await;
    in_flight(&world, 1).await;
    world.ask("/me", &world.writer).await.is_denied(&unavailable());
    gate.open();
    probe.read(&request).await.is_me(&world.reader);
    recover(&world);
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    assert_eq!(world.calls(), 2);
}

pub async fn however_long_an_outage_lasts_half_a_minute_after_it_all_is_well(subject: Subject) {
    let (world, clock) = broken(subject, |builder| builder).await;
    let mut probes = 0;
    for _ in 0..600 {
        clock.advance(SECOND);
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        let calls = world.calls();
        assert!(calls <= 1);
        probes += calls;
        // For the known key's time to live ends, too.
        if probes < 3 {
            world.ask("/me", &world.admin).await.is_me(&world.admin);
        }
    }
    assert!((10..60).contains(&probes), "{probes} probes in ten minutes");
    recover(&world);
    clock.advance(30 * SECOND);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn refusals_and_set_up_errors_are_no_outage(subject: Subject) {
    let (world, _clock) = timed(subject, |builder| builder.circuit_breaker(true)).await;
    let mut session = world.session().await;
    for _ in 0..25 {
        session.send(get("/me").bearer(NOBODYS)).await.is_denied(&invalid_key());
    }
    fail(&world, Fault::status(404));
    for _ in 0..25 {
        session.send(get("/me").bearer(NOBODYS)).await.is_denied(&internal_error());
    }
    recover(&world);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 51);
}

pub async fn a_key_that_kinde_cannot_read_is_no_outage_for_others(subject: Subject) {
    let (world, _clock) = timed(subject, |builder| {
        builder.circuit_breaker(true).attempt_limit(AttemptLimit::new(1, MINUTE)).stale_if_error(STALE)
    })
    .await;
    world.emulator.set_answer(
        &world.reader.id,
        Some(ScriptedAnswer::json(400, &json!({"errors": [{"code": "REQUEST_INVALID", "message": "No"}]}))),
    );
    for _ in 0..25 {
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
    }
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    assert_eq!(world.calls(), 26, "the breaker is closed, and each attempt was given back");
}

pub async fn an_outage_takes_no_attempts_and_serves_older_answers_without_a_call(subject: Subject) {
    let (world, clock) = broken(subject, |builder| {
        builder
            .attempt_limit(AttemptLimit::new(3, Duration::from_secs(80_000)).count_all_attempts())
            .stale_if_error(STALE)
    })
    .await;
    let (mut served, mut probes) = (0, 0);
    clock.advance(TTL);
    for _ in 0..20 {
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        served += 1;
        probes += world.calls();
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
    }
    assert_eq!((served, probes), (20, 1), "only the probe asked");
    recover(&world);
    clock.advance(MINUTE);
    // One attempt was admin's.
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/me", &world.writer).await.is_me(&world.writer);
    let limited = world.ask("/me", &world.acme).await;
    assert_eq!(limited.response.status, 429, "{limited}");
}
