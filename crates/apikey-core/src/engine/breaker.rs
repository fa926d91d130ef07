//! The circuit breaker: stops asking a Kinde that can't answer, and notices when it can again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many of the latest verifications are looked at.
const WINDOW: usize = 20;
/// Fewer than this say nothing.
const LEAST: usize = 5;
/// What is older than this says nothing any more.
const MEMORY: Duration = Duration::from_secs(30);
/// How long the breaker stays open at first; it doubles with every probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A probe that has told nothing after this long, and after the time of a verification, is lost, as where its runtime is
/// blocked: then the next one goes.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// How a verification went, as far as Kinde's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    /// It answered, but took too long.
    Slow,
    /// It could not answer.
    Bad,
    /// It says nothing about Kinde, as where this service is set up wrong.
    Unknown,
}

/// Leave to ask. Every permit is handed back with [`Breaker::record`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Permit {
    is_probe: bool,
    /// Counts the changes of state; what a permit of an earlier state brings back says nothing about this one.
    era: u64,
}

/// Opens when half of the latest verifications failed, or four in five were slow; then one probe at a time is let
/// through after a pause, and the first good one closes it.
pub(super) struct Breaker(Option<Mutex<Inner>>);

struct Inner {
    state: State,
    era: u64,
    lost_after: Duration,
}

enum State {
    Closed { latest: VecDeque<(Instant, Health)> },
    Open { until: Instant, pause: Duration },
    Probing { since: Instant, pause: Duration },
}

impl Breaker {
    /// `longest` is what a verification may take.
    pub(super) fn new(is_on: bool, longest: Duration) -> Self {
        let closed = Inner { state: State::closed(), era: 0, lost_after: LOST_AFTER.max(longest) };
        Self(is_on.then(|| Mutex::new(closed)))
    }

    /// Leave to ask, or how long to wait for it.
    pub(super) fn admit(&self, now: Instant) -> Result<Permit, Duration> {
        let Some(mut inner) = self.lock() else { return Ok(Permit { is_probe: false, era: 0 }) };
        match inner.state {
            State::Closed { .. } => Ok(Permit { is_probe: false, era: inner.era }),
            State::Open { until, .. } if now < until => Err(until - now),
            State::Open { pause, .. } => {
                inner.enter(State::Probing { since: now, pause });
                Ok(Permit { is_probe: true, era: inner.era })
            }
            State::Probing { since, pause } if now.saturating_duration_since(since) >= inner.lost_after => {
                inner.enter(State::Probing { since: now, pause });
                Ok(Permit { is_probe: true, era: inner.era })
            }
            State::Probing { pause, .. } => Err(pause),
        }
    }

    /// Whether nothing speaks against asking: then also work that nobody waits for may ask.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_none_or(|inner| matches!(inner.state, State::Closed { .. }))
    }

    pub(super) fn record(&self, permit: Permit, health: Health, now: Instant) {
        let Some(mut inner) = self.lock() else { return };
        if permit.era != inner.era {
            return;
        }
        match &mut inner.state {
            State::Closed { latest } => {
                if health == Health::Unknown {
                    return;
                }
                latest.push_back((now, health));
                if latest.len() > WINDOW {
                    latest.pop_front();
                }
                let is_past = |(at, _): &(Instant, Health)| now.saturating_duration_since(*at) > MEMORY;
                while latest.front().is_some_and(is_past) {
                    latest.pop_front();
                }
                // An answer is no reason to stop asking, however few there were before it.
                if health != Health::Good && is_ill(latest) {
                    tracing::warn!("Kinde can't answer: for a while only probes are sent");
                    inner.open(FIRST_PAUSE, now);
                }
            }
            State::Probing { pause, .. } => {
                let pause = *pause;
                match health {
                    Health::Good => {
                        tracing::info!("Kinde answers again");
                        inner.enter(State::closed());
                    }
                    Health::Slow | Health::Bad => inner.open((pause * 2).min(LONGEST_PAUSE), now),
                    // The next caller may probe at once.
                    Health::Unknown => inner.enter(State::Open { until: now, pause }),
                }
            }
            State::Open { .. } => {}
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Inner>> {
        self.0.as_ref().map(|inner| inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn enter(&mut self, state: State) {
        self.era += 1;
        self.state = state;
    }

    fn open(&mut self, pause: Duration, now: Instant) {
        match now.checked_add(pause) {
            Some(until) => self.enter(State::Open { until, pause }),
            None => self.enter(State::closed()),
        }
    }
}

impl State {
    fn closed() -> Self {
        Self::Closed { latest: VecDeque::with_capacity(WINDOW + 1) }
    }
}

fn is_ill(latest: &VecDeque<(Instant, Health)>) -> bool {
    let count = |wanted| latest.iter().filter(|(_, health)| *health == wanted).count();
    let (bad, slow) = (count(Health::Bad), count(Health::Slow));
    latest.len() >= LEAST && (bad * 2 >= latest.len() || (bad + slow) * 5 >= latest.len() * 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ask(breaker: &Breaker, health: Health, now: Instant) -> bool {
        breaker.admit(now).map(|permit| breaker.record(permit, health, now)).is_ok()
    }

    fn opened(now: Instant) -> Breaker {
        let breaker = Breaker::new(true, SECOND);
        (0..LEAST).for_each(|_| assert!(ask(&breaker, Health::Bad, now)));
        assert!(breaker.admit(now).is_err());
        breaker
    }

    #[test]
    fn a_few_failures_among_many_answers_change_nothing() {
        let (breaker, now) = (Breaker::new(true, SECOND), Instant::now());
        for round in 0..200 {
            assert!(ask(&breaker, if round % 3 == 0 { Health::Bad } else { Health::Good }, now));
        }
    }

    #[test]
    fn failures_that_are_long_past_say_nothing() {
        let (breaker, now) = (Breaker::new(true, SECOND), Instant::now());
        for round in 0..50 {
            assert!(ask(&breaker, Health::Bad, now + MEMORY * round + SECOND * round));
        }
    }

    #[test]
    fn slowness_opens_it_too() {
        let (breaker, now) = (Breaker::new(true, SECOND), Instant::now());
        (0..LEAST).for_each(|_| assert!(ask(&breaker, Health::Slow, now)));
        assert!(breaker.admit(now).is_err());
    }

    #[test]
    fn a_good_answer_never_opens_it() {
        let (breaker, now) = (Breaker::new(true, SECOND), Instant::now());
        (0..LEAST - 1).for_each(|_| assert!(ask(&breaker, Health::Bad, now)));
        assert!(ask(&breaker, Health::Good, now));
        assert!(breaker.is_closed(), "Kinde has just answered");
        assert!(ask(&breaker, Health::Bad, now));
        assert!(!breaker.is_closed());
    }

    #[test]
    fn the_latest_twenty_count_and_not_one_more_or_less() {
        let now = Instant::now();
        let all = |breaker: &Breaker, healths: &[(Health, usize)]| {
            for (health, times) in healths {
                (0..*times).for_each(|_| assert!(ask(breaker, *health, now)));
            }
        };
        let breaker = Breaker::new(true, SECOND);
        all(&breaker, &[(Health::Bad, 1), (Health::Good, 10), (Health::Bad, 9)]);
        assert!(!breaker.is_closed(), "ten of twenty, the oldest among them");
        let breaker = Breaker::new(true, SECOND);
        all(&breaker, &[(Health::Bad, 1), (Health::Good, 11), (Health::Bad, 9)]);
        assert!(breaker.is_closed(), "nine of twenty, for the oldest counts no more");
    }

    #[test]
    fn a_set_up_that_is_wrong_is_no_outage() {
        let (breaker, now) = (Breaker::new(true, SECOND), Instant::now());
        assert!((0..100).all(|_| ask(&breaker, Health::Unknown, now)));
    }

    #[test]
    fn one_probe_at_a_time_and_the_first_good_one_closes_it() {
        let now = Instant::now();
        let breaker = opened(now);
        assert_eq!(breaker.admit(now).unwrap_err(), FIRST_PAUSE);
        let later = now + FIRST_PAUSE;
        let probe = breaker.admit(later).unwrap();
        assert!(breaker.admit(later).is_err());
        assert!(!breaker.is_closed());
        breaker.record(probe, Health::Good, later);
        assert!(breaker.is_closed());
        assert!(ask(&breaker, Health::Bad, later), "the old failures are forgotten");
        assert!(breaker.is_closed());
    }

    #[test]
    fn a_probe_that_is_lost_keeps_it_shut_for_a_while_only() {
        let now = Instant::now();
        let breaker = opened(now);
        let sent = now + FIRST_PAUSE;
        let lost = breaker.admit(sent).unwrap();
        assert!(breaker.admit(sent + LOST_AFTER - SECOND).is_err());
        let next = breaker.admit(sent + LOST_AFTER).unwrap();
        assert!(breaker.admit(sent + LOST_AFTER).is_err(), "one at a time");
        breaker.record(lost, Health::Bad, sent + LOST_AFTER);
        breaker.record(next, Health::Good, sent + LOST_AFTER);
        assert!(breaker.is_closed());
    }

    #[test]
    fn a_probe_may_take_as_long_as_a_verification() {
        let (breaker, now) = (Breaker::new(true, 4 * LOST_AFTER), Instant::now());
        (0..LEAST).for_each(|_| assert!(ask(&breaker, Health::Bad, now)));
        let sent = now + FIRST_PAUSE;
        let probe = breaker.admit(sent).unwrap();
        let landed = sent + 3 * LOST_AFTER;
        assert!(breaker.admit(landed).is_err(), "one at a time");
        breaker.record(probe, Health::Good, landed);
        assert!(breaker.is_closed());
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut now = Instant::now();
        let breaker = opened(now);
        for expected in [1, 2, 4, 8, 16, 30, 30, 30] {
            assert_eq!(breaker.admit(now).unwrap_err(), SECOND * expected);
            now += SECOND * expected;
            assert!(ask(&breaker, Health::Bad, now));
        }
    }

    #[test]
    fn what_was_asked_before_it_opened_does_not_close_it() {
        let now = Instant::now();
        let breaker = Breaker::new(true, SECOND);
        let early = breaker.admit(now).unwrap();
        (0..LEAST).for_each(|_| assert!(ask(&breaker, Health::Bad, now)));
        breaker.record(early, Health::Good, now);
        assert!(breaker.admit(now).is_err());
        let probe = breaker.admit(now + FIRST_PAUSE).unwrap();
        breaker.record(early, Health::Good, now);
        assert!(!breaker.is_closed());
        breaker.record(probe, Health::Good, now);
        assert!(breaker.is_closed());
    }

    #[test]
    fn off_is_off() {
        let (breaker, now) = (Breaker::new(false, SECOND), Instant::now());
        assert!((0..100).all(|_| ask(&breaker, Health::Bad, now)));
    }

    /// Whether the breaker should be open, from all that it was told.
    fn should_open(told: &[(Instant, Health)], now: Instant) -> bool {
        let telling = told.iter().filter(|(_, health)| *health != Health::Unknown);
        let counted: Vec<Health> = telling
            .rev()
            .take(20)
            .filter(|(at, _)| now - *at <= SECOND * 30)
            .map(|(_, health)| *health)
            .collect();
        let part = |healths: &[Health]| {
            let of_these = counted.iter().filter(|health| healths.contains(health)).count();
            of_these as f64 / counted.len() as f64
        };
        counted.len() >= 5 && (part(&[Health::Bad]) >= 0.5 || part(&[Health::Bad, Health::Slow]) >= 0.8)
    }

    proptest! {
        #[test]
        fn it_opens_exactly_where_half_failed_or_four_in_five_were_slow(
            steps in prop::collection::vec((prop::sample::select(vec![Health::Good, Health::Slow, Health::Bad, Health::Unknown]), 0..8_u64), 0..60),
        ) {
            let (breaker, mut now, mut told) = (Breaker::new(true, SECOND), Instant::now(), Vec::new());
            for (health, wait) in steps {
                now += SECOND * u32::try_from(wait).unwrap();
                prop_assert!(ask(&breaker, health, now));
                told.push((now, health));
                let is_bad = matches!(health, Health::Slow | Health::Bad);
                prop_assert_eq!(!breaker.is_closed(), is_bad && should_open(&told, now));
                if !breaker.is_closed() {
                    break;
                }
            }
        }

        /// Whatever happens, it lets somebody through again within the longest pause, once permits are handed back.
        #[test]
        fn it_never_stays_shut(healths in prop::collection::vec(0..4_u8, 0..60), waits in prop::collection::vec(0..40_u64, 60)) {
            let breaker = Breaker::new(true, SECOND);
            let mut now = Instant::now();
            for (health, wait) in healths.into_iter().zip(waits) {
                let health = [Health::Good, Health::Slow, Health::Bad, Health::Unknown][usize::from(health)];
                ask(&breaker, health, now);
                now += SECOND * u32::try_from(wait).unwrap();
            }
            prop_assert!(breaker.admit(now + LONGEST_PAUSE).is_ok());
        }
    }
}
