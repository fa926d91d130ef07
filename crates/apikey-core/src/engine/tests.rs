use super::*;
use crate::client_addr::client_of;
use crate::clock::{Clock, ManualClock};
use proptest::prelude::*;

const TTL: Duration = Duration::from_secs(300);
const STALE: Duration = Duration::from_secs(600);
const NEGATIVE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn plain() -> EngineSettings {
    EngineSettings {
        cache_capacity: 100,
        time_to_live: TTL,
        stale_if_error: Duration::ZERO,
        negative_time_to_live: Duration::ZERO,
        refresh_ahead: false,
        max_in_flight: 1000,
        max_waiting: 10_000,
        attempt_limit: None,
        circuit_breaker: false,
        slow_after: SECOND,
        overdue_after: Duration::from_secs(1_000_000),
    }
}

pub(super) struct World {
    pub(super) engine: Arc<Engine>,
    pub(super) clock: ManualClock,
}

/// What a step came to, without what it carries.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Hit,
    Refresh,
    Refused(Refusal),
    Wait,
    Verify,
    Stale,
    Unavailable,
    Limited,
}

impl World {
    pub(super) fn new(settings: EngineSettings) -> Self {
        Self { engine: Engine::new(settings, Fingerprinter::random().unwrap()), clock: ManualClock::new() }
    }

    fn step(&self, key: &str) -> Step {
        self.step_from("192.0.2.1", key)
    }

    pub(super) fn step_from(&self, client: &str, key: &str) -> Step {
        let client = || Some(client_of(client.parse().unwrap(), 56));
        self.engine.step(self.engine.fingerprint(key), &client, self.clock.now())
    }

    fn start(&self, key: &str) -> (Flight, Waiter) {
        match self.step(key) {
            Step::Verify(flight, waiter) => (flight, waiter),
            other => panic!("expected a flight, not {:?}", kind(&other)),
        }
    }

    /// The kind of step; a flight that was started is called off.
    fn kind(&self, key: &str) -> Kind {
        kind(&self.step(key))
    }

    pub(super) fn land(&self, flight: Flight, said: Said) -> Option<Flight> {
        let outcome = said.outcome(&flight);
        flight.land(outcome, Some(Duration::ZERO), self.clock.now())
    }

    fn land_at_once(&self, flight: Flight, said: Said) {
        assert!(self.land(flight, said).is_none(), "no purge came between");
    }

    fn cache(&self, key: &str) {
        self.cache_as(key, Verification::active(key));
    }

    fn cache_as(&self, key: &str, verification: Verification) {
        self.land_at_once(self.start(key).0, Said::Accepted(verification));
    }

    fn is_cached(&self, key: &str) -> bool {
        matches!(self.kind(key), Kind::Hit | Kind::Refresh)
    }

    /// The flight that renews the key, if one begins while its answer is fresh.
    fn renewal(&self, key: &str) -> Option<Flight> {
        for _ in 0..TTL.as_secs() {
            match self.step(key) {
                Step::Refresh(_, flight) => return Some(flight),
                Step::Hit(_) => self.clock.advance(SECOND),
                _ => return None,
            }
        }
        None
    }
}

fn kind(step: &Step) -> Kind {
    match step {
        Step::Hit(_) => Kind::Hit,
        Step::Refresh(..) => Kind::Refresh,
        Step::Refused(refusal) => Kind::Refused(*refusal),
        Step::Wait(_) => Kind::Wait,
        Step::Verify(..) => Kind::Verify,
        Step::Stale(_) => Kind::Stale,
        Step::Unavailable(_) => Kind::Unavailable,
        Step::Limited(_) => Kind::Limited,
    }
}

/// What a verifier says.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Accepted(Verification),
    Refused(Refusal),
    Fault(ServerFault),
}

impl Said {
    fn outcome(self, flight: &Flight) -> Outcome {
        match self {
            Self::Accepted(verification) => Ok(Ok(flight.answer(verification))),
            Self::Refused(refusal) => Ok(Err(refusal)),
            Self::Fault(fault) => Err(fault),
        }
    }
}

fn accepted(key: &str) -> Said {
    Said::Accepted(Verification::active(key))
}

const REVOKED: Said = Said::Refused(Refusal::Revoked);
const DOWN: Said = Said::Fault(ServerFault::Unavailable);

/// What everybody hears: the key id where it is let in. The engine needs no runtime, so neither does asking.
fn heard(waiter: Waiter) -> Option<Result<Result<String, Refusal>, ServerFault>> {
    Some(heard_answer(waiter)?.map(|judged| judged.map(|answer| answer.verification.key_id().to_owned())))
}

pub(super) fn heard_answer(waiter: Waiter) -> Option<Outcome> {
    use std::future::Future as _;
    let mut future = std::pin::pin!(waiter.outcome());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(outcome) => Some(outcome),
        std::task::Poll::Pending => None,
    }
}

fn let_in(key_id: &str) -> Option<Result<Result<String, Refusal>, ServerFault>> {
    Some(Ok(Ok(key_id.to_owned())))
}

#[test]
fn one_key_one_flight() {
    let world = World::new(plain());
    let (flight, first) = world.start("k1");
    let waiters: Vec<Waiter> = (0..499)
        .map(|_| match world.step("k1") {
            Step::Wait(waiter) => waiter,
            _ => panic!("a second flight, or a hit before the first has landed"),
        })
        .collect();
    world.land_at_once(flight, accepted("k1"));
    for waiter in waiters.into_iter().chain([first]) {
        assert_eq!(heard(waiter), let_in("k1"));
    }
    assert_eq!((world.engine.flights.lock().under_way(), world.engine.flights.waiting()), (0, 0));
}

#[test]
fn single_flight_holds_with_the_cache_off() {
    let world = World::new(EngineSettings { time_to_live: Duration::ZERO, ..plain() });
    let (flight, waiter) = world.start("k1");
    assert_eq!(world.kind("k1"), Kind::Wait);
    world.land_at_once(flight, accepted("k1"));
    assert_eq!(heard(waiter), let_in("k1"));
    assert_eq!(world.kind("k1"), Kind::Verify, "zero means off");
    assert_eq!(world.engine.cached_keys(), 0);
}

#[test]
fn only_accepted_answers_are_kept() {
    let world = World::new(plain());
    for said in [Said::Refused(Refusal::Invalid), REVOKED, DOWN, Said::Fault(ServerFault::Internal)] {
        let (flight, waiter) = world.start("k1");
        world.land_at_once(flight, said);
        assert!(!matches!(heard(waiter), Some(Ok(Ok(_)))));
        assert!(!world.is_cached("k1"));
    }
    assert_eq!(world.engine.cached_keys(), 0);
}

#[test]
fn age_counts_from_when_the_question_was_asked() {
    let world = World::new(plain());
    let (flight, _waiter) = world.start("k1");
    world.clock.advance(TTL);
    world.land_at_once(flight, accepted("k1"));
    assert!(!world.is_cached("k1"));
}

#[test]
fn a_flight_that_is_dropped_tells_its_waiters() {
    let world = World::new(plain());
    let (flight, waiter) = world.start("k1");
    drop(flight);
    assert_eq!(heard(waiter), Some(Err(ServerFault::Unavailable)));
    assert!(!world.is_cached("k1"));
}

#[test]
fn a_panic_is_contained_and_is_no_refusal() {
    let world = World::new(plain());
    let (flight, waiter) = world.start("k1");
    let carried = std::thread::spawn(move || {
        let _flight = flight;
        panic!("a verifier's bug");
    });
    assert!(carried.join().is_err());
    assert_eq!(heard(waiter), Some(Err(ServerFault::Internal)));
    assert!(!world.is_cached("k1"));
}

#[test]
fn a_flight_that_is_stuck_is_replaced_and_what_it_brings_back_counts_for_nothing() {
    let world = World::new(EngineSettings { overdue_after: SECOND, ..plain() });
    let (stuck, early) = world.start("k1");
    world.clock.advance(SECOND);
    assert_eq!(world.kind("k1"), Kind::Wait);
    world.clock.advance(SECOND);
    let (flight, late) = world.start("k1");
    world.land_at_once(stuck, accepted("old"));
    assert_eq!(heard(early), Some(Err(ServerFault::Unavailable)));
    assert_eq!(world.kind("k1"), Kind::Wait, "the new flight goes on");
    world.land_at_once(flight, accepted("new"));
    assert_eq!(heard(late), let_in("new"));
    assert_eq!(world.engine.flights.lock().under_way(), 0);
}

#[test]
fn the_cache_and_its_index_are_bounded_together() {
    let world = World::new(plain());
    for key in 0..10_000 {
        world.cache(&format!("k{key}"));
    }
    assert!(world.engine.cached_keys() <= 100, "{}", world.engine.cached_keys());
    assert_eq!(world.engine.cache.sizes(), [world.engine.cached_keys(); 3]);
    world.engine.purge(Purge::Everything);
    assert_eq!((world.engine.cached_keys(), world.engine.cache.sizes()), (0, [0; 3]));
}

// Purge

/// Every purge that concerns the key `k1`, whose id is `id1`.
fn purges(world: &World) -> Vec<Purge> {
    vec![
        Purge::Everything,
        Purge::Key(world.engine.fingerprint("k1")),
        Purge::KeyId("id1".into()),
        Purge::User("kp_1".into()),
        Purge::Organization("org_1".into()),
    ]
}

fn identity() -> Verification {
    Verification::active("id1").with_user("kp_1").with_organization("org_1")
}

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
    let world = World::new(plain());
    let (mut flight, waiter) = world.start("k1");
    let mut questions = 1;
    loop {
        world.engine.purge(Purge::Everything);
        match world.land(flight, accepted("k1")) {
            Some(again) => flight = again,
            None => break,
        }
        questions += 1;
        assert!(questions <= 4);
    }
    assert_eq!(heard(waiter), Some(Err(ServerFault::Unavailable)));
    assert!(!world.is_cached("k1"));
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

// Rotation

#[test]
fn a_new_secret_of_a_key_ends_the_older_one() {
    let world = World::new(plain());
    world.cache_as("old", identity());
    world.cache_as("new", identity());
    assert!(world.is_cached("new"));
    assert!(!world.is_cached("old"));
    assert_eq!(world.engine.cached_keys(), 1);
}

#[test]
fn an_older_secret_that_lands_late_is_asked_about_again() {
    let world = World::new(plain());
    let (old, waiter) = world.start("old");
    world.clock.advance(SECOND);
    world.cache_as("new", identity());
    let again =
        world.land(old, Said::Accepted(identity())).expect("asked before the newer secret was accepted");
    world.land_at_once(again, Said::Refused(Refusal::Invalid));
    assert_eq!(heard(waiter), Some(Ok(Err(Refusal::Invalid))));
    assert!(world.is_cached("new"));
    assert!(!world.is_cached("old"));
}

#[test]
fn of_two_secrets_asked_about_at_one_moment_neither_is_asked_about_again() {
    let world = World::new(plain());
    let ((one, _), (other, waiter)) = (world.start("one"), world.start("other"));
    world.land_at_once(one, Said::Accepted(identity()));
    world.land_at_once(other, Said::Accepted(identity()));
    assert_eq!(heard(waiter), let_in("id1"));
    assert_eq!(world.engine.cached_keys(), 1, "one secret of a key is kept");
}

#[test]
fn secrets_without_end_let_no_older_one_in() {
    let world = World::new(plain());
    let (mut old, waiter) = world.start("old");
    for number in 0.. {
        assert!(number < 4);
        world.clock.advance(SECOND);
        world.cache_as(&format!("new{number}"), identity());
        match world.land(old, Said::Accepted(identity())) {
            Some(again) => old = again,
            None => {
                assert_eq!(heard(waiter), Some(Err(ServerFault::Unavailable)));
                assert!(world.is_cached(&format!("new{number}")), "the newest secret stays");
                assert!(!world.is_cached("old"));
                return;
            }
        }
    }
}

// Stale if error

#[test]
fn an_old_answer_serves_only_while_kinde_cannot_answer_and_up_to_an_absolute_age() {
    let world = World::new(EngineSettings { stale_if_error: STALE, circuit_breaker: true, ..plain() });
    let key = world.engine.fingerprint("k1");
    world.cache("k1");
    world.clock.advance(TTL);
    for _ in 0..5 {
        let (flight, _waiter) = world.start("k1");
        world.land_at_once(flight, DOWN);
        assert!(world.engine.stale(&key, world.clock.now()).is_some());
    }
    assert_eq!(world.kind("k1"), Kind::Stale, "the breaker is open");
    assert_eq!(world.kind("k2"), Kind::Unavailable);
    world.clock.advance(STALE - SECOND);
    assert!(world.engine.stale(&key, world.clock.now()).is_some());
    let probe = world.start("k1").0;
    world.land_at_once(probe, DOWN);
    world.clock.advance(SECOND);
    assert!(world.engine.stale(&key, world.clock.now()).is_none(), "failures do not renew it");
}

#[test]
fn a_refused_key_is_brought_back_by_no_outage() {
    let world = World::new(EngineSettings { stale_if_error: STALE, ..plain() });
    world.cache("k1");
    world.clock.advance(TTL);
    world.land_at_once(world.start("k1").0, REVOKED);
    world.land_at_once(world.start("k1").0, DOWN);
    assert!(world.engine.stale(&world.engine.fingerprint("k1"), world.clock.now()).is_none());
}

#[test]
fn off_by_default_an_old_answer_does_not_serve() {
    let world = World::new(plain());
    world.cache("k1");
    world.clock.advance(TTL);
    assert!(world.engine.stale(&world.engine.fingerprint("k1"), world.clock.now()).is_none());
}

// Refresh ahead

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

// Negative cache

#[test]
fn refusals_are_remembered_for_their_own_time() {
    let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..plain() });
    world.land_at_once(world.start("k1").0, REVOKED);
    assert_eq!(world.kind("k1"), Kind::Refused(Refusal::Revoked));
    world.clock.advance(NEGATIVE - SECOND);
    assert_eq!(world.kind("k1"), Kind::Refused(Refusal::Revoked));
    world.clock.advance(SECOND);
    assert_eq!(world.kind("k1"), Kind::Verify);
}

#[test]
fn errors_are_never_remembered_as_refusals() {
    let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..plain() });
    for fault in [ServerFault::Unavailable, ServerFault::Internal] {
        world.land_at_once(world.start("k1").0, Said::Fault(fault));
        assert_eq!(world.kind("k1"), Kind::Verify);
    }
}

#[test]
fn a_purge_forgets_refusals() {
    let world = World::new(EngineSettings { negative_time_to_live: NEGATIVE, ..plain() });
    for which in 0..2 {
        world.land_at_once(world.start("k1").0, REVOKED);
        assert_eq!(world.kind("k1"), Kind::Refused(Refusal::Revoked));
        world.engine.purge(purges(&world).swap_remove(which));
        assert_eq!(world.kind("k1"), Kind::Verify);
    }
}

#[test]
fn junk_never_evicts_good() {
    let world = World::new(EngineSettings { negative_time_to_live: TTL, ..plain() });
    for key in 0..50 {
        world.cache(&format!("good{key}"));
    }
    for key in 0..30_000 {
        world.land_at_once(world.start(&format!("junk{key}")).0, Said::Refused(Refusal::Invalid));
    }
    assert!((0..50).all(|key| world.is_cached(&format!("good{key}"))));
}

// Bulkhead, breaker, attempts

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
    EngineSettings { attempt_limit: Some(AttemptLimit::new(attempts, TTL)), ..plain() }
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
        attempt_limit: Some(AttemptLimit::new(1, 4 * TTL)),
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
        let serves = world.engine.stale(&world.engine.fingerprint(&key), world.clock.now()).is_some();
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
