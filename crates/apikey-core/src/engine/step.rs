//! What to do about a presented key.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::admission::{Admitted, Applicant, Turn, Used};
use super::attempts::Limited;
use super::breaker::{Admit, Seen};
use super::cached_key::{CachedKey, Freshness};
use super::flight::{Flight, Stage};
use super::flights::{FlightId, Started, Stuck, Table};
use super::outcome::{SharedOutcome, Waiter};
use super::report::Report;
use super::{Engine, Rules};
use crate::client::Client;
use crate::evidence::StaleAnswer;
use crate::key::{Fingerprint, PresentedKey};
use crate::verification::Refusal;

/// How often a step looks into the caches, at most. It looks again if a flight landed before it had the lock.
const MOST_LOOKS: u32 = 3;

/// What to do about a presented key.
pub(crate) enum Step {
    /// The cache has a fresh answer.
    Hit(Arc<CachedKey>),
    /// The cache has a fresh answer. The caller must fly this flight, which renews the answer in the
    /// background.
    Refresh(Arc<CachedKey>, Flight),
    /// Kinde refused the key a moment ago.
    Refused(Refusal),
    /// A flight of this key is under way. Wait for it.
    Wait(Waiter),
    /// The caller must fly this flight, and wait for it.
    Verify(Flight, Waiter),
    /// Kinde must not be asked now, so a stale answer serves.
    Stale(Arc<CachedKey>),
    /// Kinde must not be asked now. The caller may come back after this time.
    Unavailable(Duration),
    /// Too many flights or callers wait already.
    Crowded,
    /// This service is set up wrong.
    SetUp,
    /// This client has used up its attempts.
    Limited(Limited),
}

/// What a look into the slow caches found. If it is no refusal, the table of flights is locked now.
enum Looked<'e> {
    Refused(Refusal),
    NotRefused {
        flights: MutexGuard<'e, Table>,
        /// The key drew overload. Kinde must not be asked about it for this time.
        wait: Option<Duration>,
    },
}

/// Whether Kinde may be asked about a key now.
enum MayAsk {
    /// The turn of this flight has come, or will come.
    Yes { turn: Arc<Turn>, is_probe: bool },
    No {
        step: Box<Step>,
        /// If there is a stale answer, it serves instead of this step.
        stale_may_serve: bool,
    },
}

impl Engine {
    /// What to do about the key. `client` is called only if the cache does not answer.
    #[inline]
    pub(crate) fn step(
        self: &Arc<Self>,
        key: Fingerprint,
        client: &dyn Fn() -> Option<Client>,
        now: Instant,
    ) -> Step {
        match self.hit(&key, |_| true, now) {
            Some((answer, false)) => Step::Hit(answer),
            Some((answer, true)) => self.refresh(key, answer, client(), now),
            None => {
                let rules = Rules { max_age: None, attempts: self.attempts.clone() };
                self.step_without_answer(key, client(), &rules, now)
            }
        }
    }

    /// [`step`](Self::step) for a route with rules of its own.
    pub(crate) fn step_by(
        self: &Arc<Self>,
        key: Fingerprint,
        client: &dyn Fn() -> Option<Client>,
        rules: &Rules,
        now: Instant,
    ) -> Step {
        match self.hit(&key, |answer| answer.is_within(rules.max_age, now), now) {
            Some((answer, false)) => Step::Hit(answer),
            Some((answer, true)) => self.refresh(key, answer, client(), now),
            None => self.step_without_answer(key, client(), rules, now),
        }
    }

    /// A fresh answer that is young enough, and whether the caller must renew it in the background.
    #[inline]
    fn hit(
        &self,
        key: &Fingerprint,
        is_young_enough: impl FnOnce(&CachedKey) -> bool,
        now: Instant,
    ) -> Option<(Arc<CachedKey>, bool)> {
        let mut must_refresh = false;
        let moment = self.lifetime.moment(now);
        let answer = self.cache.answer(key, |answer| {
            if answer.is_quiet(moment) && self.confirmations.is_linked(moment) {
                return is_young_enough(answer);
            }
            let serves = self.freshness(answer, now) == Freshness::Fresh && is_young_enough(answer);
            must_refresh =
                serves && self.settings.refresh_ahead && answer.claims_refresh(now, &self.lifetime);
            serves
        })?;
        Some((answer, must_refresh))
    }

    /// Finishes [`step`](Self::step) if the cache has no fresh answer.
    fn step_without_answer(
        self: &Arc<Self>,
        key: Fingerprint,
        client: Option<Client>,
        Rules { max_age, attempts }: &Rules,
        now: Instant,
    ) -> Step {
        // Callers of other routes may join the flight, so the flight must know of an answer that is too old here.
        let answer = self.stale(&key, None, now);
        // To ask again only because the instance is cut off is no attempt of the client's.
        let counts = answer.is_none() || self.is_linked(now);
        let window = attempts.as_ref().and_then(|attempts| Some(attempts.window(client?, now)));
        let window = window.filter(|_| counts);
        let applicant = Applicant { client, has_answer: answer.is_some(), window, max_age: *max_age };
        let stale = answer.filter(|answer| answer.is_within(*max_age, now));
        let (mut flights, wait) = match self.look(&key, now) {
            Looked::Refused(refusal) => return Step::Refused(refusal),
            Looked::NotRefused { flights, wait } => (flights, wait),
        };
        if let Some(answer) = self.fresh(&key, *max_age, now) {
            return Step::Hit(answer);
        }
        if let Some(outcome) = flights.join(&key, *max_age, now, self.settings.overdue_after) {
            drop(flights);
            return match self.crowd.enter(client) {
                Some(slot) => Step::Wait(Waiter::of_joiner(outcome, slot)),
                None => Step::Crowded,
            };
        }
        if self.asks_the_fleet_first(now) {
            return self.start_looking(flights, key, applicant, stale, now);
        }
        match self.may_ask(&applicant, wait, now) {
            MayAsk::Yes { turn, is_probe } => {
                let has_turn = Stage::Waiting(Arc::clone(&turn));
                let (flight, outcome) = self.start(flights, key, &applicant, &turn, has_turn, now);
                Step::Verify(flight.probing(is_probe), Waiter::of_starter(outcome, None))
            }
            MayAsk::No { step, stale_may_serve } => {
                stale.filter(|_| stale_may_serve).map_or(*step, Step::Stale)
            }
        }
    }

    /// Whether another instance's answer may spare a question. A cut-off instance could not tell whether to believe it.
    fn asks_the_fleet_first(&self, now: Instant) -> bool {
        self.settings.cut_off.is_some() && self.is_linked(now)
    }

    /// Starts a flight that looks into the fleet's store before it asks for a place, so that an answer from there costs
    /// neither a place nor an attempt, and serves while the breaker is open. A client without attempts starts none, and so
    /// can't make the store work.
    fn start_looking(
        self: &Arc<Self>,
        flights: MutexGuard<'_, Table>,
        key: Fingerprint,
        applicant: Applicant,
        stale: Option<Arc<CachedKey>>,
        now: Instant,
    ) -> Step {
        if let Some(Err(limited)) = applicant.window.as_ref().map(|window| window.check(now)) {
            return stale.filter(|_| self.breaker.is_open()).map_or(Step::Limited(limited), Step::Stale);
        }
        let Some(slot) = self.crowd.enter(applicant.client) else { return Step::Crowded };
        let looks = Stage::Looking(Box::new(applicant.clone()));
        let (flight, outcome) = self.start(flights, key, &applicant, &Turn::none(), looks, now);
        Step::Verify(flight, Waiter::of_starter(outcome, Some(slot)))
    }

    /// Asks for a place for a flight that has looked into the fleet's store in vain.
    ///
    /// # Errors
    /// What the flight reports instead, if Kinde must not be asked now.
    pub(super) fn admit(
        &self,
        id: FlightId,
        applicant: &Applicant,
        now: Instant,
    ) -> Result<(Arc<Turn>, bool), Report> {
        let wait = self.overloads.wait(&id.key, now);
        let mut flights = self.flights.lock();
        match self.may_ask(applicant, wait, now) {
            MayAsk::Yes { turn, is_probe } => {
                flights.set_turn(id, &turn);
                Ok((turn, is_probe))
            }
            MayAsk::No { step, stale_may_serve } => Err(match *step {
                Step::Limited(limited) => Report::Limited(limited),
                Step::Unavailable(wait) => Report::NotYet(wait),
                Step::SetUp => Report::SetUp { stale_may_serve },
                _ => Report::Crowded,
            }),
        }
    }

    /// Looks into the caches of refusals and of overloads, and then locks the table of flights. These caches do
    /// their own maintenance while they are looked into, so it must not happen under the lock. If a flight
    /// lands before the lock is taken, the look is out of date and is repeated.
    fn look(&self, key: &Fingerprint, now: Instant) -> Looked<'_> {
        let mut flights = self.flights.lock();
        let stuck = flights.take_stuck(now, self.settings.overdue_after);
        let mut landed = flights.landed();
        drop(flights);
        self.give_up(stuck, now);
        let mut looks = 0;
        loop {
            if let Some(refusal) = self.negative.refusal(key, now) {
                return Looked::Refused(refusal);
            }
            let wait = self.overloads.wait(key, now);
            looks += 1;
            let flights = self.flights.lock();
            if flights.landed() == landed || looks >= MOST_LOOKS {
                return Looked::NotRefused { flights, wait };
            }
            landed = flights.landed();
        }
    }

    /// Whether Kinde may be asked about a key now. The caller holds the lock of the table, so that no other flight of
    /// the key starts meanwhile. `wait` is the time until the key may be asked about again after overload.
    fn may_ask(&self, applicant: &Applicant, wait: Option<Duration>, now: Instant) -> MayAsk {
        let Applicant { client, has_answer, window, .. } = applicant;
        if let Some(wait) = wait {
            return MayAsk::No { step: Box::new(Step::Unavailable(wait)), stale_may_serve: true };
        }
        if let Some(Err(limited)) = window.as_ref().map(|window| window.check(now)) {
            // While the breaker is open, no key would be sent anyway. So the limited client gets its stale
            // answer, too.
            return MayAsk::No {
                step: Box::new(Step::Limited(limited)),
                stale_may_serve: self.breaker.is_open(),
            };
        }
        let is_probe = match self.breaker.admit(*has_answer, *client, now) {
            Admit::Yes { is_probe } => is_probe,
            Admit::NotYet(wait) => {
                return MayAsk::No { step: Box::new(Step::Unavailable(wait)), stale_may_serve: true };
            }
            Admit::SetUp(class) => {
                let stale_may_serve = class.rule().stale_answer == StaleAnswer::Serves;
                return MayAsk::No { step: Box::new(Step::SetUp), stale_may_serve };
            }
        };
        let step = match self.admission.apply(applicant.clone(), now) {
            Admitted::Turn(turn) => return MayAsk::Yes { turn, is_probe },
            Admitted::Limited(limited) => Step::Limited(limited),
            Admitted::Crowded => Step::Crowded,
        };
        // This key does not go after all, so the probe's slot is free again.
        self.breaker.record(Seen::Nothing, *client, is_probe, now);
        MayAsk::No { step: Box::new(step), stale_may_serve: false }
    }

    /// Starts a flight that renews a fresh answer in the background, if Kinde may be asked. Otherwise the fresh
    /// answer just serves.
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
        // A renewal counts as no attempt: the cache knows the key, so nobody guesses it.
        let applicant = Applicant { client, has_answer: true, window: None, max_age: None };
        let mut flights = self.flights.lock();
        if flights.join(&key, None, now, self.settings.overdue_after).is_some() {
            return Step::Hit(answer);
        }
        let (turn, stage) = if self.asks_the_fleet_first(now) {
            (Turn::none(), Stage::Looking(Box::new(applicant.clone())))
        } else {
            let Admitted::Turn(turn) = self.admission.apply(applicant.clone(), now) else {
                return Step::Hit(answer);
            };
            (Arc::clone(&turn), Stage::Waiting(turn))
        };
        let (flight, _nobody_waits) = self.start(flights, key, &applicant, &turn, stage, now);
        Step::Refresh(answer, flight)
    }

    /// Starts a flight. The caller has held the lock of the table since it found no flight of this key.
    fn start(
        self: &Arc<Self>,
        mut flights: MutexGuard<'_, Table>,
        key: Fingerprint,
        applicant: &Applicant,
        turn: &Arc<Turn>,
        stage: Stage,
        now: Instant,
    ) -> (Flight, Arc<SharedOutcome>) {
        let Started { id, outcome, replaced } = flights.start(key, applicant, turn, now);
        drop(flights);
        self.give_up(replaced, now);
        let engine = Arc::clone(self);
        (Flight::new(engine, id, Arc::clone(&outcome), applicant, stage, now), outcome)
    }

    /// Takes the places of stuck flights back, and tells their waiters that nobody could answer.
    fn give_up(&self, stuck: impl IntoIterator<Item = Stuck>, now: Instant) {
        for flight in stuck {
            self.admission.leave(flight.client, &flight.turn, Used::Otherwise, now);
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
            self.freshness(answer, now) != Freshness::Expired && answer.is_within(max_age, now)
        })
    }

    /// Whether an answer about this key that was asked for at this moment or later is cached.
    pub(crate) fn has_answer(&self, key: &PresentedKey, asked_at: Instant, now: Instant) -> bool {
        let answer = self.stale(&self.fingerprint(key.expose()), None, now);
        answer.is_some_and(|answer| answer.asked_at() >= asked_at)
    }

    fn fresh(&self, key: &Fingerprint, max_age: Option<Duration>, now: Instant) -> Option<Arc<CachedKey>> {
        self.cache.answer(key, |answer| {
            self.freshness(answer, now) == Freshness::Fresh && answer.is_within(max_age, now)
        })
    }
}
