//! What an outcome proves: what the caller hears, whether a stale answer serves, and what changes for other callers.

use super::*;

/// A world with a key whose answer is stale.
fn with_a_stale_answer() -> World {
    let world = World::new(EngineSettings { stale_if_error: STALE, circuit_breaker: true, ..plain() });
    world.cache("k1");
    world.clock.advance(TTL);
    world
}

#[test]
fn each_class_says_what_the_caller_and_the_stale_answer_get() {
    for (class, fault, serves) in [
        (FailureClass::Overload, ServerFault::Unavailable { retry_after: Duration::from_millis(100) }, true),
        (FailureClass::Outage, ServerFault::UNAVAILABLE, true),
        (FailureClass::SetUp, ServerFault::Internal, true),
        (FailureClass::ServiceRefused, ServerFault::Internal, false),
        (FailureClass::Unjudged, ServerFault::UNAVAILABLE, false),
    ] {
        let world = with_a_stale_answer();
        let (flight, waiter) = world.start("k1");
        world.land_at_once(flight, Said::Failed(class));
        let Some(Outcome::Failed { fault: told, stale_may_serve }) = heard_outcome(waiter) else {
            panic!("{class:?}");
        };
        assert_eq!((told, stale_may_serve), (fault, serves), "{class:?}");
        let is_kept = world.engine.stale(&world.engine.fingerprint("k1"), None, world.clock.now()).is_some();
        assert_eq!(is_kept, serves, "{class:?}: what may not serve is forgotten");
    }
}

#[test]
fn an_open_breaker_lets_a_stale_answer_outlive_every_failure() {
    for class in ALL_FAILURES {
        let world = with_a_stale_answer();
        world.break_down();
        world.clock.advance(SECOND);
        assert!(world.health_check(ill()));
        world.clock.advance(2 * SECOND);
        assert!(world.health_check(ill()), "the second health check");
        let (probe, waiter) = world.start("k1");
        world.land_at_once(probe, Said::Failed(class));
        assert!(
            matches!(heard_outcome(waiter), Some(Outcome::Failed { stale_may_serve: true, .. })),
            "{class:?}"
        );
        assert!(world.engine.breaker.is_open(), "{class:?} changes nothing");
        assert_eq!(world.kind("k1"), Kind::Stale);
    }
}

#[test]
fn crowding_is_no_reason_to_serve_a_stale_answer() {
    let settings = EngineSettings { stale_if_error: STALE, max_in_flight: 1, ..plain() };
    let world = World::new(settings);
    world.cache("k1");
    world.clock.advance(TTL);
    let _crowd = world.start("k2");
    assert_eq!(world.kind("k1"), Kind::Crowded);
}

#[test]
fn one_odd_key_opens_nothing_and_its_client_ends_up_limited() {
    for class in ALL_FAILURES {
        let limit = AttemptLimit::new(10, Duration::from_secs(3600));
        let world =
            World::new(EngineSettings { circuit_breaker: true, attempt_limit: Some(limit), ..plain() });
        let mut asked = 0;
        for second in 0..1000 {
            match world.step_from("192.0.2.66", "odd") {
                Step::Verify(flight, _waiter) => {
                    asked += 1;
                    world.land_at_once(flight, Said::Failed(class));
                }
                Step::Limited(_) => break,
                // The health check says that this service is well, so nothing is remembered against it.
                other => panic!("{class:?} {:?}", kind(&other)),
            }
            world.health_check(Health::Up);
            world.clock.advance(SECOND);
            assert_eq!(world.kind(&format!("good{second}")), Kind::Verify, "{class:?}");
        }
        assert_eq!(asked, 110, "{class:?}: ten times the limit is given back");
    }
}

#[test]
fn the_breaker_opens_only_if_the_health_check_fails_twice() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    for key in 0..100 {
        world.land_at_once(world.start(&format!("k{key}")).0, DOWN);
    }
    assert!(!world.engine.breaker.is_open(), "suspicion changes nothing");
    assert!(world.health_check(ill()));
    assert!(!world.health_check(ill()), "at most once a second");
    assert_eq!(world.kind("another"), Kind::Verify);
    world.clock.advance(SECOND);
    assert!(world.health_check(ill()));
    assert_eq!(world.kind("another"), Kind::Unavailable);
}

#[test]
fn a_key_that_is_judged_meanwhile_keeps_the_breaker_closed() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    for round in 0..20 {
        for key in 0..10 {
            world.land_at_once(world.start(&format!("k{key}")).0, DOWN);
        }
        world.health_check(ill());
        world.land_at_once(world.start(&format!("good{round}")).0, REVOKED);
        world.clock.advance(SECOND);
    }
    assert!(!world.engine.breaker.is_open());
}

#[test]
fn a_good_health_check_or_a_judged_key_closes_the_breaker() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    world.break_down();
    world.clock.advance(SECOND);
    assert!(world.health_check(Health::Up));
    assert_eq!(world.kind("k"), Kind::Verify);

    for said in [accepted("k"), REVOKED] {
        let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
        world.break_down();
        world.clock.advance(SECOND);
        world.health_check(ill());
        assert_eq!(world.kind("k"), Kind::Unavailable, "only with every second health check");
        world.clock.advance(2 * SECOND);
        world.health_check(ill());
        let (probe, _waiter) = world.start("k");
        assert_eq!(world.kind("another"), Kind::Unavailable, "one key at a time");
        world.land_at_once(probe, said);
        assert_eq!(world.kind("another"), Kind::Verify);
    }
}

#[test]
fn callers_are_told_the_next_health_checks_moment() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    world.break_down();
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        world.clock.advance(SECOND / 2);
        let Step::Unavailable(wait) = world.step("k") else { panic!("open") };
        assert_eq!(wait, pause * SECOND - SECOND / 2);
        world.clock.advance(wait);
        assert!(world.engine.begin_health_check(world.clock.now()));
        // From the second health check on, a probe may go, too.
        match world.step("k") {
            Step::Unavailable(wait) => assert_eq!(wait, SECOND, "the health check is under way"),
            other => panic!("{:?}", kind(&other)),
        }
        world.engine.end_health_check(ill(), world.clock.now());
        if let Step::Verify(probe, _waiter) = world.step("k") {
            world.land_at_once(probe, DOWN);
        }
    }
}

#[test]
fn everybody_waits_only_if_the_health_check_draws_overload() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    let busy = |seconds| Health::Overload(VerifierError::overload("busy").with_retry_after(seconds * SECOND));
    for key in 0..5 {
        world.land_at_once(world.start(&format!("k{key}")).0, Said::Failed(FailureClass::Overload));
    }
    assert_eq!(world.kind("another"), Kind::Verify);
    assert!(world.health_check(busy(45)));
    world.clock.advance(5 * SECOND);
    let Step::Unavailable(wait) = world.step("another") else { panic!("everybody waits") };
    assert_eq!(wait, 40 * SECOND, "callers are told the rest of it");
    assert!(!world.health_check(busy(45)), "and nobody is asked");
    world.clock.advance(40 * SECOND);
    assert_eq!(world.kind("another"), Kind::Unavailable, "first the health check");
    assert!(world.health_check(busy(3600)));
    let Step::Unavailable(wait) = world.step("another") else { panic!("everybody waits") };
    assert_eq!(wait, 60 * SECOND, "at most a minute");
    world.clock.advance(60 * SECOND);
    assert!(world.health_check(Health::Up));
    assert_eq!(world.kind("another"), Kind::Verify);
}

#[test]
fn overload_without_a_moment_stops_everybody_only_if_it_lasts() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    let busy = || Health::Overload(VerifierError::overload("busy"));
    for key in 0..5 {
        world.land_at_once(world.start(&format!("k{key}")).0, Said::Failed(FailureClass::Overload));
    }
    assert!(world.health_check(busy()));
    assert_eq!(world.kind("another"), Kind::Verify);
    world.clock.advance(SECOND);
    assert!(world.health_check(busy()));
    let Step::Unavailable(wait) = world.step("another") else { panic!("everybody waits") };
    assert_eq!(wait, Duration::from_millis(100));
}

#[test]
fn nobody_pauses_while_keys_are_judged() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    for round in 0..30 {
        for key in 0..10 {
            let key = format!("k{round}_{key}");
            world.land_at_once(world.start(&key).0, Said::Failed(FailureClass::Overload));
        }
        assert!(world.engine.begin_health_check(world.clock.now()) || round > 0);
        world.land_at_once(world.start(&format!("good{round}")).0, accepted("good"));
        let busy = VerifierError::overload("busy").with_retry_after(30 * SECOND);
        world.engine.end_health_check(Health::Overload(busy), world.clock.now());
        assert_eq!(world.kind("another"), Kind::Verify);
        world.clock.advance(SECOND);
    }
}

#[test]
fn a_wrong_set_up_is_told_from_memory_for_a_second() {
    for class in [FailureClass::SetUp, FailureClass::ServiceRefused] {
        let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
        assert!(!world.health_check(Health::Up), "nothing asks for it");
        world.land_at_once(world.start("k").0, Said::Failed(class));
        assert!(world.health_check(Health::Refused(VerifierError::new(class, "as the test wants"))));
        for _ in 0..100 {
            assert_eq!(world.kind("another"), Kind::SetUp);
        }
        world.clock.advance(SECOND);
        assert_eq!(world.kind("another"), Kind::Verify);
        world.land_at_once(world.start("k").0, Said::Failed(class));
        assert!(world.health_check(Health::Up));
        assert_eq!(world.kind("another"), Kind::Verify, "it was this key alone");
    }
}

#[test]
fn a_refused_service_is_remembered_for_the_client_that_drew_it() {
    for (class, others) in [(FailureClass::ServiceRefused, Kind::Verify), (FailureClass::SetUp, Kind::SetUp)]
    {
        let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
        world.land_at_once(world.start("junk").0, Said::Failed(class));
        assert!(world.health_check(Health::Refused(VerifierError::new(class, "as the test wants"))));
        assert_eq!(world.kind("more junk"), Kind::SetUp);
        assert_eq!(kind(&world.step_from("192.0.2.2", "good")), others, "{class:?}");
    }
}

#[test]
fn one_client_does_not_take_every_place_of_an_open_breaker() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    world.break_down();
    let ask = |world: &World| {
        let wait = world.engine.next_health_check(world.clock.now()).unwrap();
        world.clock.advance(wait);
        assert!(world.health_check(Health::Unknown));
    };
    ask(&world);
    world.land_at_once(world.start("junk").0, Said::Failed(FailureClass::Unjudged));
    ask(&world);
    assert_eq!(world.kind("more junk"), Kind::Unavailable, "the next place is for another client");
    match world.step_from("192.0.2.2", "good") {
        Step::Verify(probe, _waiter) => world.land_at_once(probe, accepted("good")),
        other => panic!("{:?}", kind(&other)),
    }
    assert!(!world.engine.breaker.is_open());
}

#[test]
fn whoever_queued_when_the_breaker_opened_is_not_sent() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    let (mut early, _waiter) = world.start("early");
    assert!(early.must_still_wait(world.clock.now()).is_none());
    world.break_down();
    let (wait, is_pause) = early.must_still_wait(world.clock.now()).expect("the breaker is open");
    assert_eq!((wait, is_pause), (SECOND, false));
    assert!(turn_of(&mut early).is_some());
    assert!(matches!(early.land(Report::NotYet(wait), world.clock.now()), Landing::Landed(_)));
}

#[test]
fn a_verifier_that_panics_about_a_key_serves_no_stale_answer() {
    let world = with_a_stale_answer();
    let (flight, waiter) = world.start("k1");
    let landing = flight.land(Report::Lost(ServerFault::Internal), world.clock.now());
    assert!(matches!(landing, Landing::Landed(_)));
    assert!(matches!(heard_outcome(waiter), Some(Outcome::Failed { stale_may_serve: false, .. })));
}

#[test]
fn a_set_up_that_no_caller_doubts_is_not_remembered_as_wrong() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    for key in 0..5 {
        world.land_at_once(world.start(&format!("k{key}")).0, Said::Failed(FailureClass::Unjudged));
    }
    assert!(world.health_check(Health::Refused(VerifierError::service_refused("as the test wants"))));
    assert_eq!(world.kind("another"), Kind::Verify);
}

#[test]
fn without_an_answer_of_its_own_each_client_counts_once() {
    let fail = |world: &World, client: &str, key: &str| {
        if let Step::Verify(flight, _) = world.step_from(client, key) {
            world.land_at_once(flight, DOWN);
        }
    };
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    for key in 0..100 {
        fail(&world, "192.0.2.66", &format!("k{key}"));
    }
    assert!(world.health_check(Health::Unknown));
    assert!(!world.engine.breaker.is_open(), "one client is not everybody");
    for client in 0..5 {
        fail(&world, &format!("192.0.2.{client}"), "k");
    }
    for is_open in [false, true] {
        world.clock.advance(SECOND);
        assert!(world.health_check(Health::Unknown));
        assert_eq!(world.engine.breaker.is_open(), is_open, "twice in a row, as a health check that fails");
    }
    world.clock.advance(SECOND);
    assert!(world.health_check(Health::Unknown));
    world.land_at_once(world.start("k").0, accepted("k"));
    assert!(!world.engine.breaker.is_open(), "a judged key closes it");
}

#[test]
fn an_unknown_health_opens_nothing_while_keys_are_judged() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    for round in 0..5 {
        for client in 0..20 {
            let client = format!("192.0.2.{client}");
            if let Step::Verify(flight, _) = world.step_from(&client, &format!("junk {round}")) {
                world.land_at_once(flight, Said::Failed(FailureClass::Unjudged));
            }
        }
        world.clock.advance(SECOND);
        assert!(world.health_check(Health::Unknown));
        let key = format!("good {round}");
        world.land_at_once(world.start(&key).0, accepted(&key));
        assert!(!world.engine.breaker.is_open());
    }
}

#[test]
fn three_connections_that_could_not_be_made_raise_the_suspicion() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    for key in 0..3 {
        assert!(world.engine.next_health_check(world.clock.now()).is_none());
        let mut flight = world.start(&format!("k{key}")).0;
        assert!(turn_of(&mut flight).is_some());
        let error = VerifierError::outage("refused").without_connection();
        let landing = flight.land(Report::Failed(error), world.clock.now());
        assert!(matches!(landing, Landing::Landed(_)));
    }
    assert!(world.health_check(Health::Up));
}

#[test]
fn what_an_outage_gave_back_is_forgotten_once_it_is_over() {
    let limit = AttemptLimit::new(10, Duration::from_secs(3600));
    let world = World::new(EngineSettings { circuit_breaker: true, attempt_limit: Some(limit), ..plain() });
    for key in 0..90 {
        world.land_at_once(world.start(&format!("k{key}")).0, DOWN);
    }
    world.break_down();
    world.clock.advance(SECOND);
    assert!(world.health_check(Health::Up));
    for key in 0..90 {
        world.land_at_once(world.start(&format!("k{key}")).0, DOWN);
    }
    assert_eq!(world.kind("k"), Kind::Verify);
}

#[test]
fn a_lost_health_check_does_not_keep_the_breaker_open() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    world.break_down();
    world.clock.advance(SECOND);
    assert!(world.engine.begin_health_check(world.clock.now()));
    world.clock.advance(3 * SECOND);
    assert!(!world.engine.begin_health_check(world.clock.now()));
    world.clock.advance(SECOND);
    assert!(world.health_check(Health::Up));
    assert_eq!(world.kind("k"), Kind::Verify);
}
