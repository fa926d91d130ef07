//! What to do about a presented key.

use super::*;

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

impl Engine {
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
        let rules = Rules { max_age: None, attempts: self.attempts.clone() };
        self.step_without_answer(key, client(), &rules, now)
    }

    /// [`step`](Self::step) for a route with rules of its own.
    pub(crate) fn step_by(
        self: &Arc<Self>,
        key: Fingerprint,
        client: &dyn Fn() -> Option<Client>,
        rules: &Rules,
        now: Instant,
    ) -> Step {
        match self.fresh(&key, rules.max_age, now) {
            Some(answer) => Step::Hit(answer),
            None => self.step_without_answer(key, client(), rules, now),
        }
    }

    /// The rest of [`step`](Self::step), for a key without a fresh answer.
    fn step_without_answer(
        self: &Arc<Self>,
        key: Fingerprint,
        client: Option<Client>,
        Rules { max_age, attempts }: &Rules,
        now: Instant,
    ) -> Step {
        // All that may look into other caches comes before the lock.
        let window = attempts.as_ref().and_then(|attempts| Some(attempts.window(client?, now)));
        let stale = self.stale(&key, *max_age, now);
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
        if let Some(answer) = self.fresh(&key, *max_age, now) {
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
}
