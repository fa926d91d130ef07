//! Decides without I/O whether a key is known, being asked about, or to be verified now.
//!
//! Time is handed in, so that every rule here can be tested without a runtime.

mod admission;
mod attempts;
mod breaker;
mod cache;
mod cached_key;
mod crowd;
mod flight;
mod flights;
mod interner;
mod negative;
mod outcome;
mod overload;
mod purge;
mod report;
mod settle;
mod turn;
mod usage;

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::futures::Notified;

use admission::{Admitted, Applicant};
pub use attempts::AttemptLimit;
pub(crate) use attempts::Limited;
pub(crate) use cached_key::{CachedKey, Freshness};

use breaker::{Admit, Seen, Transition};
pub(crate) use flight::{Flight, NoTurn};
use flights::Started;
use outcome::SharedOutcome;
pub(crate) use outcome::{News, Outcome, Waiter};
pub(crate) use purge::Purge;
pub(crate) use report::Report;

use crate::client::Client;
use crate::evidence::OlderAnswer;
use crate::key::{Fingerprint, Fingerprinter};
use crate::verification::Refusal;
use crate::verifier::Health;

/// What to do about a presented key.
pub(crate) enum Step {
    /// It is known, and this is its answer.
    Hit(Arc<CachedKey>),
    /// It is known, and the caller's duty is to renew it in the background.
    Refresh(Arc<CachedKey>, Flight),
    /// Kinde refused it a moment ago.
    Refused(Refusal),
    /// Somebody is asking already.
    Wait(Waiter),
    /// The caller's duty: verify, and land the flight with the outcome.
    Verify(Flight, Waiter),
    /// Kinde is not to be asked now, so an older answer serves.
    Stale(Arc<CachedKey>),
    /// Kinde is not to be asked now, but perhaps after this long.
    Unavailable(Duration),
    /// Too many callers ask or wait.
    Crowded,
    /// This service is set up wrong.
    SetUp,
    /// This client has had its attempts.
    Limited(Limited),
}

/// The engine's part of the settings.
#[derive(Debug, Clone)]
pub(crate) struct EngineSettings {
    pub(crate) cache_capacity: usize,
    pub(crate) time_to_live: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) negative_time_to_live: Duration,
    pub(crate) refresh_ahead: bool,
    pub(crate) max_in_flight: usize,
    /// How many callers may wait for a place among the verifications under way.
    pub(crate) max_queued: usize,
    pub(crate) max_waiting: usize,
    pub(crate) attempt_limit: Option<AttemptLimit>,
    pub(crate) circuit_breaker: bool,
    /// How long a caller waits in the queue.
    pub(crate) queue_patience: Duration,
    /// What a health check may take.
    pub(crate) health_check_timeout: Duration,
    /// A flight that takes longer is stuck.
    pub(crate) overdue_after: Duration,
    /// A newer secret of a key id ends the older ones.
    pub(crate) one_secret_per_key_id: bool,
}

pub(crate) struct Engine {
    settings: EngineSettings,
    fingerprinter: Fingerprinter,
    cache: cache::Cache,
    interner: interner::Interner,
    negative: negative::Negative,
    attempts: Option<attempts::Attempts>,
    overloads: overload::Overloads,
    breaker: breaker::Breaker,
    admission: admission::Admission,
    crowd: crowd::Crowd,
    flights: flights::Flights,
}

/// What a caller is told to wait if too many verifications are under way.
pub(crate) const CROWDED: Duration = Duration::from_secs(1);
/// How often a look is repeated because a flight landed between the look and the lock.
const MOST_LOOKS: u32 = 3;

impl Engine {
    pub(crate) fn new(settings: EngineSettings, fingerprinter: Fingerprinter) -> Arc<Self> {
        let admission = admission::AdmissionSettings {
            most_places: settings.max_in_flight,
            most_queued: settings.max_queued,
            patience: settings.queue_patience,
        };
        Arc::new(Self {
            cache: cache::Cache::new(settings.cache_capacity, settings.one_secret_per_key_id),
            negative: negative::Negative::new(settings.negative_time_to_live),
            attempts: settings.attempt_limit.map(attempts::Attempts::new),
            overloads: overload::Overloads::new(),
            breaker: breaker::Breaker::new(settings.circuit_breaker, settings.health_check_timeout),
            admission: admission::Admission::new(admission),
            crowd: crowd::Crowd::new(settings.max_waiting),
            flights: flights::Flights::default(),
            interner: interner::Interner::default(),
            fingerprinter,
            settings,
        })
    }

    pub(crate) fn fingerprint(&self, key: impl AsRef<[u8]>) -> Fingerprint {
        self.fingerprinter.fingerprint(key.as_ref())
    }

    /// What to do about the key. `client` is asked for only if the cache does not answer.
    pub(crate) fn step(
        self: &Arc<Self>,
        key: Fingerprint,
        client: &dyn Fn() -> Option<Client>,
        now: Instant,
    ) -> Step {
        let mut must_refresh = false;
        let known = self.cache.answer(&key, |answer| {
            let age = answer.nanoseconds_old(now);
            let is_fresh = answer.is_fresh_at(age);
            must_refresh = is_fresh && self.settings.refresh_ahead && answer.claims_refresh(age);
            is_fresh
        });
        if let Some(answer) = known {
            return if must_refresh { self.refresh(key, answer, client(), now) } else { Step::Hit(answer) };
        }
        self.step_without_answer(key, client(), None, now)
    }

    /// [`step`](Self::step) for a route on which no answer serves that is older than `max_age`.
    pub(crate) fn step_within(
        self: &Arc<Self>,
        key: Fingerprint,
        client: &dyn Fn() -> Option<Client>,
        max_age: Duration,
        now: Instant,
    ) -> Step {
        match self.fresh(&key, Some(max_age), now) {
            Some(answer) => Step::Hit(answer),
            None => self.step_without_answer(key, client(), Some(max_age), now),
        }
    }

    /// The rest of [`step`](Self::step), for a key without a fresh answer.
    fn step_without_answer(
        self: &Arc<Self>,
        key: Fingerprint,
        client: Option<Client>,
        max_age: Option<Duration>,
        now: Instant,
    ) -> Step {
        // All that may look into other caches comes before the lock.
        let window = self.attempts.as_ref().and_then(|attempts| Some(attempts.window(client?, now)));
        let stale = self.stale(&key, max_age, now);
        let applicant = Applicant { client, has_older_answer: stale.is_some(), window };
        self.give_up_stuck(now);
        let mut looks = 0;
        let (flights, rest) = loop {
            looks += 1;
            let landed = self.flights.lock().landed();
            if let Some(refusal) = self.negative.refusal(&key, now) {
                return Step::Refused(refusal);
            }
            let rest = self.overloads.wait(&key, now);
            let flights = self.flights.lock();
            // A flight of this key may have landed between the look and the lock.
            if flights.landed() == landed || looks >= MOST_LOOKS {
                break (flights, rest);
            }
        };
        if let Some(answer) = self.fresh(&key, max_age, now) {
            return Step::Hit(answer);
        }
        if let Some(outcome) = flights.join(&key, now, self.settings.overdue_after) {
            drop(flights);
            return match self.crowd.enter(client) {
                Some(slot) => Step::Wait(Waiter::new(outcome, Some(slot))),
                None => Step::Crowded,
            };
        }
        let not_now = |wait| stale.clone().map_or(Step::Unavailable(wait), Step::Stale);
        if let Some(wait) = rest {
            return not_now(wait);
        }
        if let Some(Err(limited)) = applicant.window.as_ref().map(|window| window.check(now)) {
            // While Kinde is known not to answer, an older answer costs it nothing.
            let is_open = self.breaker.is_open();
            return stale.filter(|_| is_open).map_or(Step::Limited(limited), Step::Stale);
        }
        let is_probe = match self.breaker.admit(applicant.has_older_answer, client, now) {
            Admit::Yes { is_probe } => is_probe,
            Admit::NotYet(wait) => return not_now(wait),
            Admit::SetUp(class) => {
                let may_serve = class.rule().older_answer == OlderAnswer::Serves;
                return stale.filter(|_| may_serve).map_or(Step::SetUp, Step::Stale);
            }
        };
        let admitted = self.admission.apply(applicant.clone(), now);
        let turn = match admitted {
            Admitted::Turn(turn) => turn,
            Admitted::Crowded | Admitted::Limited(_) => {
                drop(flights);
                // The one caller's key that might go did not.
                self.breaker.record(Seen::Nothing, client, is_probe, now);
                return match admitted {
                    Admitted::Limited(limited) => Step::Limited(limited),
                    _ => Step::Crowded,
                };
            }
        };
        let (flight, outcome) = self.start(flights, key, &applicant, turn, is_probe, now);
        Step::Verify(flight, Waiter::new(outcome, None))
    }

    /// Starts a flight. `flights` was locked before it was looked whether one is under way.
    fn start(
        self: &Arc<Self>,
        mut flights: MutexGuard<'_, flights::Table>,
        key: Fingerprint,
        applicant: &Applicant,
        turn: Arc<admission::Turn>,
        is_probe: bool,
        now: Instant,
    ) -> (Flight, Arc<SharedOutcome>) {
        let Started { id, outcome, replaced } = flights.start(key, applicant.client, &turn, now);
        drop(flights);
        self.give_up(replaced, now);
        let engine = Arc::clone(self);
        (Flight::new(engine, id, Arc::clone(&outcome), applicant, turn, is_probe, now), outcome)
    }

    /// Flights that are stuck take nobody's place, and nobody waits for them any longer.
    fn give_up_stuck(&self, now: Instant) {
        let stuck = self.flights.lock().take_stuck(now, self.settings.overdue_after);
        self.give_up(stuck, now);
    }

    fn give_up(&self, stuck: impl IntoIterator<Item = flights::Stuck>, now: Instant) {
        for flight in stuck {
            self.admission.leave(flight.client, &flight.turn, admission::Used::Otherwise, now);
            flight.give_up();
        }
    }

    /// The answer that may serve while Kinde can't answer. A refusal or a purge has taken it out of the cache, so no
    /// outage brings a refused key back.
    pub(crate) fn stale(
        &self,
        key: &Fingerprint,
        max_age: Option<Duration>,
        now: Instant,
    ) -> Option<Arc<CachedKey>> {
        self.cache.answer(key, |answer| {
            answer.freshness(now) != Freshness::Expired && answer.is_within(max_age, now)
        })
    }

    fn fresh(&self, key: &Fingerprint, max_age: Option<Duration>, now: Instant) -> Option<Arc<CachedKey>> {
        self.cache
            .answer(key, |answer| answer.freshness(now) == Freshness::Fresh && answer.is_within(max_age, now))
    }

    fn refresh(
        self: &Arc<Self>,
        key: Fingerprint,
        answer: Arc<CachedKey>,
        client: Option<Client>,
        now: Instant,
    ) -> Step {
        if !self.breaker.is_closed(now) || self.overloads.wait(&key, now).is_some() {
            return Step::Hit(answer);
        }
        // The cache knows the key, so nobody is guessing: it is no attempt.
        let applicant = Applicant { client, has_older_answer: true, window: None };
        let flights = self.flights.lock();
        if flights.join(&key, now, self.settings.overdue_after).is_some() {
            return Step::Hit(answer);
        }
        let Admitted::Turn(turn) = self.admission.apply(applicant.clone(), now) else {
            return Step::Hit(answer);
        };
        let (flight, _nobody_waits) = self.start(flights, key, &applicant, turn, false, now);
        Step::Refresh(answer, flight)
    }

    /// How long a caller waits in the queue.
    pub(crate) fn queue_patience(&self) -> Duration {
        self.settings.queue_patience
    }

    /// The usual time of a call.
    pub(crate) fn usual_time_of_a_call(&self) -> Duration {
        self.admission.usual()
    }

    /// How many calls are under way.
    pub(crate) fn calls_under_way(&self) -> usize {
        self.admission.taken()
    }

    /// How many calls may be under way at once at present.
    pub(crate) fn places(&self) -> usize {
        self.admission.places()
    }

    /// Ends when a call under way has ended after this.
    pub(crate) fn place_freed(&self) -> Notified<'_> {
        self.admission.freed()
    }

    /// Waits until a health check may be due.
    pub(crate) async fn health_check_wanted(&self) {
        self.breaker.woken().await;
    }

    /// How long until the next health check; `None` if none is wanted.
    pub(crate) fn next_health_check(&self, now: Instant) -> Option<Duration> {
        self.breaker.next_health_check(now)
    }

    /// Begins a health check if one is due. Whoever begins it ends it.
    pub(crate) fn begin_health_check(&self, now: Instant) -> bool {
        self.breaker.begin_health_check(now)
    }

    pub(crate) fn end_health_check(&self, health: Health, now: Instant) {
        let checked = self.breaker.end_health_check(health, now);
        if checked.outage_is_over
            && let Some(attempts) = &self.attempts
        {
            attempts.forget_the_outage();
        }
        if let Some(transition) = checked.transition {
            tell(&transition);
        }
    }

    pub(crate) fn cached_keys(&self) -> usize {
        self.cache.len()
    }
}

/// Tells the operator. Never called under a lock.
fn tell(transition: &Transition) {
    match transition {
        Transition::Opened(error) => tracing::warn!(
            "circuit_breaker: the health check failed twice, so callers' keys are not sent for a while: {error}"
        ),
        Transition::OpenedByOutcomes => {
            tracing::warn!(
                "circuit_breaker: most verifications fail, so callers' keys are not sent for a while"
            );
        }
        Transition::Closed => tracing::info!("circuit_breaker: verifying works again"),
        Transition::Paused(silence) => tracing::warn!(
            "the verifier asks everybody to wait: no key is sent for {} ms",
            silence.as_millis()
        ),
    }
}

#[cfg(test)]
mod tests;
