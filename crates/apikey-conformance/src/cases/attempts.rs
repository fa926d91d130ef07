//! How often a client may have keys verified.

use std::{sync::Arc, time::Duration};

use apikey_core::{AttemptLimit, AuthenticatorBuilder, ManualClock};

use super::denials::{ANY_KEY, MORE};
use crate::steps::{until_let_in, until_open};
use crate::{
    adapter::Subject,
    client::{Request, get},
    expected::*,
    world::World,
};
use apikey_testkit::emulator::{Endpoint, Fault, Gate};

const LIMIT: AttemptLimit = AttemptLimit::new(3, Duration::from_secs(900));
/// A well-formed key. Every verification of it is an attempt, because refusals are not cached here.
const NOBODYS: &str = "k_live_nobody_knows_it";

/// A limit of this many attempts in 900 s, and a clock to move.
pub(super) async fn limited(subject: Subject, attempts: u32) -> (World, Arc<ManualClock>) {
    limited_and(subject, attempts, |builder| builder).await
}

pub(super) async fn limited_and(
    subject: Subject,
    attempts: u32,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    within(subject, AttemptLimit::new(attempts, LIMIT.window()), configure).await
}

/// The same, but an attempt also counts if its key is accepted.
async fn counting_all(
    subject: Subject,
    attempts: u32,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    within(subject, AttemptLimit::new(attempts, LIMIT.window()).count_all_attempts(), configure).await
}

async fn within(
    subject: Subject,
    limit: AttemptLimit,
    configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
) -> (World, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let world =
        World::with(subject, |builder| configure(builder.clock(clock.clone()).attempt_limit(limit))).await;
    (world, clock)
}

pub(super) fn attempt() -> Request {
    get("/me").bearer(NOBODYS)
}

const JUNK: &str = "k_live_junk_";

/// An attempt with one of many unknown keys.
fn junk(number: u32) -> Request {
    get("/me").bearer(&format!("{JUNK}{number}"))
}

async fn use_up(world: &World, attempts: u32) {
    use_up_from(world, 0, attempts).await;
}

/// The same after this many calls.
async fn use_up_from(world: &World, calls: u64, attempts: u32) {
    for _ in 0..attempts {
        world.send(attempt()).await.is_denied(&invalid_key());
    }
    assert_eq!(world.calls(), calls + u64::from(attempts));
}

pub async fn a_client_past_its_limit_is_refused_until_its_window_ends(subject: Subject) {
    let (world, clock) = limited(subject, 3).await;
    for _ in 0..2 {
        use_up(&world, 3).await;
        for (passed, left) in [(0, 900), (1_500, 899), (0, 899), (897_499, 2), (1, 1), (999, 1)] {
            clock.advance(Duration::from_millis(passed));
            world.send(attempt()).await.is_denied(&rate_limited(3, 900, left));
        }
        assert_eq!(world.calls(), 0);
        clock.advance(Duration::from_millis(1));
    }
    // A window starts with its first attempt, not at the end of the last one.
    clock.advance(Duration::from_secs(5_000));
    use_up(&world, 1).await;
    clock.advance(Duration::from_secs(400));
    use_up(&world, 2).await;
    world.send(attempt()).await.is_denied(&rate_limited(3, 900, 500));
}

pub async fn the_guides_limit_is_100_in_15_minutes(subject: Subject) {
    let clock = Arc::new(ManualClock::new());
    let world =
        World::with(subject, |builder| builder.clock(clock.clone()).attempt_limit(AttemptLimit::default()))
            .await;
    let mut session = world.session().await;
    for _ in 0..100 {
        session.send(attempt()).await.is_denied(&invalid_key());
    }
    session.send(attempt()).await.is_denied(&rate_limited(100, 900, 900));
    // The connection survives it.
    session.send(get("/open")).await.is_open();
}

pub async fn every_kind_of_protection_limits_alike(subject: Subject) {
    let (world, _clock) = limited(subject, 1).await;
    use_up(&world, 1).await;
    let denied = rate_limited(1, 900, 900);
    for path in ANY_KEY.iter().chain(&MORE).chain(&["/optional"]) {
        world.ask(path, &world.admin).await.is_denied(&denied);
    }
    for request in [Request::new("POST", "/echo").body(b"{}"), Request::new("OPTIONS", "/layered")] {
        world.send(request.key(&world.admin)).await.is_denied(&denied);
    }
    for path in ["/me", "/scoped", "/layered"] {
        world.send(Request::new("HEAD", path).key(&world.admin)).await.is_denied(&denied);
    }
    assert_eq!(world.calls(), 0);
}

pub async fn a_limit_is_told_in_problem_details_where_asked_for(subject: Subject) {
    let (world, _clock) = limited_and(subject, 2, |builder| builder.problem_details(true)).await;
    for _ in 0..2 {
        world.send(attempt()).await.is_denied(&invalid_key().in_problem_details());
    }
    world.send(attempt()).await.is_denied(&rate_limited(2, 900, 900).in_problem_details());
}

pub async fn one_request_is_one_attempt(subject: Subject) {
    let (world, clock) = counting_all(subject, 3, |builder| builder.cache_time_to_live(Duration::ZERO)).await;
    for path in ["/me", "/twice", "/layered-twice", "/branches", "/layered", "/optional", "/seen"] {
        for _ in 0..3 {
            let answer = world.ask(path, &world.admin).await;
            assert_ne!(answer.response.status, 429, "a request made more than one attempt: {answer}");
        }
        world.ask(path, &world.admin).await.is_denied(&rate_limited(3, 900, 900));
        clock.advance(LIMIT.window());
    }
}

pub async fn a_cache_hit_is_no_attempt(subject: Subject) {
    let (world, _clock) = counting_all(subject, 3, |builder| builder).await;
    for _ in 0..10 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
    use_up(&world, 2).await;
    for _ in 0..3 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
        world.ask("/layered-twice", &world.reader).await.is_me(&world.reader);
        world.ask("/me", &world.writer).await.is_denied(&rate_limited(3, 900, 900));
    }
    // The policy still judges a cached key.
    let denied = insufficient_scope("admin", &["admin"], &["read:users"]);
    world.ask("/layered", &world.reader).await.is_denied(&denied);
    assert_eq!(world.calls(), 0);
}

pub async fn a_remembered_refusal_is_no_attempt(subject: Subject) {
    let (world, _clock) =
        counting_all(subject, 2, |builder| builder.negative_time_to_live(Duration::from_secs(60))).await;
    for _ in 0..5 {
        world.send(attempt()).await.is_denied(&invalid_key());
    }
    assert_eq!(world.calls(), 1);
    world.ask("/me", &world.reader).await.is_me(&world.reader);
    world.ask("/me", &world.writer).await.is_denied(&rate_limited(2, 900, 900));
    world.send(attempt()).await.is_denied(&invalid_key());
}

pub async fn a_malformed_key_is_no_attempt(subject: Subject) {
    let (world, _clock) = limited(subject, 2).await;
    let no_keys = [
        (get("/me"), missing_key()),
        (get("/me").authorization(""), missing_key()),
        (get("/me").authorization("Basic azo="), invalid_format()),
        (get("/me").authorization("Bearer two words"), invalid_format()),
        (get("/me").bearer(&"k".repeat(513)), invalid_format()),
        (attempt().bearer(NOBODYS), multiple_keys()),
    ];
    for limited in [false, true] {
        for (request, denied) in &no_keys {
            world.send(request.clone()).await.is_denied(denied);
        }
        world.send(get("/optional")).await.is_json(r#"{"authenticated":false,"key_id":null}"#);
        assert_eq!(world.calls(), 0);
        if !limited {
            use_up(&world, 2).await;
        }
        world.send(attempt()).await.is_denied(&rate_limited(2, 900, 900));
    }
}

pub async fn a_key_with_another_prefix_is_no_attempt(subject: Subject) {
    let (world, _clock) = limited_and(subject, 1, |builder| builder.accepted_prefixes(["k_live_"])).await;
    for _ in 0..3 {
        world.send(get("/me").bearer("k_test_0123456789")).await.is_denied(&invalid_format());
    }
    world.ask("/me", &world.reader).await.is_me(&world.reader);
}

pub async fn a_caller_who_joins_a_verification_makes_no_attempt(subject: Subject) {
    let (world, _clock) = counting_all(subject, 1, |builder| builder).await;
    let gate = Gate::new();
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let request = get("/me").key(&world.reader);
    let mut sessions = Vec::new();
    for _ in 0..20 {
        let mut session = world.session().await;
        session.write(&request.bytes()).await;
        sessions.push(session);
    }
    world.emulator.wait_until(|counters| counters.verify_calls == 1).await;
    world.settle().await;
    gate.open();
    for session in &mut sessions {
        session.read(&request).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 1);
    world.send(attempt()).await.is_denied(&rate_limited(1, 900, 900));
}

pub async fn a_burst_gets_no_attempt_too_many(subject: Subject) {
    let (world, _clock) = counting_all(subject, 5, |builder| builder).await;
    let gate = Gate::new();
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    assert_eq!(burst(&world, &gate, 20).await, 5);
}

pub async fn a_burst_that_waits_for_its_attempts_gets_none_too_many(subject: Subject) {
    let (world, _clock) =
        limited_and(subject, 5, |builder| builder.verification_timeout(Duration::from_secs(60))).await;
    let gate = Gate::new();
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    assert_eq!(burst(&world, &gate, 20).await, 5);
}

/// Sends this many junk keys at once, and opens the gate when five are in flight. Returns how many were judged.
async fn burst(world: &World, gate: &Gate, size: u32) -> usize {
    let mut running = Vec::new();
    for number in 0..size {
        running.push(world.start_as(1, junk(number)).await);
    }
    world.emulator.wait_until(|counters| counters.verifications_in_flight == 5).await;
    world.settle().await;
    gate.open();
    let mut judged = 0;
    for running in running {
        let answer = running.answer().await;
        match answer.response.status {
            401 => judged += 1,
            _ => answer.is_denied(&rate_limited(5, 900, 900)),
        }
    }
    assert_eq!(world.calls(), judged, "Kinde was not asked for limited requests");
    judged as usize
}

pub async fn open_attempts_do_not_limit_clients_with_good_keys(subject: Subject) {
    let (world, _clock) =
        limited_and(subject, 3, |builder| builder.verification_timeout(Duration::from_secs(60))).await;
    let gate = Gate::new();
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let keys = world.create_many("good", 40);
    let running = world.start_all_as(1, &keys).await;
    world.emulator.wait_until(|counters| counters.verifications_in_flight == 3).await;
    world.settle().await;
    assert!(running.iter().all(|running| !running.has_ended()), "a request was limited, or did not wait");
    gate.open();
    for (running, key) in running.into_iter().zip(&keys) {
        running.answer().await.is_me(key);
    }
    let counters = world.emulator.counters();
    assert_eq!((counters.verify_calls, counters.most_verifications_in_flight), (40, 3));
    use_up_from(&world, 40, 3).await;
    world.send(attempt()).await.is_denied(&rate_limited(3, 900, 900));
}

pub async fn an_attempt_that_kinde_could_not_answer_is_given_back(subject: Subject) {
    let (world, _clock) =
        limited_and(subject, 1, |builder| builder.verification_timeout(Duration::from_millis(200))).await;
    let limit = Fault::TooManyRequests { rate_limit_reset: Some(60), retry_after: None };
    let faults = [Fault::status(503), Fault::Reset, Fault::Garbage, Fault::Hang, limit];
    let mut given_back = 0;
    // Each has a key of its own, because Kinde is not asked about an overloaded key for a while.
    for fault in faults {
        world.emulator.set_fault(Endpoint::Verify, Some(fault));
        world.send(junk(given_back)).await.is_denied(&unavailable());
        given_back += 1;
    }
    for fault in [Fault::status(404), Fault::Redirect("/elsewhere".to_owned())] {
        world.emulator.set_fault(Endpoint::Verify, Some(fault));
        world.send(junk(given_back)).await.is_denied(&internal_error());
        given_back += 1;
    }
    world.emulator.set_fault(Endpoint::Verify, None);
    world.emulator.deny_scope(true);
    world.send(junk(given_back)).await.is_denied(&internal_error());
    world.emulator.deny_scope(false);
    world.emulator.reset_counters();
    use_up(&world, 1).await;
    world.send(attempt()).await.is_denied(&rate_limited(1, 900, 900));
}

pub async fn attempts_without_a_judgement_come_back_ten_times_the_limit(subject: Subject) {
    for fault in [Fault::status(400), Fault::Garbage, Fault::status(503), Fault::Reset, Fault::status(404)] {
        let (world, clock) = limited(subject, 2).await;
        let shown = format!("{fault:?}");
        world.ask("/me", &world.admin).await.is_me(&world.admin);
        world.emulator.set_prefix_fault(JUNK, Some(fault));
        world.calls();
        for window in 0..2 {
            for number in 0..22 {
                let answer = world.send(junk(number).note(&shown)).await;
                assert!(answer.response.status >= 500, "attempt {number} of window {window}: {answer}");
            }
            assert_eq!(world.calls(), 22, "{shown}");
            // From now on the client is limited, whatever it presents, and Kinde is not asked.
            world.send(junk(0).note(&shown)).await.is_denied(&rate_limited(2, 900, 900));
            world.ask("/me", &world.reader).await.is_denied(&rate_limited(2, 900, 900));
            world.ask("/me", &world.admin).await.is_me(&world.admin);
            assert_eq!(world.calls(), 0, "{shown}");
            clock.advance(LIMIT.window());
            world.authenticator.clear();
            world.ask("/me", &world.admin).await.is_me(&world.admin);
            world.calls();
        }
    }
}

pub async fn an_outage_that_is_over_leaves_the_client_its_attempts(subject: Subject) {
    let (world, clock) = limited_and(subject, 1, |builder| builder.circuit_breaker(true)).await;
    world.emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    until_open(&world, &clock).await;
    world.emulator.set_fault(Endpoint::Verify, None);
    clock.advance(Duration::from_secs(30));
    until_let_in(&world, &world.reader).await;
    // Attempts that came back during the outage do not count any more: ten may come back again, and one is used.
    world.emulator.set_prefix_fault(JUNK, Some(Fault::status(400)));
    for number in 0..11 {
        world.send(junk(number)).await.is_denied(&unavailable());
    }
    world.send(junk(0)).await.is_denied(&rate_limited(1, 900, 869));
}

pub async fn a_refused_attempt_does_not_prolong_the_limit(subject: Subject) {
    let (world, clock) = limited(subject, 1).await;
    use_up(&world, 1).await;
    for passed in (0..900).step_by(90) {
        world.send(attempt()).await.is_denied(&rate_limited(1, 900, 900 - passed));
        clock.advance(Duration::from_secs(90));
    }
    use_up(&world, 1).await;
}

pub async fn good_keys_are_no_attempts_unless_all_count(subject: Subject) {
    let (world, _clock) = limited_and(subject, 3, |builder| builder.cache_time_to_live(Duration::ZERO)).await;
    for _ in 0..10 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    assert_eq!(world.calls(), 10);
    world.ask("/me", &world.revoked).await.is_denied(&key_revoked());
    world.ask("/me", &world.inactive).await.is_denied(&key_inactive());
    world.send(attempt()).await.is_denied(&invalid_key());
    world.ask("/me", &world.reader).await.is_denied(&rate_limited(3, 900, 900));
    let (world, _clock) =
        counting_all(subject, 3, |builder| builder.cache_time_to_live(Duration::ZERO)).await;
    for _ in 0..3 {
        world.ask("/me", &world.reader).await.is_me(&world.reader);
    }
    world.ask("/me", &world.reader).await.is_denied(&rate_limited(3, 900, 900));
}
