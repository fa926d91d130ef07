//! The rules of the engine, one by one. What many rooms need is here, and the tests of flights.

mod limits;
mod negative;
mod purge;
mod refresh;
mod rotation;
mod stale;

use super::*;
use crate::client_addr::client_of;
use crate::clock::{Clock, ManualClock};

const TTL: Duration = Duration::from_secs(300);
const STALE: Duration = Duration::from_secs(600);
const NEGATIVE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn plain() -> EngineSettings {
    EngineSettings {
        cache_capacity: 100,
        one_secret_per_key_id: true,
        time_to_live: TTL,
        stale_if_error: Duration::ZERO,
        negative_time_to_live: Duration::ZERO,
        refresh_ahead: false,
        max_in_flight: 1000,
        max_waiting: 10_000,
        max_queued: 0,
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

/// Every kind of purge that concerns [`identity`] as `k1`; the first two name the key itself.
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
