//! A key in use is renewed before it expires.

use std::sync::Arc;
use std::time::Duration;

use apikey_core::{AttemptLimit, AuthenticatorBuilder, ManualClock};

use crate::steps::{MINUTE, STALE, fail, hold, in_flight, timed};
use crate::{adapter::Subject, expected::*, world::World};
use apikey_testkit::emulator::Fault;

/// Too short for a jitter, so the key expires at an exact nanosecond of the case's clock.
const TICKS: Duration = Duration::from_nanos(10_000);

async fn refreshing(
    subject: Subject,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    let (world, clock) =
        timed(subject, |builder| configure(builder.refresh_ahead(true).cache_time_to_live(TICKS))).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    clock.advance(TICKS / 2);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1, "the key was renewed although half of its time was left");
    clock.advance(TICKS / 2 - Duration::from_nanos(1));
    (world, clock)
}

pub async fn a_key_in_use_is_renewed_early_and_nobody_waits(subject: Subject) {
    let limit = AttemptLimit::new(1, MINUTE).count_all_attempts();
    let (world, clock) =
        refreshing(subject, |builder| builder.attempt_limit(limit).verification_timeout(MINUTE)).await;
    let gate = hold(&world);
    for _ in 0..5 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    in_flight(&world, 1).await;
    world.ask("/layered-twice", &world.reader).await.is_me(&world.reader);
    gate.open();
    clock.advance(TICKS / 2);
    // The renewal has landed, or this request waits for it. A call of its own would be one attempt too many.
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/fresh", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1);
}

pub async fn a_renewal_that_fails_leaves_the_key_its_time(subject: Subject) {
    let (world, clock) = refreshing(subject, |builder| builder).await;
    fail(&world, Fault::status(503));
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.emulator.wait_until(|counters| counters.verify_calls == 1).await;
    in_flight(&world, 0).await;
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 1, "the next renewal is not tried at once");
    clock.advance(Duration::from_nanos(1));
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
}

pub async fn a_renewal_that_is_refused_ends_the_key(subject: Subject) {
    let (world, _clock) = refreshing(subject, |builder| builder.stale_if_error(STALE)).await;
    world.emulator.revoke(&world.reader.id);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.emulator.wait_until(|counters| counters.verify_calls == 1).await;
    // The refusal lands soon after. From then on it holds.
    for round in 0.. {
        assert!(round < 10_000, "the refusal never took effect");
        let answer = world.ask("/me", &world.reader).await;
        if answer.response.status != 200 {
            answer.is_denied(&key_revoked());
            break;
        }
    }
    fail(&world, Fault::status(503));
    world.ask("/me", &world.reader).await.is_denied(&unavailable());
}

pub async fn nothing_is_renewed_ahead_unless_asked_for(subject: Subject) {
    let (world, _clock) = refreshing(subject, |builder| builder.refresh_ahead(false)).await;
    for _ in 0..5 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    world.settle().await;
    assert_eq!(world.calls(), 0);
}
