//! Purges, and what they outrun.

use super::*;

#[test]
fn a_purged_key_is_asked_about_again() {
    for which in 0..5 {
        let world = World::new(EngineSettings { stale_if_error: STALE, ..plain() });
        world.cache_as("k1", identity());
        world.cache_as("k2", Verification::active("id2"));
        world.cache_as("k3", Verification::active("id3").with_user("kp_2").with_organization("org_2"));
        let purge = purges(&world).swap_remove(which);
        let forgets_all = purge == Purge::Everything;
        world.engine.purge(purge);
        let (flight, _waiter) = world.start("k1");
        world.land_at_once(flight, DOWN);
        assert!(world.engine.stale(&world.engine.fingerprint("k1"), world.clock.now()).is_none());
        assert_eq!(world.is_cached("k2"), !forgets_all, "absent never matches absent");
        assert_eq!(world.is_cached("k3"), !forgets_all);
        assert_eq!(world.engine.cache.sizes(), [world.engine.cached_keys(); 3]);
    }
}

#[test]
fn an_answer_asked_for_before_a_purge_reaches_nobody_after_it() {
    for which in 0..5 {
        let world = World::new(plain());
        let (flight, before) = world.start("k1");
        world.engine.purge(purges(&world).swap_remove(which));
        let Step::Wait(after) = world.step("k1") else { panic!("at most one call per key") };
        let again = world.land(flight, Said::Accepted(identity())).expect("the question must be asked again");
        assert_eq!(heard(before.clone()), None);
        world.land_at_once(again, REVOKED);
        assert_eq!(heard(before), Some(Ok(Err(Refusal::Revoked))));
        assert_eq!(heard(after), Some(Ok(Err(Refusal::Revoked))));
        assert!(!world.is_cached("k1"));
        assert_eq!(world.engine.flights.lock().purges.now(), 1);
    }
}

#[test]
fn a_refusal_asked_for_before_its_key_was_purged_reaches_nobody_after_it() {
    for which in 0..5 {
        let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..plain() });
        let (flight, _before) = world.start("k1");
        let purge = purges(&world).swap_remove(which);
        let names_the_key = matches!(purge, Purge::Everything | Purge::Key(_));
        world.engine.purge(purge);
        let Step::Wait(after) = world.step("k1") else { panic!("at most one call per key") };
        match world.land(flight, REVOKED) {
            Some(again) => {
                assert!(names_the_key);
                world.land_at_once(again, accepted("id1"));
                assert_eq!(heard(after), let_in("id1"));
            }
            None => {
                assert!(!names_the_key, "a refusal tells no identity, so only the key itself can be meant");
                assert_eq!(heard(after), Some(Ok(Err(Refusal::Revoked))));
                assert_eq!(world.kind("k1"), Kind::Verify, "and is not remembered");
            }
        }
    }
}

#[test]
fn a_purge_that_does_not_concern_a_flight_costs_it_nothing() {
    let world = World::new(plain());
    let (flight, waiter) = world.start("k1");
    for purge in [
        Purge::Key(world.engine.fingerprint("k2")),
        Purge::KeyId("id2".into()),
        Purge::User("kp_2".into()),
        Purge::Organization("org_2".into()),
    ] {
        world.engine.purge(purge);
    }
    world.land_at_once(flight, Said::Accepted(identity()));
    assert_eq!(heard(waiter), let_in("id1"));
    assert!(world.is_cached("k1"));
}

#[test]
fn a_question_asked_after_a_purge_does_not_heed_it() {
    let world = World::new(plain());
    let (earlier, _waiter) = world.start("k0");
    for round in 1..4 {
        world.engine.purge(Purge::Everything);
        let (flight, waiter) = world.start("k1");
        world.land_at_once(flight, accepted("k1"));
        assert_eq!(heard(waiter), let_in("k1"));
        assert!(world.is_cached("k1"));
        assert_eq!(world.engine.flights.lock().purges.len(), round, "the earlier question heeds them");
    }
    assert!(world.land(earlier, accepted("k0")).is_some());
}

#[test]
fn purges_without_end_let_nobody_in_and_end_the_flight() {
    for said in [accepted("k1"), REVOKED] {
        let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..plain() });
        let (mut flight, waiter) = world.start("k1");
        let mut questions = 1;
        loop {
            world.engine.purge(Purge::Everything);
            match world.land(flight, said.clone()) {
                Some(again) => flight = again,
                None => break,
            }
            questions += 1;
            assert!(questions <= 4);
        }
        assert_eq!(heard(waiter), Some(Err(ServerFault::Unavailable)));
        assert_eq!(world.kind("k1"), Kind::Verify, "nothing is kept");
    }
}
#[test]
fn purges_say_nothing_about_kindes_health() {
    let world = World::new(EngineSettings { circuit_breaker: true, ..plain() });
    for key in 0..20 {
        let mut flight = world.start(&format!("k{key}")).0;
        for question in 1.. {
            assert!(question <= 4);
            world.engine.purge(Purge::Everything);
            match world.land(flight, accepted("k")) {
                Some(again) => flight = again,
                None => break,
            }
        }
    }
    assert_eq!(world.kind("another"), Kind::Verify);
}

#[test]
fn the_log_of_purges_is_bounded_and_empties_itself() {
    let world = World::new(plain());
    let (flight, _waiter) = world.start("k1");
    for number in 0..100_000 {
        world.engine.purge(Purge::KeyId(format!("id{number}").into()));
    }
    assert!(world.engine.flights.lock().purges.len() <= 1024);
    let again = world.land(flight, accepted("other")).expect("past the bound everything counts as purged");
    world.land_at_once(again, accepted("other"));
    assert_eq!(world.engine.flights.lock().purges.len(), 0);
    world.engine.purge(Purge::Everything);
    assert_eq!(world.engine.flights.lock().purges.len(), 0, "with no question open there is nothing to heed");
}
