//! Purges, and flights that are under way when a purge comes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
        assert!(world.engine.stale(&world.engine.fingerprint("k1"), None, world.clock.now()).is_none());
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
        assert_eq!(heard(before), Some(Heard::Refused(Refusal::Revoked)));
        assert_eq!(heard(after), Some(Heard::Refused(Refusal::Revoked)));
        assert!(!world.is_cached("k1"));
        assert_eq!(world.engine.flights.lock().purges.now(), 1);
    }
}

#[test]
fn a_refusal_from_before_its_key_was_purged_reaches_nobody() {
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
                assert_eq!(heard(after), Some(Heard::Refused(Refusal::Revoked)));
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
    for _ in 1..4 {
        world.engine.purge(Purge::Everything);
        let (flight, waiter) = world.start("k1");
        world.land_at_once(flight, accepted("k1"));
        assert_eq!(heard(waiter), let_in("k1"));
        assert!(world.is_cached("k1"));
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
        assert_eq!(heard(waiter), UNAVAILABLE);
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
fn removals_of_other_keys_make_no_open_question_ask_again() {
    let world = World::new(plain());
    let (flight, waiter) = world.start("k1");
    for number in 0..20_000 {
        world.engine.purge(Purge::KeyId(format!("other{number}").into()));
        world.engine.purge(Purge::Key(world.engine.fingerprint(format!("k{}", number + 2))));
    }
    purge_ids(&world.engine, (0..200_000).map(|number| format!("another{number}")));
    world.land_at_once(flight, Said::Accepted(identity()));
    assert_eq!(heard(waiter), let_in("id1"));
    assert!(world.is_cached("k1"));
    assert_eq!(world.engine.flights.lock().purges.len(), 0, "nobody has to heed them any more");
    world.engine.purge(Purge::KeyId("other".into()));
    assert_eq!(world.engine.flights.lock().purges.len(), 0, "with no question open there is nothing to heed");
}

#[test]
fn many_ids_are_forgotten_with_the_same_promise_as_one() {
    let world = World::new(EngineSettings { cache_capacity: 2000, stale_if_error: STALE, ..plain() });
    for number in 0..1000 {
        world.cache(&format!("k{number}"));
    }
    let (flight, waiter) = world.start("k1000");
    purge_ids(&world.engine, (0..2000).step_by(2).map(|number| format!("k{number}")));
    for number in 0..1000 {
        assert_eq!(world.is_cached(&format!("k{number}")), number % 2 == 1, "{number}");
    }
    let again = world.land(flight, accepted("k1000")).expect("asked for before its id was purged");
    world.land_at_once(again, REVOKED);
    assert_eq!(heard(waiter), Some(Heard::Refused(Refusal::Revoked)));
}

/// Every key without a fresh answer needs the lock of the flights, so a purge may not hold it while it goes
/// through the cache.
#[test]
fn a_cold_key_begins_while_a_purge_goes_through_the_cache() {
    for which in 0..5 {
        let world = World::new(plain());
        world.cache_as("k1", identity());
        let purge = purges(&world).swap_remove(which);
        let (began, begins) = std::sync::mpsc::channel();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let purging = world.engine.cache.while_changes_wait(|| {
                let purging = scope.spawn(|| world.engine.purge(purge));
                scope.spawn(|| {
                    while world.engine.flights.lock().purges.now() == 0 && !is_over.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                    // Nobody listens if the purge was never noted.
                    began.send(world.kind("cold")).ok();
                });
                // Only a failure takes so long.
                let begun = begins.recv_timeout(Duration::from_secs(30));
                is_over.store(true, Ordering::SeqCst);
                assert!(!purging.is_finished(), "{which}: the purge can't be through");
                (begun, purging)
            });
            assert_eq!(purging.0, Ok(Kind::Verify), "{which}");
            purging.1.join().unwrap();
        });
        assert!(!world.is_cached("k1"), "{which}");
    }
}

/// Kinde counts its changes, and an answer says how many there had been when it was asked for.
#[test]
fn no_answer_from_before_a_purge_is_kept_after_it() {
    const KEYS: usize = 1500;
    const THREADS: usize = 4;
    let world = World::new(EngineSettings { cache_capacity: 1000, ..plain() });
    let (changes, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut kept = Vec::new();
    let key_of = |key: usize| world.engine.fingerprint(format!("k{key}"));
    let use_keys = |thread: usize| {
        let mut key = thread;
        while !is_over.load(Ordering::SeqCst) {
            key = (key + 7 * THREADS) % KEYS;
            let Step::Verify(mut flight, _waiter) = world.step(&format!("k{key}")) else { continue };
            loop {
                let verification = Verification::active(format!("id{key}"))
                    .with_user("kp_1")
                    .with_organization("org_1")
                    .with_verification_count(changes.load(Ordering::SeqCst));
                std::thread::yield_now();
                match world.land(flight, Said::Accepted(verification)) {
                    Some(again) => flight = again,
                    None => break,
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || use_keys(thread));
        }
        for round in 0..600_usize {
            let change = changes.fetch_add(1, Ordering::SeqCst) + 1;
            let mut concerned = 0..KEYS;
            match round % 5 {
                0 => world.engine.purge(Purge::User("kp_1".into())),
                1 => world.engine.purge(Purge::Organization("org_1".into())),
                2 => world.engine.purge(Purge::Everything),
                3 => purge_ids(&world.engine, (0..KEYS).map(|key| format!("id{key}"))),
                _ => {
                    concerned = round..round + 1;
                    world.engine.purge(Purge::Key(key_of(round)))
                }
            };
            for key in concerned {
                if let Some(answer) = world.engine.stale(&key_of(key), None, world.clock.now())
                    && answer.verification.verification_count().unwrap() < change
                {
                    kept.push((round, key));
                }
            }
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(kept, [], "rounds, and keys whose answers are from before the purge");
    assert_eq!(world.engine.cache.sizes(), [world.engine.cached_keys(); 3]);
}

#[test]
fn after_a_sleep_of_the_machine_every_key_is_asked_about_again() {
    let settings = EngineSettings { stale_if_error: STALE, negative_time_to_live: NEGATIVE, ..plain() };
    let world = World::new(settings);
    world.cache("cached");
    world.land_at_once(world.start("refused").0, REVOKED);
    let (open, waiter) = world.start("open");
    world.engine.slept(STALE);
    assert_eq!(world.kind("cached"), Kind::Verify);
    assert_eq!(world.kind("refused"), Kind::Verify);
    let again = world.land(open, accepted("open")).expect("asked before the sleep");
    world.land_at_once(again, accepted("open"));
    assert_eq!(heard(waiter), let_in("open"));
    assert!(world.is_cached("open"), "asked after the sleep");
    let serves = |after| {
        world.engine.stale(&world.engine.fingerprint("cached"), None, world.clock.now() + after).is_some()
    };
    assert!(serves(TTL - SECOND), "of {TTL:?} and {STALE:?}, the sleep is over");
    assert!(!serves(TTL));
}
