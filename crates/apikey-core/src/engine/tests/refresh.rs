//! Renewal before the end.

use super::*;

#[test]
fn a_key_in_use_is_renewed_by_one_caller_and_nobody_waits() {
    let world = World::new(EngineSettings { refresh_ahead: true, ..plain() });
    world.cache("k1");
    world.clock.advance(TTL / 2);
    assert_eq!(world.kind("k1"), Kind::Hit, "not yet");
    // Past the earliest end of the part that is left, jitter included.
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
fn nothing_is_renewed_while_it_is_being_renewed_nor_in_a_crowd_nor_while_kinde_is_ill() {
    let settings = EngineSettings { refresh_ahead: true, max_in_flight: 1, circuit_breaker: true, ..plain() };
    let world = World::new(settings.clone());
    world.cache("k1");
    let _under_way = world.renewal("k1").expect("nothing is in the way");
    assert!(world.renewal("k1").is_none());

    let world = World::new(settings.clone());
    world.cache("k1");
    let _crowd = world.start("k2");
    assert!(world.renewal("k1").is_none());

    let world = World::new(settings);
    world.cache("k1");
    (0..4).for_each(|_| world.land_at_once(world.start("k2").0, DOWN));
    assert_eq!(world.kind("k2"), Kind::Unavailable);
    assert!(world.renewal("k1").is_none(), "a probe is for somebody who waits");
}

#[test]
fn a_refused_renewal_ends_the_key() {
    let world = World::new(EngineSettings { refresh_ahead: true, ..plain() });
    world.cache("k1");
    let flight = world.renewal("k1").expect("nothing is in the way");
    world.land_at_once(flight, REVOKED);
    assert_eq!(world.kind("k1"), Kind::Verify);
}
