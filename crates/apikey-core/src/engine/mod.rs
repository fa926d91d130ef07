//! Decides without I/O whether a key is known, being asked about, or to be verified now.
//!
//! Time is handed in, so that every rule here can be tested without a runtime.

mod answer;
mod attempts;
mod breaker;
mod cache;
mod flight;
mod interner;
mod negative;
mod purge;
mod usage;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use answer::{Answer, Standing};
pub use attempts::AttemptLimit;
pub(crate) use attempts::Limited;
pub(crate) use flight::{Flight, Waiter};
pub(crate) use purge::Purge;

use crate::client_addr::Client;
use crate::denial::ServerFault;
use crate::key::{Fingerprint, Fingerprinter};
use crate::verification::{Refusal, Verification};

/// What a verifier said: let in, refused, or not judged.
pub(crate) type Outcome = Result<Result<Arc<Answer>, Refusal>, ServerFault>;

/// What to do about a presented key.
pub(crate) enum Step {
    /// It is known, and this is its answer.
    Hit(Arc<Answer>),
    /// It is known, and the caller's duty is to renew it in the background.
    Refresh(Arc<Answer>, Flight),
    /// Kinde refused it a moment ago.
    Refused(Refusal),
    /// Somebody is asking already.
    Wait(Waiter),
    /// The caller's duty: verify, and land the flight with the outcome.
    Verify(Flight, Waiter),
    /// Kinde is not to be asked now, so an older answer serves.
    Stale(Arc<Answer>),
    /// Kinde is not to be asked now, but perhaps after this long.
    Unavailable(Duration),
    /// This client has had its attempts.
    Limited(Limited),
}

/// The engine's part of the settings.
#[derive(Debug, Clone)]
pub(crate) struct EngineSettings {
    pub(crate) cache_capacity: usize,
    /// Whether a secret ends the others of its key id, as at Kinde; otherwise several live side by side.
    pub(crate) one_secret_per_key_id: bool,
    pub(crate) time_to_live: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) negative_time_to_live: Duration,
    pub(crate) refresh_ahead: bool,
    pub(crate) max_in_flight: usize,
    pub(crate) max_waiting: usize,
    /// How many callers may wait for a place among the verifications under way.
    #[expect(dead_code, reason = "who finds no place is turned away at once, until there is a queue")]
    pub(crate) max_queued: usize,
    pub(crate) attempt_limit: Option<AttemptLimit>,
    pub(crate) circuit_breaker: bool,
    /// An answer that took longer counts as slow.
    pub(crate) slow_after: Duration,
    /// A flight that takes longer is stuck.
    pub(crate) overdue_after: Duration,
}

pub(crate) struct Engine {
    settings: EngineSettings,
    fingerprinter: Fingerprinter,
    cache: cache::Cache,
    interner: interner::Interner,
    negative: negative::Negative,
    attempts: Option<attempts::Attempts>,
    breaker: breaker::Breaker,
    flights: flight::Flights,
}

/// How soon a place may be free again where too many verifications are under way.
const CROWDED: Duration = Duration::from_secs(1);

impl Engine {
    pub(crate) fn new(settings: EngineSettings, fingerprinter: Fingerprinter) -> Arc<Self> {
        Arc::new(Self {
            cache: cache::Cache::new(settings.cache_capacity, settings.one_secret_per_key_id),
            negative: negative::Negative::new(settings.negative_time_to_live),
            attempts: settings.attempt_limit.map(attempts::Attempts::new),
            breaker: breaker::Breaker::new(settings.circuit_breaker, settings.overdue_after),
            flights: flight::Flights::default(),
            interner: interner::Interner::default(),
            fingerprinter,
            settings,
        })
    }

    pub(crate) fn fingerprint(&self, key: impl AsRef<[u8]>) -> Fingerprint {
        self.fingerprinter.fingerprint(key.as_ref())
    }

    /// What to do about the key. `client` is asked for only where an attempt is to be counted.
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
            return if must_refresh { self.refresh(key, answer, now) } else { Step::Hit(answer) };
        }
        if let Some(refusal) = self.negative.refusal(&key, now) {
            return Step::Refused(refusal);
        }
        let mut flights = self.flights.lock();
        // A flight may have landed between the look-up and the lock.
        if let Some(answer) = self.fresh(&key, now) {
            return Step::Hit(answer);
        }
        if let Some(refusal) = self.negative.refusal(&key, now) {
            return Step::Refused(refusal);
        }
        if self.flights.waiting() >= self.settings.max_waiting {
            return self.not_now(&key, CROWDED, now);
        }
        if let Some(landing) = flights.join(&key, now, self.settings.overdue_after) {
            return Step::Wait(self.flights.place(landing));
        }
        let attempt = match &self.attempts {
            Some(attempts) => match client().map(|client| attempts.take(client, now)).transpose() {
                Ok(attempt) => attempt,
                // Where Kinde is known not to answer, an older answer costs it nothing.
                Err(limited) if !self.breaker.is_closed() => {
                    return self.stale(&key, now).map_or(Step::Limited(limited), Step::Stale);
                }
                Err(limited) => return Step::Limited(limited),
            },
            None => None,
        };
        let admitted = match self.is_crowded(&flights, now) {
            true => Err(CROWDED),
            false => self.breaker.admit(now),
        };
        match admitted {
            Ok(permit) => {
                let (flight, landing) = flights.start(Arc::clone(self), key, permit, attempt, now);
                Step::Verify(flight, self.flights.place(landing))
            }
            Err(wait) => {
                if let Some(attempt) = attempt {
                    attempt.give_back();
                }
                self.not_now(&key, wait, now)
            }
        }
    }

    /// The answer that may serve while Kinde can't answer. A refusal or a purge has taken it out of the cache, so no
    /// outage brings a refused key back.
    pub(crate) fn stale(&self, key: &Fingerprint, now: Instant) -> Option<Arc<Answer>> {
        self.cache.answer(key, |answer| answer.standing(now) != Standing::Over)
    }

    fn fresh(&self, key: &Fingerprint, now: Instant) -> Option<Arc<Answer>> {
        self.cache.answer(key, |answer| answer.standing(now) == Standing::Fresh)
    }

    fn is_crowded(&self, flights: &flight::Table, now: Instant) -> bool {
        flights.is_full(self.settings.max_in_flight, now, self.settings.overdue_after)
    }

    fn not_now(&self, key: &Fingerprint, wait: Duration, now: Instant) -> Step {
        self.stale(key, now).map_or(Step::Unavailable(wait), Step::Stale)
    }

    fn refresh(self: &Arc<Self>, key: Fingerprint, answer: Arc<Answer>, now: Instant) -> Step {
        let mut flights = self.flights.lock();
        let idle = flights.join(&key, now, self.settings.overdue_after).is_none()
            && !self.is_crowded(&flights, now)
            && self.breaker.is_closed();
        match idle.then(|| self.breaker.admit(now)) {
            Some(Ok(permit)) => {
                let (flight, _nobody_waits) = flights.start(Arc::clone(self), key, permit, None, now);
                Step::Refresh(answer, flight)
            }
            Some(Err(_)) | None => Step::Hit(answer),
        }
    }

    /// Makes a positive answer of what a verifier said.
    fn answer(&self, flight: &Flight, mut verification: Verification) -> Arc<Answer> {
        self.interner.intern(&mut verification);
        let Self { settings: EngineSettings { time_to_live, stale_if_error, .. }, .. } = self;
        let bits = flight.fingerprint.bits();
        Arc::new(Answer::new(verification, flight.asked_at, bits, *time_to_live, *stale_if_error, None))
    }

    /// Whether a purge or a rotation that concerns this answer came between question and answer.
    fn must_ask_again(&self, flight: &Flight, outcome: &Outcome) -> bool {
        let Ok(judged) = outcome else { return false };
        let key = flight.fingerprint;
        let mut flights = self.flights.lock();
        let Some(asked) = flights.heeds_after(flight) else { return false };
        let purged = match judged {
            Ok(answer) => flights.purges.concerns(asked, key, Some(&answer.verification)),
            // A refusal told no identity: where only that could tell, it is served, but not remembered.
            Err(_) => flights.purges.names(asked, key),
        };
        let outdated = purged || judged.as_ref().is_ok_and(|answer| self.is_rotated(flight, answer));
        if outdated {
            flights.ask_again(flight);
        }
        outdated
    }

    /// Whether another secret of the same key id was asked about later than this one, and accepted.
    fn is_rotated(&self, flight: &Flight, answer: &Answer) -> bool {
        let known = self.cache.answer_for_id(answer.verification.key_id());
        known.is_some_and(|known| known.asked_at() > flight.asked_at)
            && self.cache.answer(&flight.fingerprint, |_| true).is_none()
    }

    /// Ends a flight: keeps what it brought back, and tells what everybody is to hear. `took` is absent where that says
    /// nothing about Kinde, as where the flight was called off.
    fn settle(
        &self,
        flight: &Flight,
        outcome: Outcome,
        permit: breaker::Permit,
        attempt: Option<attempts::Attempt>,
        took: Option<Duration>,
        now: Instant,
    ) -> Outcome {
        // What Kinde said tells of its health, whatever became of it here.
        let health = match (&outcome, took) {
            (_, None) | (Err(ServerFault::Internal), _) => breaker::Health::Unknown,
            (Ok(_), Some(took)) if took > self.settings.slow_after => breaker::Health::Slow,
            (Ok(_), Some(_)) => breaker::Health::Good,
            (Err(ServerFault::Unavailable), Some(_)) => breaker::Health::Bad,
        };
        let mut flights = self.flights.lock();
        let key = flight.fingerprint;
        // What a disowned flight brings back may be older than a purge that nobody has noted for it.
        let asked = flights.heeds_after(flight);
        let concerned = |known: Option<&Verification>| {
            asked.is_none_or(|asked| flights.purges.concerns(asked, key, known))
        };
        // Where a purge came between once more, or since the look before, nobody may rely on what is heard.
        let outcome = match outcome {
            Ok(Ok(answer)) => {
                if concerned(Some(&answer.verification)) || self.is_rotated(flight, &answer) {
                    Err(ServerFault::Unavailable)
                } else {
                    self.negative.remove(&key);
                    if answer.standing(answer.asked_at()) == Standing::Fresh {
                        self.cache.store(key, Arc::clone(&answer));
                    }
                    Ok(Ok(answer))
                }
            }
            Ok(Err(refusal)) => {
                // Whenever it was asked for: Kinde has refused the key, so no outage brings it back.
                self.cache.remove(&key);
                if asked.is_none_or(|asked| flights.purges.names(asked, key)) {
                    Err(ServerFault::Unavailable)
                } else {
                    if !concerned(None) {
                        self.negative.store(key, refusal, flight.asked_at);
                    }
                    Ok(Err(refusal))
                }
            }
            Err(not_judged) => Err(not_judged),
        };
        flights.end(flight);
        drop(flights);
        if let Some(attempt) = attempt {
            match &outcome {
                Ok(Ok(_)) => attempt.accepted(),
                Ok(Err(_)) => attempt.refused(),
                Err(_) => attempt.give_back(),
            }
        }
        self.breaker.record(permit, health, now);
        outcome
    }

    pub(crate) fn cached_keys(&self) -> usize {
        self.cache.len()
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
