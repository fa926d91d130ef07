//! Renewals in the background.

use super::*;

#[test]
fn a_key_in_use_is_renewed_by_one_caller_and_nobody_waits() {
    let world = World::new(EngineSettings { refresh_ahead: true, ..plain() });
    world.cache("k1");
    world.clock.advance(TTL / 2);
    assert_eq!(world.kind("k1"), Kind::Hit, "not yet");
    // This is past the earliest end of the time to live, jitter included.
    world.clock.advance(TTL * 9 / 20 - TTL / 20 - SECOND);
    let mut waited = Duration::ZERO;
    let flight = loop {
        match world.step("k1") {
            Step::Refresh(_, flight) => break flight,
            Step::Hit(_) => {
                world.clock.advance(SECOND);
                waited += SECOND;
                assert!(waited < TTL / 4);
            }
            other => panic!("{:?}", kind(&other)),
        }
    };
    assert_eq!(world.kind("k1"), Kind::Hit, "one caller renews");
    world.land_at_once(flight, accepted("k1"));
    world.clock.advance(TTL / 2);
    assert_eq!(world.kind("k1"), Kind::Hit);
}

#[test]
fn nothing_is_renewed_twice_at_once_nor_while_kinde_is_ill() {
    let settings = EngineSettings { refresh_ahead: true, max_in_flight: 1, circuit_breaker: true, ..plain() };
    let world = World::new(settings.clone());
    world.cache("k1");
    let _under_way = world.renewal("k1").expect("nothing is in the way");
    assert!(world.renewal("k1").is_none());

    let world = World::new(settings.clone());
    world.cache("k1");
    let _crowd = world.start("k2");
    assert!(world.renewal("k1").is_none(), "there is no queue");

    let world = World::new(settings);
    world.cache("k1");
    world.break_down();
    assert!(world.renewal("k1").is_none(), "the key that may go is for somebody who waits");
}

#[test]
fn a_renewal_goes_before_others_in_the_queue() {
    let settings = EngineSettings { refresh_ahead: true, max_in_flight: 1, max_queued: 10, ..plain() };
    let world = World::new(settings);
    world.cache("k1");
    drop(world.renewal("k1").expect("nothing is in the way"));
    world.clock.advance(6 * SECOND);
    let first = world.start("k2").0;
    let mut cold = world.start("k3").0;
    let Step::Refresh(_, mut renewal) = world.step("k1") else { panic!("its time has come") };
    assert!(turn_of(&mut cold).is_none() && turn_of(&mut renewal).is_none());
    world.land_at_once(first, accepted("k2"));
    assert!(turn_of(&mut cold).is_none());
    assert!(matches!(turn_of(&mut renewal), Some(Ok(()))));
}

#[test]
fn an_answer_serves_no_longer_than_fresh_if_kinde_cannot_judge() {
    for class in [FailureClass::Unjudged, FailureClass::ServiceRefused] {
        let settings = EngineSettings { refresh_ahead: true, stale_if_error: STALE, ..plain() };
        let world = World::new(settings);
        world.cache("k1");
        let renewal = world.renewal("k1").expect("nothing is in the way");
        world.land_at_once(renewal, Said::Failed(class));
        assert!(world.is_cached("k1"), "it is fresh");
        world.clock.advance(TTL);
        assert!(world.engine.stale(&world.engine.fingerprint("k1"), None, world.clock.now()).is_none());
    }
}

#[test]
fn a_refused_renewal_ends_the_key() {
    let world = World::new(EngineSettings { refresh_ahead: true, ..plain() });
    world.cache("k1");
    let flight = world.renewal("k1").expect("nothing is in the way");
    world.land_at_once(flight, REVOKED);
    assert_eq!(world.kind("k1"), Kind::Verify);
}
