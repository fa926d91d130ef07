//! Caps, breaker, attempts.

use super::*;

#[test]
fn past_the_caps_the_answer_is_at_once() {
    let world = World::new(EngineSettings { max_in_flight: 3, max_waiting: 5, ..plain() });
    let flights: Vec<_> = (0..3).map(|key| world.start(&format!("k{key}"))).collect();
    assert_eq!(world.kind("another"), Kind::Unavailable);
    let waiters: Vec<_> = (0..2).map(|_| world.step("k0")).collect();
    assert!(waiters.iter().all(|step| kind(step) == Kind::Wait));
    assert_eq!(world.kind("k0"), Kind::Unavailable, "too many wait");
    drop(waiters);
    assert_eq!(world.kind("k0"), Kind::Wait);
    for (flight, _waiter) in flights {
        world.land_at_once(flight, accepted("k"));
    }
    assert_eq!(world.kind("another"), Kind::Verify);
}

#[test]
fn who_gives_a_place_up_takes_none_though_clones_live_on() {
    let world = World::new(EngineSettings { max_waiting: 1, ..plain() });
    let (_flight, waiter) = world.start("k1");
    let kept = waiter.clone();
    assert_eq!(world.kind("k1"), Kind::Unavailable);
    waiter.leave();
    assert_eq!(world.engine.flights.waiting(), 0);
    assert_eq!(world.kind("k1"), Kind::Wait);
    kept.enter();
    waiter.enter();
    assert_eq!(world.engine.flights.waiting(), 1, "who waits again takes it again, and once");
    assert_eq!(world.kind("k1"), Kind::Unavailable);
    kept.leave();
    drop((waiter, kept));
    assert_eq!(world.engine.flights.waiting(), 0, "one place, given up once");
}

#[test]
fn an_answer_is_slow_only_past_the_bound() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    let answer_after = |took: Duration| {
        let (flight, _waiter) = world.start("k");
        let refused = REVOKED.outcome(&flight);
        assert!(flight.land(refused, Some(took), world.clock.now()).is_none());
    };
    (0..20).for_each(|_| answer_after(SECOND));
    assert!(world.engine.breaker.is_closed());
    world.clock.advance(31 * SECOND);
    (0..5).for_each(|_| answer_after(SECOND + Duration::from_nanos(1)));
    assert!(!world.engine.breaker.is_closed());
}

#[test]
fn flights_that_are_stuck_take_nobodys_place() {
    let settings = EngineSettings { max_in_flight: 2, overdue_after: SECOND, ..plain() };
    let world = World::new(settings);
    let stuck: Vec<_> = (0..2).map(|key| world.start(&format!("k{key}"))).collect();
    assert_eq!(world.kind("another"), Kind::Unavailable);
    world.clock.advance(2 * SECOND);
    let others: Vec<_> = (2..4).map(|key| world.start(&format!("k{key}"))).collect();
    assert_eq!(world.kind("another"), Kind::Unavailable);
    drop((stuck, others));
    assert_eq!(world.engine.flights.lock().under_way(), 0);
}

#[test]
fn known_keys_do_not_notice_an_open_breaker() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    world.cache("known");
    for key in 0..4 {
        world.land_at_once(world.start(&format!("k{key}")).0, DOWN);
    }
    assert_eq!(world.kind("another"), Kind::Unavailable);
    assert_eq!(world.kind("known"), Kind::Hit);
    world.clock.advance(SECOND);
    let (probe, _waiter) = world.start("another");
    assert_eq!(world.kind("one more"), Kind::Unavailable, "one probe at a time");
    world.land_at_once(probe, accepted("another"));
    assert_eq!(world.kind("one more"), Kind::Verify);
}

#[test]
fn a_probe_that_is_lost_does_not_keep_the_breaker_shut() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    for key in 0..5 {
        world.land_at_once(world.start(&format!("k{key}")).0, DOWN);
    }
    world.clock.advance(SECOND);
    drop(world.start("probe"));
    assert_eq!(world.kind("another"), Kind::Verify);
}

fn limited_to(attempts: u32) -> EngineSettings {
    EngineSettings { attempt_limit: Some(AttemptLimit::new(attempts, TTL).count_all_attempts()), ..plain() }
}

#[test]
fn only_verifications_that_leave_the_process_are_attempts() {
    let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..limited_to(2) });
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
    for fault in [ServerFault::Unavailable, ServerFault::Internal].into_iter().cycle().take(20) {
        world.land_at_once(world.start("k1").0, Said::Fault(fault));
    }
    let (flight, _waiter) = world.start("k1");
    for key in 0..20 {
        assert_eq!(world.kind(&format!("crowd{key}")), Kind::Unavailable, "not asked, so not counted");
    }
    world.land_at_once(flight, REVOKED);
    world.land_at_once(world.start("k1").0, REVOKED);
    assert_eq!(world.kind("k1"), Kind::Limited);
}

#[test]
fn in_an_outage_an_older_answer_serves_a_limited_client_too() {
    let world = World::new(EngineSettings {
        circuit_breaker: true,
        stale_if_error: STALE,
        attempt_limit: Some(AttemptLimit::new(1, 4 * TTL).count_all_attempts()),
        ..plain()
    });
    world.cache("k1");
    world.clock.advance(TTL);
    assert_eq!(world.kind("k1"), Kind::Limited, "for Kinde is well, as far as anybody knows");
    for number in 0..10 {
        if let Step::Verify(flight, _waiter) = world.step_from(&format!("192.0.2.{}", 2 + number), "k2") {
            world.land_at_once(flight, DOWN);
        }
    }
    assert_eq!(world.kind("k1"), Kind::Stale);
    assert_eq!(world.kind("k2"), Kind::Limited, "and no other key profits");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.kind("k1"), Kind::Stale, "it is no probe");
    let Step::Verify(probe, _waiter) = world.step_from("192.0.2.99", "k2") else { panic!("a probe") };
    world.land_at_once(probe, accepted("k2"));
    assert_eq!(world.kind("k1"), Kind::Limited, "Kinde answers again");
}
