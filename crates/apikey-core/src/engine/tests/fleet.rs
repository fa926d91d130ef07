//! What changes in an instance of a fleet: flights look into the store first, and answers serve as confirmed.

use super::*;
use proptest::prelude::*;

const CUT_OFF: CutOff = CutOff {
    reused_for: Duration::from_secs(10),
    serves_for: Duration::from_secs(60),
    verification: Duration::ZERO,
    seed: 7,
};

/// The longest that an instance counts as linked after a confirmation.
const LEASE: Duration = Duration::from_millis(900);

fn instance(settings: EngineSettings) -> World {
    let world = World::new(EngineSettings { cut_off: Some(CUT_OFF), ..settings });
    world.confirm();
    world
}

impl World {
    fn confirm(&self) {
        self.engine.confirm(self.clock.now());
    }

    /// Another instance asked for this answer so long ago.
    fn shared(&self, key_id: &str, age: Duration) -> Judgement {
        Judgement::accepted(Verification::active(key_id)).with_asked_at(self.clock.now() - age)
    }

    /// Lets a flight ask for a place after it looked in vain.
    fn admit(&self, flight: &mut Flight) {
        assert!(flight.admit(self.clock.now()).is_ok());
        let _come = turn_of(flight);
    }

    fn caches_after_a_look(&self, key: &str) {
        let (mut flight, _waiter) = self.start(key);
        self.admit(&mut flight);
        self.land_at_once(flight, accepted(key));
    }

    /// Cut off, and the key is past its reuse.
    fn with_an_unconfirmed_answer(settings: EngineSettings) -> Self {
        let world = instance(settings);
        world.caches_after_a_look("k1");
        world.clock.advance(CUT_OFF.reused_for);
        world
    }
}

#[test]
fn an_answer_of_another_instance_costs_no_place_and_no_attempt() {
    let limit = AttemptLimit::new(1, TTL).count_all_attempts();
    let world = instance(EngineSettings { attempt_limit: Some(limit), max_in_flight: 1, ..plain() });
    for key in ["k1", "k2", "k3"] {
        let (flight, waiter) = world.start(key);
        assert!(flight.looks());
        let Step::Wait(other) = world.step(key) else { panic!("one flight for a key") };
        assert!(flight.land_shared(world.shared(key, SECOND), world.clock.now()).is_none());
        assert_eq!(heard(waiter), let_in(key));
        assert_eq!(heard(other), let_in(key));
        assert!(world.is_cached(key));
    }
    assert!(world.engine.admission.is_empty());
    assert_eq!(world.engine.crowd.len(), 0);
    let (mut flight, _waiter) = world.start("k4");
    world.admit(&mut flight);
    assert_eq!(world.kind("k5"), Kind::Limited, "the first question is the first attempt");
}

#[test]
fn an_answer_is_never_younger_for_having_travelled() {
    let world = instance(EngineSettings { stale_if_error: Duration::ZERO, ..plain() });
    let (flight, _waiter) = world.start("k1");
    assert!(flight.land_shared(world.shared("k1", TTL / 2), world.clock.now()).is_none());
    let answer = world.engine.cached("k1", world.clock.now()).remove(0);
    assert_eq!(answer.age(world.clock.now()), TTL / 2);
    for _ in 0..TTL.as_secs() / 2 + 1 {
        world.clock.advance(SECOND);
        world.confirm();
    }
    assert_eq!(world.kind("k1"), Kind::Verify);
}

#[test]
fn an_answer_due_for_renewal_is_asked_for_again() {
    let world = instance(plain());
    for age in [TTL - TTL / 100, TTL, 2 * TTL] {
        let (flight, waiter) = world.start("k1");
        let mut flight = flight.land_shared(world.shared("k1", age), world.clock.now()).expect("too old");
        world.admit(&mut flight);
        world.land_at_once(flight, REVOKED);
        assert_eq!(heard(waiter), Some(Heard::Refused(Refusal::Revoked)));
    }
}

#[test]
fn a_removal_during_the_look_voids_what_it_finds() {
    let purges = [
        Purge::Everything,
        Purge::KeyId("k1".into()),
        Purge::User("kp_1".into()),
        Purge::Organization("org_1".into()),
    ];
    for purge in purges {
        let world = instance(plain());
        let (flight, waiter) = world.start("k1");
        world.engine.purge_all(&[purge]);
        let verification = Verification::active("k1").with_user("kp_1").with_organization("org_1");
        let found = Judgement::accepted(verification).with_asked_at(world.clock.now() - SECOND);
        let mut flight = flight.land_shared(found, world.clock.now()).expect("removed meanwhile");
        assert!(world.engine.cached("k1", world.clock.now()).is_empty());
        world.admit(&mut flight);
        world.land_at_once(flight, accepted("k1"));
        assert_eq!(heard(waiter), let_in("k1"));
    }
}

#[test]
fn a_caller_who_needs_a_young_answer_gets_no_old_one() {
    for starts in [false, true] {
        let world = instance(plain());
        let rules = Rules { max_age: Some(5 * SECOND), attempts: None };
        let key = world.engine.fingerprint("k1");
        let strict = || world.engine.step_by(key, &|| None, &rules, world.clock.now());
        let started = if starts { strict() } else { world.step("k1") };
        let Step::Verify(flight, _waiter) = started else { panic!("nothing is cached") };
        let joined = if starts { world.step("k1") } else { strict() };
        assert_eq!(kind(&joined), Kind::Wait);
        let flight = flight.land_shared(world.shared("k1", 6 * SECOND), world.clock.now());
        let flight = flight.expect("too old for one of them");
        assert!(flight.land_shared(world.shared("k1", 4 * SECOND), world.clock.now()).is_none());
    }
}

#[test]
fn a_client_without_attempts_starts_no_look() {
    let limit = AttemptLimit::new(1, TTL);
    let world = instance(EngineSettings { attempt_limit: Some(limit), ..plain() });
    let (mut flight, _waiter) = world.start("k1");
    world.admit(&mut flight);
    world.land_at_once(flight, REVOKED);
    assert_eq!(world.kind("k2"), Kind::Limited);
}

#[test]
fn an_open_breaker_keeps_nobody_from_the_fleets_answers() {
    let world = instance(EngineSettings { circuit_breaker: true, ..plain() });
    world.engine.confirmations.confirm(u64::MAX - 1);
    for number in 0..5 {
        let client = format!("198.51.100.{number}");
        if let Step::Verify(mut flight, _) = world.step_from(&client, &format!("down{number}")) {
            world.admit(&mut flight);
            world.land_at_once(flight, DOWN);
        }
    }
    assert!(world.health_check(ill()));
    world.clock.advance(SECOND);
    assert!(world.health_check(ill()));
    assert!(world.engine.breaker.is_open());
    let (flight, waiter) = world.start("k1");
    assert!(flight.land_shared(world.shared("k1", SECOND), world.clock.now()).is_none());
    assert_eq!(heard(waiter), let_in("k1"));
    let (mut flight, waiter) = world.start("k2");
    let Err(report) = flight.admit(world.clock.now()) else { panic!("the breaker is open") };
    assert!(matches!(flight.land(report, world.clock.now()), Landing::Landed(_)));
    assert!(matches!(heard(waiter), Some(Heard::Failed(ServerFault::Unavailable { .. }))));
}

#[test]
fn a_cut_off_instance_asks_kinde_itself() {
    let world = instance(plain());
    world.clock.advance(LEASE);
    let (flight, _waiter) = world.start("k1");
    assert!(!flight.looks());
}

#[test]
fn to_ask_again_while_cut_off_is_no_attempt() {
    let limit = AttemptLimit::new(1, TTL).count_all_attempts();
    let world = instance(EngineSettings { attempt_limit: Some(limit), ..plain() });
    world.caches_after_a_look("k1");
    for _ in 0..5 {
        world.clock.advance(CUT_OFF.reused_for);
        world.land_at_once(world.start("k1").0, accepted("k1"));
    }
    world.confirm();
    assert_eq!(world.kind("k2"), Kind::Limited, "the first one counts");
}

#[test]
fn an_unconfirmed_answer_serves_only_if_kinde_cannot_answer() {
    let world = World::with_an_unconfirmed_answer(plain());
    let key = world.engine.fingerprint("k1");
    let (flight, waiter) = world.start("k1");
    assert!(flight.has_answer());
    world.land_at_once(flight, DOWN);
    assert!(matches!(heard_outcome(waiter), Some(Outcome::Failed { stale_may_serve: true, .. })));
    let answer = world.engine.stale(&key, None, world.clock.now()).unwrap();
    assert_eq!(world.engine.freshness(&answer, world.clock.now()), Freshness::Stale);
    world.confirm();
    assert_eq!(world.kind("k1"), Kind::Hit, "linked again");
    world.clock.advance(CUT_OFF.serves_for);
    assert!(world.engine.stale(&key, None, world.clock.now()).is_none());
}

proptest! {
    /// Whatever is confirmed when, no answer serves longer than a cut-off instance may serve it.
    #[test]
    fn no_answer_outlives_the_bound_of_a_cut_off_instance(
        steps in prop::collection::vec((0_u64..20_000, any::<bool>()), 1..40),
    ) {
        let world = instance(EngineSettings { stale_if_error: STALE, ..plain() });
        world.caches_after_a_look("k1");
        let key = world.engine.fingerprint("k1");
        let mut since_confirmed = Duration::ZERO;
        let mut age = Duration::ZERO;
        for (milliseconds, confirms) in steps {
            let passed = Duration::from_millis(milliseconds);
            world.clock.advance(passed);
            (since_confirmed, age) = (since_confirmed + passed, age + passed);
            if confirms {
                world.confirm();
                since_confirmed = Duration::ZERO;
            }
            let serves = world.engine.stale(&key, None, world.clock.now()).is_some();
            let is_linked = since_confirmed < LEASE;
            let may_serve = is_linked
                || age < TTL && age.min(since_confirmed) < CUT_OFF.serves_for;
            prop_assert!(!serves || may_serve, "{age:?} old, confirmed {since_confirmed:?} ago");
        }
    }
}

#[test]
fn an_answer_that_was_long_on_its_way_is_void_if_cut_off() {
    let strict = CutOff {
        reused_for: Duration::ZERO,
        serves_for: Duration::ZERO,
        verification: Duration::ZERO,
        seed: 7,
    };
    let world = World::new(EngineSettings { cut_off: Some(strict), ..plain() });
    let (flight, waiter) = world.start("k1");
    world.clock.advance(SECOND);
    let again = world.land(flight, accepted("k1")).expect("it may be from before a removal");
    world.clock.advance(SECOND);
    world.confirm();
    world.land_at_once(again, accepted("k1"));
    assert_eq!(heard(waiter), let_in("k1"), "linked again");
}
