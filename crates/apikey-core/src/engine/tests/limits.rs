//! The bounds: places, the queue, the crowd and attempts.

use super::*;

#[test]
fn without_a_queue_the_answer_past_the_cap_is_at_once() {
    let world = World::new(EngineSettings { max_in_flight: 3, max_waiting: 2, ..plain() });
    let flights: Vec<_> = (0..3).map(|key| world.start(&format!("k{key}"))).collect();
    assert_eq!(world.kind("another"), Kind::Crowded);
    let waiters: Vec<_> = (0..2).map(|_| world.step("k0")).collect();
    assert!(waiters.iter().all(|step| kind(step) == Kind::Wait));
    assert_eq!(world.kind("k0"), Kind::Crowded, "too many wait");
    drop(waiters);
    assert_eq!(world.kind("k0"), Kind::Wait);
    for (flight, _waiter) in flights {
        world.land_at_once(flight, accepted("k"));
    }
    assert_eq!(world.kind("another"), Kind::Verify);
}

#[test]
fn a_place_in_the_crowd_is_given_up_once_though_clones_live_on() {
    let world = World::new(EngineSettings { max_waiting: 1, ..plain() });
    let (_flight, _first) = world.start("k1");
    let Step::Wait(waiter) = world.step("k1") else { panic!("a flight is under way") };
    let kept = waiter.clone();
    assert_eq!(world.kind("k1"), Kind::Crowded);
    waiter.leave();
    assert_eq!(world.engine.crowd.len(), 0);
    assert_eq!(world.kind("k1"), Kind::Wait);
    kept.enter();
    waiter.enter();
    assert_eq!(world.engine.crowd.len(), 1, "whoever waits again takes it again, and once");
    assert_eq!(world.kind("k1"), Kind::Crowded);
    kept.leave();
    drop((waiter, kept));
    assert_eq!(world.engine.crowd.len(), 0, "one place, given up once");
}

#[test]
fn a_crowd_on_one_key_keeps_no_other_client_out() {
    let world = World::new(EngineSettings { max_waiting: 1000, ..plain() });
    let (_flight, _first) = world.start("k1");
    let crowd: Vec<Step> = (0..2000).map(|_| world.step("k1")).collect();
    assert_eq!(crowd.iter().filter(|step| kind(step) == Kind::Wait).count(), 875, "an eighth stays free");
    assert_eq!(kind(&world.step_from("192.0.2.2", "k2")), Kind::Verify);
    let (_other, _waiter) = match world.step_from("192.0.2.2", "k3") {
        Step::Verify(flight, waiter) => (flight, waiter),
        other => panic!("{:?}", kind(&other)),
    };
    let others: Vec<Step> = (0..300).map(|_| world.step_from("192.0.2.2", "k3")).collect();
    assert_eq!(others.iter().filter(|step| kind(step) == Kind::Wait).count(), 125);
}

#[test]
fn flights_that_are_stuck_take_nobodys_place() {
    let settings = EngineSettings { max_in_flight: 2, overdue_after: SECOND, ..plain() };
    let world = World::new(settings);
    let stuck: Vec<_> = (0..2).map(|key| world.start(&format!("k{key}"))).collect();
    assert_eq!(world.kind("another"), Kind::Crowded);
    world.clock.advance(2 * SECOND);
    let others: Vec<_> = (2..4).map(|key| world.start(&format!("k{key}"))).collect();
    assert_eq!(world.kind("another"), Kind::Crowded);
    for (_, waiter) in &stuck {
        assert_eq!(heard(waiter.clone()), UNAVAILABLE, "nobody waits for them");
    }
    drop(stuck);
    assert_eq!(world.kind("another"), Kind::Crowded, "their places are not given back twice");
    drop(others);
    assert_eq!(world.engine.flights.lock().under_way(), 0);
    assert!(world.engine.admission.is_empty());
}

fn limited_to(attempts: u32) -> EngineSettings {
    EngineSettings { attempt_limit: Some(AttemptLimit::new(attempts, TTL)), ..plain() }
}

#[test]
fn only_verifications_that_leave_the_process_are_attempts() {
    let limit = AttemptLimit::new(2, TTL).count_all_attempts();
    let attempt_limit = Some(limit);
    let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, attempt_limit, ..plain() });
    let (flight, _waiter) = world.start("k1");
    for _ in 0..50 {
        assert_eq!(world.kind("k1"), Kind::Wait, "who waits makes no attempt");
    }
    world.land_at_once(flight, accepted("k1"));
    for _ in 0..50 {
        assert_eq!(world.kind("k1"), Kind::Hit);
    }
    world.land_at_once(world.start("k2").0, REVOKED);
    for _ in 0..50 {
        assert_eq!(world.kind("k2"), Kind::Refused(Refusal::Revoked));
    }
    assert_eq!(world.kind("k3"), Kind::Limited);
    assert_eq!(world.kind("k1"), Kind::Hit, "a cached key is not concerned");
    assert_eq!(kind(&world.step_from("192.0.2.2", "k3")), Kind::Verify);
}

#[test]
fn an_attempt_that_kinde_could_not_answer_is_given_back() {
    let world = World::new(EngineSettings { max_in_flight: 1, ..limited_to(2) });
    for class in ALL_FAILURES.into_iter().cycle().take(20) {
        world.land_at_once(world.start("k1").0, Said::Failed(class));
        world.clock.advance(SECOND);
    }
    let (flight, _waiter) = world.start("k1");
    for key in 0..20 {
        assert_eq!(world.kind(&format!("crowd{key}")), Kind::Crowded, "not asked, so not counted");
    }
    world.land_at_once(flight, REVOKED);
    world.land_at_once(world.start("k1").0, REVOKED);
    assert_eq!(world.kind("k1"), Kind::Limited);
}

#[test]
fn in_an_outage_a_stale_answer_serves_a_limited_client_too() {
    let world = World::new(EngineSettings {
        circuit_breaker: true,
        stale_if_error: STALE,
        attempt_limit: Some(AttemptLimit::new(1, 4 * TTL)),
        ..plain()
    });
    world.cache("k1");
    world.clock.advance(TTL);
    world.land_at_once(world.start("k3").0, REVOKED);
    assert_eq!(world.kind("k1"), Kind::Limited, "Kinde is well, as far as anybody knows");
    world.break_down();
    assert_eq!(world.kind("k1"), Kind::Stale);
    assert_eq!(world.kind("k2"), Kind::Limited, "and no other key profits");
    world.clock.advance(SECOND);
    assert!(world.health_check(Health::Up));
    assert_eq!(world.kind("k1"), Kind::Limited, "Kinde answers again");
}

#[test]
fn attempts_under_way_wait_and_never_draw_a_429() {
    let world = World::new(EngineSettings { max_queued: 100, ..limited_to(2) });
    let mut flights: Vec<(Flight, Waiter)> = (0..5).map(|key| world.start(&format!("k{key}"))).collect();
    let come = |flights: &mut Vec<(Flight, Waiter)>| {
        flights.iter_mut().map(|(flight, _)| matches!(turn_of(flight), Some(Ok(())))).collect::<Vec<bool>>()
    };
    assert_eq!(come(&mut flights), [true, true, false, false, false]);
    world.land_at_once(flights.remove(0).0, accepted("k0"));
    assert_eq!(come(&mut flights), [true, true, false, false], "an accepted key makes room");
    for _ in 0..2 {
        world.land_at_once(flights.remove(0).0, REVOKED);
    }
    for (flight, waiter) in flights {
        world.land_at_once(flight, accepted("never asked"));
        assert_eq!(heard(waiter), Some(Heard::Limited), "refused keys have used the limit up");
    }
    assert_eq!(world.kind("k9"), Kind::Limited);
}

#[test]
fn a_limit_is_no_concern_of_those_who_join_a_flight() {
    let world = World::new(EngineSettings { max_queued: 100, ..limited_to(1) });
    let (first, _waiter) = world.start("k1");
    let (second, starter) = world.start("k2");
    let Step::Wait(joiner) = world.step_from("192.0.2.2", "k2") else { panic!("a flight is under way") };
    world.land_at_once(first, REVOKED);
    world.land_at_once(second, accepted("k2"));
    assert_eq!(heard(starter), Some(Heard::Limited));
    assert!(matches!(heard(joiner), Some(Heard::Failed(ServerFault::Unavailable { .. }))));
}

#[test]
fn a_key_that_drew_overload_waits_for_its_moment_alone() {
    let world = World::new(EngineSettings { stale_if_error: STALE, ..plain() });
    world.cache("known");
    world.clock.advance(TTL);
    for key in ["known", "cold"] {
        world.land_at_once(world.start(key).0, Said::Failed(FailureClass::Overload));
    }
    assert_eq!(world.kind("known"), Kind::Stale);
    let Step::Unavailable(wait) = world.step("cold") else { panic!("it has to wait") };
    assert_eq!(wait, Duration::from_millis(100), "no moment was named");
    assert_eq!(world.kind("another"), Kind::Verify);
    world.clock.advance(wait);
    assert_eq!(world.kind("cold"), Kind::Verify);
}
