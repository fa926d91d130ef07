//! Stale answers that serve while Kinde can't answer, and when they expire.

use super::*;
use proptest::prelude::*;

#[test]
fn an_old_answer_serves_up_to_an_absolute_age() {
    let world = World::new(EngineSettings { stale_if_error: STALE, circuit_breaker: true, ..plain() });
    let key = world.engine.fingerprint("k1");
    world.cache("k1");
    world.clock.advance(TTL);
    for _ in 0..5 {
        let (flight, waiter) = world.start("k1");
        world.land_at_once(flight, DOWN);
        assert!(matches!(heard_outcome(waiter), Some(Outcome::Failed { stale_may_serve: true, .. })));
        assert!(world.engine.stale(&key, None, world.clock.now()).is_some());
    }
    world.break_down();
    assert_eq!(world.kind("k1"), Kind::Stale, "the breaker is open");
    assert_eq!(world.kind("k2"), Kind::Unavailable);
    world.clock.advance(STALE - 2 * SECOND);
    assert!(world.engine.stale(&key, None, world.clock.now()).is_some());
    world.clock.advance(SECOND);
    assert!(world.engine.stale(&key, None, world.clock.now()).is_none(), "failures do not renew it");
}

#[test]
fn a_refused_key_is_brought_back_by_no_outage() {
    let world = World::new(EngineSettings { stale_if_error: STALE, ..plain() });
    world.cache("k1");
    world.clock.advance(TTL);
    world.land_at_once(world.start("k1").0, REVOKED);
    world.land_at_once(world.start("k1").0, DOWN);
    assert!(world.engine.stale(&world.engine.fingerprint("k1"), None, world.clock.now()).is_none());
}

#[test]
fn a_refusal_that_comes_late_still_keeps_the_key_out() {
    let settings = EngineSettings { stale_if_error: STALE, overdue_after: SECOND, ..plain() };
    let is_kept = |world: &World| {
        world.engine.stale(&world.engine.fingerprint("k1"), None, world.clock.now()).is_some()
    };
    let world = World::new(settings);
    world.cache("k1");
    world.clock.advance(TTL);
    let (stuck, _nobody) = world.start("k1");
    world.clock.advance(2 * SECOND);
    let (flight, waiter) = world.start("k1");
    assert!(is_kept(&world));
    world.land_at_once(stuck, REVOKED);
    assert!(!is_kept(&world), "Kinde has refused it, whoever asked");
    world.land_at_once(flight, DOWN);
    assert_eq!(heard(waiter), UNAVAILABLE);
}

#[test]
fn off_by_default_an_old_answer_does_not_serve() {
    let world = World::new(plain());
    world.cache("k1");
    world.clock.advance(TTL);
    assert!(world.engine.stale(&world.engine.fingerprint("k1"), None, world.clock.now()).is_none());
}

#[test]
fn keys_cached_together_do_not_expire_together() {
    let world = World::new(plain());
    let keys: Vec<String> = (0..64).map(|key| format!("k{key}")).collect();
    keys.iter().for_each(|key| world.cache(key));
    world.clock.advance(TTL * 19 / 20);
    let cached = keys.iter().filter(|key| world.is_cached(key)).count();
    assert!((8..56).contains(&cached), "{cached} of 64 in the middle of the jitter");
}

proptest! {
    #[test]
    fn off_means_that_nothing_serves_in_the_gap_that_jitter_leaves(key in "[a-z]{1,8}", second in 0_u64..310) {
        let world = World::new(plain());
        world.cache(&key);
        world.clock.advance(SECOND * u32::try_from(second).unwrap());
        let serves = world.engine.stale(&world.engine.fingerprint(&key), None, world.clock.now()).is_some();
        prop_assert_eq!(serves, world.is_cached(&key));
    }

    #[test]
    fn jitter_only_shortens_and_by_a_tenth_at_most(key in "[a-z]{1,8}", seconds in 1_u64..80_000) {
        let ttl = Duration::from_secs(seconds);
        let world = World::new(EngineSettings { time_to_live: ttl, ..plain() });
        world.cache(&key);
        world.clock.advance(ttl * 9 / 10 - Duration::from_micros(1));
        prop_assert!(world.is_cached(&key));
        world.clock.advance(ttl / 10 + Duration::from_micros(1));
        prop_assert!(!world.is_cached(&key));
    }
}
