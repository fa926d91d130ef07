//! A verification that fails for a moment is tried again, within its budget and a limit on retries.

use std::time::{Duration, Instant};

use crate::steps::{MINUTE, SECOND, SOON, fail, oddities, outages, recover, start, wrong_set_ups};
use crate::{adapter::Subject, client::get, expected::*, world::World};
use apikey_testkit::emulator::{Endpoint, Fault, Gate};

async fn retrying(subject: Subject) -> World {
    World::with(subject, |builder| builder.retries(true).cache_time_to_live(Duration::ZERO)).await
}

pub async fn a_failure_that_passes_is_not_noticed(subject: Subject) {
    let world = retrying(subject).await;
    let limit = |seconds| Fault::TooManyRequests { rate_limit_reset: seconds, retry_after: None };
    let mut faults = outages();
    faults.extend([limit(None), limit(Some(0))]);
    for fault in faults {
        let shown = format!("{fault:?}");
        world.emulator.script_faults(Endpoint::Verify, vec![Some(fault)]);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        assert_eq!(world.calls(), 2, "{shown}");
    }
    // A key that is refused at the second try is refused.
    world.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::status(503))]);
    world.ask("/me", &world.revoked).await.is_denied(&key_revoked());
    assert_eq!(world.calls(), 2);
}

pub async fn a_verification_is_tried_three_times_at_most(subject: Subject) {
    let world = retrying(subject).await;
    for fault in [Fault::status(503), Fault::Reset] {
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        assert_eq!(world.calls(), 3);
    }
    let twice = vec![Some(Fault::status(503)), Some(Fault::Reset)];
    recover(&world);
    world.emulator.script_faults(Endpoint::Verify, twice);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert_eq!(world.calls(), 3);
}

pub async fn a_wait_that_kinde_asks_for_is_kept(subject: Subject) {
    let world = retrying(subject).await;
    let fault = Fault::TooManyRequests { rate_limit_reset: Some(1), retry_after: None };
    world.emulator.script_faults(Endpoint::Verify, vec![Some(fault)]);
    let start = Instant::now();
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    assert!(start.elapsed() >= SECOND, "it asked again after {:?}", start.elapsed());
    assert_eq!(world.calls(), 2);
}

pub async fn a_wait_past_the_budget_is_answered_at_once(subject: Subject) {
    let world = World::with(subject, |builder| builder.retries(true).verification_timeout(MINUTE)).await;
    let start = Instant::now();
    let moments = [(Some(90), None), (None, Some(90)), (Some(1), Some(3_600))];
    for ((rate_limit_reset, retry_after), key) in
        moments.into_iter().zip([&world.reader, &world.writer, &world.acme])
    {
        fail(&world, Fault::TooManyRequests { rate_limit_reset, retry_after });
        world.ask("/me", key).await.is_denied(&unavailable());
        assert_eq!(world.calls(), 1);
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

pub async fn a_moment_after_more_than_an_hour_counts_as_none(subject: Subject) {
    let world = retrying(subject).await;
    for (rate_limit_reset, retry_after) in [(Some(3_601), None), (None, Some(3_601)), (Some(u64::MAX), None)]
    {
        let fault = Fault::TooManyRequests { rate_limit_reset, retry_after };
        world.emulator.script_faults(Endpoint::Verify, vec![Some(fault)]);
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        assert_eq!(world.calls(), 2);
    }
}

pub async fn a_failure_that_a_retry_cannot_mend_is_asked_once(subject: Subject) {
    let world = retrying(subject).await;
    for key in [&world.revoked, &world.inactive] {
        assert_eq!(world.ask("/me", key).await.response.status, 401);
        assert_eq!(world.calls(), 1);
    }
    for fault in oddities() {
        let shown = format!("{fault:?}");
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_denied(&unavailable());
        assert_eq!(world.calls(), 1, "{shown}");
    }
    for fault in wrong_set_ups() {
        let shown = format!("{fault:?}");
        fail(&world, fault);
        world.ask("/me", &world.reader).await.is_denied(&internal_error());
        assert_eq!(world.calls(), 1, "{shown}");
    }
}

pub async fn each_verification_has_one_retry_and_further_ones_are_few(subject: Subject) {
    let world = World::with(subject, |builder| {
        builder.retries(true).max_in_flight(10).cache_time_to_live(Duration::ZERO)
    })
    .await;
    fail(&world, Fault::status(503));
    let requests = 60;
    let mut session = world.session().await;
    for _ in 0..requests {
        session.send(get("/me").key(&world.reader)).await.is_denied(&unavailable());
    }
    // Ten retries are saved up, and each verification earns a tenth of one.
    let calls = world.calls();
    assert!((2 * requests..=2 * requests + requests / 10 + 10).contains(&calls), "{calls}");
}

pub async fn a_crowd_shares_the_retries_of_one_verification(subject: Subject) {
    let world = World::with(subject, |builder| builder.retries(true)).await;
    let gate = Gate::new();
    let script = vec![Some(Fault::status(503)), Some(Fault::Hold(gate.clone()))];
    world.emulator.script_faults(Endpoint::Verify, script);
    let mut crowd = Vec::new();
    for _ in 0..10 {
        crowd.push(start(&world, &world.reader).await);
    }
    world.emulator.wait_until(|counters| counters.verify_calls == 2).await;
    world.settle().await;
    gate.open();
    for (session, request) in &mut crowd {
        session.read(request).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 2);
}
