//! The rules of the engine, one by one. This file has the tests of flights, and what the tests in the other
//! files share.

mod evidence;
mod fleet;
mod limits;
mod negative;
mod purge;
mod refresh;
mod rotation;
pub(crate) mod simulation;
mod stale;

use super::*;
use crate::client::Client;
use crate::clock::{Clock, ManualClock};
use crate::verification::{Judgement, Refusal, Verification};
use crate::verifier::ServerFault;
use crate::verifier::{FailureClass, Health, VerifierError};

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
        max_queued: 0,
        max_waiting: 10_000,
        attempt_limit: None,
        circuit_breaker: false,
        queue_patience: SECOND,
        health_check_timeout: 3 * SECOND,
        overdue_after: Duration::from_secs(1_000_000),
        cut_off: None,
    }
}

pub(super) struct World {
    pub(super) engine: Arc<Engine>,
    pub(super) clock: ManualClock,
}

/// Which step it was, without what it carries.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Hit,
    Refresh,
    Refused(Refusal),
    Wait,
    Verify,
    Stale,
    Unavailable,
    Crowded,
    SetUp,
    Limited,
}

impl World {
    pub(super) fn new(settings: EngineSettings) -> Self {
        let clock = ManualClock::new();
        Self {
            engine: Engine::new(settings, Fingerprinter::random().unwrap(), Arc::default(), clock.now()),
            clock,
        }
    }

    fn step(&self, key: &str) -> Step {
        self.step_from("192.0.2.1", key)
    }

    pub(super) fn step_from(&self, client: &str, key: &str) -> Step {
        let client = || Some(Client::of_address(client.parse().unwrap(), 56));
        let mut step = self.engine.step(self.engine.fingerprint(key), &client, self.clock.now());
        // A flight takes its turn up as soon as it comes, as in the worker.
        if let Step::Verify(flight, _) | Step::Refresh(_, flight) = &mut step {
            let _not_yet = turn_of(flight);
        }
        step
    }

    fn start(&self, key: &str) -> (Flight, Waiter) {
        match self.step(key) {
            Step::Verify(flight, waiter) => (flight, waiter),
            other => panic!("expected a flight, not {:?}", kind(&other)),
        }
    }

    /// Which step it is. If it starts a flight, the flight is dropped.
    fn kind(&self, key: &str) -> Kind {
        kind(&self.step(key))
    }

    pub(super) fn land(&self, mut flight: Flight, said: Said) -> Option<Flight> {
        let report = match turn_of(&mut flight) {
            Some(Err(NoTurn::Limited(limited))) => Report::Limited(limited),
            Some(Err(NoTurn::Crowded)) | None => Report::Crowded,
            Some(Ok(())) => said.report(),
        };
        if let Report::Failed(error) = &report
            && error.class() == FailureClass::Overload
        {
            flight.note_overload(error.retry_after(), self.clock.now());
        }
        match flight.land(report, self.clock.now()) {
            Landing::AskAgain(flight) => Some(flight),
            Landing::Landed(_) => None,
        }
    }

    /// Makes a health check, if the engine wants one.
    fn health_check(&self, health: Health) -> bool {
        let now = self.clock.now();
        let is_due = self.engine.begin_health_check(now);
        if is_due {
            self.engine.end_health_check(health, now);
        }
        is_due
    }

    /// Lets verifications and the health check fail until the breaker is open.
    fn break_down(&self) {
        for number in 0..5 {
            let client = format!("198.51.100.{number}");
            if let Step::Verify(flight, _) = self.step_from(&client, &format!("down{number}")) {
                self.land_at_once(flight, DOWN);
            }
        }
        assert!(self.health_check(ill()));
        self.clock.advance(SECOND);
        assert!(self.health_check(ill()));
        assert!(self.engine.breaker.is_open());
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
        Step::Crowded => Kind::Crowded,
        Step::SetUp => Kind::SetUp,
        Step::Limited(_) => Kind::Limited,
    }
}

/// What a verifier says.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Accepted(Verification),
    Refused(Refusal),
    Failed(FailureClass),
}

impl Said {
    pub(super) fn report(self) -> Report {
        match self {
            Self::Accepted(verification) => Report::Judged(Judgement::accepted(verification)),
            Self::Refused(refusal) => Report::Judged(Judgement::refused(refusal)),
            Self::Failed(class) => Report::Failed(VerifierError::new(class, "as the test wants")),
        }
    }
}

fn accepted(key: &str) -> Said {
    Said::Accepted(Verification::active(key))
}

const REVOKED: Said = Said::Refused(Refusal::Revoked);
const DOWN: Said = Said::Failed(FailureClass::Outage);
pub(super) const ALL_FAILURES: [FailureClass; 5] = [
    FailureClass::Overload,
    FailureClass::Outage,
    FailureClass::SetUp,
    FailureClass::ServiceRefused,
    FailureClass::Unjudged,
];

fn ill() -> Health {
    Health::Down(VerifierError::outage("as the test wants"))
}

/// What a waiter hears: the key id if the key is let in.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    LetIn(String),
    Refused(Refusal),
    Failed(ServerFault),
    Limited,
}

const UNAVAILABLE: Option<Heard> = Some(Heard::Failed(ServerFault::UNAVAILABLE));

/// Forgets these key ids, a few at a time, as an application's call does. Returns how many answers were cached.
fn purge_ids(engine: &Engine, ids: impl Iterator<Item = String>) -> usize {
    let purges: Vec<Purge> = ids.map(|id| Purge::KeyId(id.into())).collect();
    purges.chunks(256).map(|some| engine.purge_all(some)).sum()
}

/// The engine needs no runtime, so this polls the waiter once.
fn heard(waiter: Waiter) -> Option<Heard> {
    Some(match heard_outcome(waiter)? {
        Outcome::Accepted(landed) | Outcome::Shared(landed) => {
            Heard::LetIn(landed.answer.verification.key_id().to_owned())
        }
        Outcome::Refused(refusal) => Heard::Refused(refusal),
        Outcome::Failed { fault, .. } => Heard::Failed(fault),
        Outcome::Limited(_) => Heard::Limited,
    })
}

pub(super) fn heard_outcome(waiter: Waiter) -> Option<Outcome> {
    match at_once(waiter.news(false))? {
        News::Landed(outcome) => Some(outcome),
        News::Slow => panic!("nobody asked for that"),
    }
}

/// Whether the flight's turn has come.
pub(super) fn turn_of(flight: &mut Flight) -> Option<Result<(), NoTurn>> {
    at_once(flight.turn())
}

fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

fn let_in(key_id: &str) -> Option<Heard> {
    Some(Heard::LetIn(key_id.to_owned()))
}

/// Every kind of purge that concerns [`identity`] as `k1`. The first two name the key itself.
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
    assert_eq!((world.engine.flights.lock().under_way(), world.engine.crowd.len()), (0, 0));
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
    let failures = ALL_FAILURES.map(Said::Failed);
    for said in [Said::Refused(Refusal::Invalid), REVOKED].into_iter().chain(failures) {
        let (flight, waiter) = world.start("k1");
        world.land_at_once(flight, said);
        assert!(!matches!(heard(waiter), Some(Heard::LetIn(_)) | None));
        world.clock.advance(SECOND);
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
    assert_eq!(heard(waiter), UNAVAILABLE);
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
    assert_eq!(heard(waiter), Some(Heard::Failed(ServerFault::Internal)));
    assert!(!world.is_cached("k1"));
}

#[test]
fn a_stuck_flight_is_replaced_and_its_report_counts_for_nothing() {
    let world = World::new(EngineSettings { overdue_after: SECOND, ..plain() });
    let (stuck, early) = world.start("k1");
    world.clock.advance(SECOND);
    assert_eq!(world.kind("k1"), Kind::Wait);
    world.clock.advance(SECOND);
    let (flight, late) = world.start("k1");
    world.land_at_once(stuck, accepted("old"));
    assert_eq!(heard(early), UNAVAILABLE);
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
