use super::*;
use crate::clock::{Clock, ManualClock};
use crate::key::Fingerprinter;
use proptest::prelude::*;

const TTL: Duration = Duration::from_secs(300);

struct World {
    engine: Arc<Engine>,
    clock: ManualClock,
    fingerprinter: Fingerprinter,
}

impl World {
    fn new(time_to_live: Duration) -> Self {
        Self {
            engine: Engine::new(100, time_to_live),
            clock: ManualClock::new(),
            fingerprinter: Fingerprinter::random().unwrap(),
        }
    }

    fn step(&self, key: &str) -> Step {
        self.engine.step(self.fingerprinter.fingerprint(key), self.clock.now())
    }

    fn start(&self, key: &str) -> (Flight, Waiter) {
        match self.step(key) {
            Step::Verify(flight, waiter) => (flight, waiter),
            _ => panic!("expected a flight"),
        }
    }

    fn is_cached(&self, key: &str) -> bool {
        match self.step(key) {
            Step::Hit(_) => true,
            Step::Wait(_) => false,
            Step::Verify(flight, _) => {
                flight.land(Err(ServerFault::Unavailable));
                false
            }
        }
    }

    fn cache(&self, key: &str) {
        self.start(key).0.land(accepted(key));
    }
}

fn accepted(key: &str) -> Outcome {
    Ok(Ok(Arc::new(Verification::active(key))))
}

/// The outcome that has been published already; the engine needs no runtime, so neither does asking.
fn published(waiter: Waiter) -> Option<Outcome> {
    use std::future::Future as _;
    let mut future = std::pin::pin!(waiter.outcome());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(outcome) => Some(outcome),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn one_key_one_flight() {
    let world = World::new(TTL);
    let (flight, first) = world.start("k1");
    let waiters: Vec<Waiter> = (0..499)
        .map(|_| match world.step("k1") {
            Step::Wait(waiter) => waiter,
            _ => panic!("a second flight, or a hit before the first has landed"),
        })
        .collect();
    flight.land(accepted("k1"));
    for waiter in waiters.into_iter().chain([first]) {
        assert_eq!(published(waiter), Some(accepted("k1")));
    }
    assert_eq!(world.engine.flights.lock().len(), 0);
}

#[test]
fn single_flight_holds_with_the_cache_off() {
    let world = World::new(Duration::ZERO);
    let (flight, waiter) = world.start("k1");
    assert!(matches!(world.step("k1"), Step::Wait(_)));
    flight.land(accepted("k1"));
    assert_eq!(published(waiter), Some(accepted("k1")));
    assert!(matches!(world.step("k1"), Step::Verify(..)), "zero means off");
}

#[test]
fn only_accepted_answers_are_kept() {
    let world = World::new(TTL);
    for outcome in [
        Ok(Err(Refusal::Invalid)),
        Ok(Err(Refusal::Revoked)),
        Err(ServerFault::Unavailable),
        Err(ServerFault::Internal),
    ] {
        let (flight, waiter) = world.start("k1");
        flight.land(outcome.clone());
        assert_eq!(published(waiter), Some(outcome));
        assert!(!world.is_cached("k1"));
    }
    assert_eq!(world.engine.cached_keys(), 0);
}

#[test]
fn age_counts_from_when_the_question_was_asked() {
    let world = World::new(TTL);
    let (flight, _waiter) = world.start("k1");
    world.clock.advance(TTL);
    flight.land(accepted("k1"));
    assert!(!world.is_cached("k1"));
}

#[test]
fn a_purge_outruns_an_answer_that_was_asked_for_before_it() {
    for purge in [(|world: &World| world.engine.clear()) as fn(&World), |world| {
        world.engine.remove(world.fingerprinter.fingerprint("k1"))
    }] {
        let world = World::new(TTL);
        let (old, old_waiter) = world.start("k1");
        purge(&world);
        let (new, new_waiter) = world.start("k1");
        old.land(accepted("old"));
        assert_eq!(published(old_waiter), Some(accepted("old")));
        assert!(
            matches!(world.step("k1"), Step::Wait(_)),
            "the old answer neither counts nor ends the new flight"
        );
        new.land(Ok(Err(Refusal::Revoked)));
        assert_eq!(published(new_waiter), Some(Ok(Err(Refusal::Revoked))));
        assert!(!world.is_cached("k1"));
    }
}

#[test]
fn removing_one_key_leaves_the_others() {
    let world = World::new(TTL);
    world.cache("k1");
    world.cache("k2");
    world.engine.remove(world.fingerprinter.fingerprint("k1"));
    assert!(!world.is_cached("k1"));
    assert!(world.is_cached("k2"));
}

#[test]
fn a_flight_that_is_dropped_tells_its_waiters() {
    let world = World::new(TTL);
    let (flight, waiter) = world.start("k1");
    drop(flight);
    assert_eq!(published(waiter), Some(Err(ServerFault::Unavailable)));
    assert!(!world.is_cached("k1"));
}

#[test]
fn a_panic_is_contained_and_is_no_refusal() {
    let world = World::new(TTL);
    let (flight, waiter) = world.start("k1");
    let carried = std::thread::spawn(move || {
        let _flight = flight;
        panic!("a verifier's bug");
    });
    assert!(carried.join().is_err());
    assert_eq!(published(waiter), Some(Err(ServerFault::Internal)));
    assert!(!world.is_cached("k1"));
}

#[test]
fn the_cache_is_bounded() {
    let world = World::new(TTL);
    for key in 0..10_000 {
        world.cache(&format!("k{key}"));
    }
    assert!(world.engine.cached_keys() <= 100, "{}", world.engine.cached_keys());
}

proptest! {
    #[test]
    fn jitter_only_shortens_and_by_a_tenth_at_most(key in "[a-z]{1,8}", seconds in 1_u64..100_000) {
        let ttl = Duration::from_secs(seconds);
        let world = World::new(ttl);
        world.cache(&key);
        world.clock.advance(ttl * 9 / 10 - Duration::from_micros(1));
        prop_assert!(world.is_cached(&key));
        world.clock.advance(ttl / 10 + Duration::from_micros(1));
        prop_assert!(!world.is_cached(&key));
    }
}
