//! What an instance does with a request: a model of the engine.

use super::store::Kept;
use super::*;
use crate::engine::Purge;
use crate::engine::currency::{Currency, currency, may_land};
use crate::fleet::link::{RecordId, Travelled};

/// An answer in the cache.
#[derive(Clone)]
pub(super) struct Answer {
    /// As the instance believes.
    pub(super) asked: Instant,
    pub(super) truly_asked: At,
    /// How old it was when the store found it, and when that was. `None` if the instance asked itself.
    pub(super) travelled: Option<(At, At)>,
}

/// A question that is open.
pub(super) struct Flight {
    number: u64,
    asked: Instant,
    truly_asked: At,
    head: Option<RecordId>,
    /// A removal came that concerns the key.
    must_ask_again: bool,
}

/// How an answer came to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Cached,
    FromTheStore,
    Asked,
    BecauseKindeFailed,
}

impl Simulation {
    pub(super) fn request_of_somebody(&mut self) {
        let (index, key) = (self.random.below(INSTANCES), self.random.below(KEYS));
        if !self.is_idle(index, key) {
            self.request(index, key);
        }
        let pause = self.random_span(SECOND / 50);
        self.schedule(self.now + pause, Self::request_of_somebody);
    }

    /// For some spans of time, nobody asks some instances for some keys. So old answers stay.
    fn is_idle(&self, index: usize, key: usize) -> bool {
        let span = (self.now / (18 * SECOND)) as usize;
        self.instances[index].is_quiet || (index + 2 * key + span) % 3 == 0
    }

    fn currency(&self, index: usize, asked: Instant) -> Currency {
        if !self.is_on(Neglect::CutOff) {
            return Currency::Current;
        }
        currency(asked, self.instances[index].confirmed, self.local(index), &self.limits)
    }

    /// The cached answer, and whether it may serve. Never past its time to live.
    fn cached(&self, index: usize, key: usize) -> Option<(Answer, Currency)> {
        let (instance, now) = (&self.instances[index], self.local(index));
        let answer = instance.cache.get(&key)?;
        let is_fresh = now.saturating_duration_since(answer.asked) < instance.time_to_live;
        is_fresh.then(|| (answer.clone(), self.currency(index, answer.asked)))
    }

    pub(super) fn request(&mut self, index: usize, key: usize) {
        if !self.is_running(index) {
            return;
        }
        if let Some((answer, Currency::Current)) = self.cached(index, key) {
            return self.served(index, key, &answer, How::Cached);
        }
        if self.instances[index].flights.contains_key(&key) {
            return;
        }
        if self.facts.is_refused(key) || !self.instances[index].is_linked(self.now) {
            return self.ask(index, key);
        }
        self.look(index, key);
    }

    fn look(&mut self, index: usize, key: usize) {
        let (sent, life) = (self.local(index), self.instances[index].life);
        let number = self.open_flight(index, key);
        let command = move |simulation: &mut Self| {
            let store =
                if simulation.random.one_in(10) { &simulation.replica } else { &simulation.primary.store };
            (store.look(key), store.time(simulation.now), simulation.now)
        };
        self.call(index, command, move |simulation, result| {
            if !simulation.is_open(index, key, number) {
                return;
            }
            let Some((Some(kept), store_now, looked)) = result else { return simulation.ask(index, key) };
            let received = simulation.local(index);
            let entry = Travelled { head: kept.head, asked_at: kept.asked_at, store_now, sent, received };
            let concerns = |purge: &Purge| simulation.facts.concerns(purge, key);
            match simulation.instances[index].link.judge(&entry, received, concerns) {
                Some(asked) => simulation.land_travelled(index, key, &kept, asked, looked),
                None => {
                    simulation.counts.not_believed += 1;
                    simulation.ask(index, key);
                }
            }
        });
        let budget = 50 * MILLISECOND;
        self.schedule(self.now + budget, move |simulation| {
            simulation.if_alive(index, life, move |simulation| {
                if simulation.is_open(index, key, number) {
                    simulation.ask(index, key);
                }
            });
        });
    }

    fn land_travelled(&mut self, index: usize, key: usize, kept: &Kept, asked: Instant, looked: At) {
        self.instances[index].flights.remove(&key);
        let travelled = Some((looked - kept.truly_asked, looked));
        self.store_answer(index, key, Answer { asked, truly_asked: kept.truly_asked, travelled });
        match self.cached(index, key) {
            Some((answer, Currency::Current)) => self.served(index, key, &answer, How::FromTheStore),
            _ => self.ask(index, key),
        }
    }

    fn store_answer(&mut self, index: usize, key: usize, answer: Answer) {
        let cache = &mut self.instances[index].cache;
        if cache.get(&key).is_none_or(|old| old.asked <= answer.asked) {
            cache.insert(key, answer);
        }
    }

    fn open_flight(&mut self, index: usize, key: usize) -> u64 {
        let (asked, truly_asked, number) = (self.local(index), self.now, self.random.next());
        let instance = &mut self.instances[index];
        let head = instance.link.head();
        let flight = Flight { number, asked, truly_asked, head, must_ask_again: false };
        instance.flights.insert(key, flight);
        number
    }

    fn is_open(&self, index: usize, key: usize, number: u64) -> bool {
        self.instances[index].flights.get(&key).is_some_and(|flight| flight.number == number)
    }

    /// Asks Kinde.
    fn ask(&mut self, index: usize, key: usize) {
        self.counts.asked += 1;
        let (number, life) = (self.open_flight(index, key), self.instances[index].life);
        let latency = [20, 50, 200, 1_500][self.random.below(4)] * MILLISECOND;
        let fails = self.random.one_in(12);
        let landing = self.now + latency;
        let land = move |simulation: &mut Self| {
            if simulation.is_open(index, key, number) {
                simulation.land(index, key, fails);
            }
        };
        self.schedule(landing, move |simulation| {
            simulation.if_alive(index, life, move |simulation| {
                // What a process missed while it was stopped may take another moment.
                if simulation.now > landing && simulation.random.one_in(2) {
                    let at = simulation.now + 300 * MILLISECOND;
                    simulation.schedule(at, move |simulation| simulation.if_alive(index, life, land));
                } else {
                    land(simulation);
                }
            });
        });
    }

    fn land(&mut self, index: usize, key: usize, fails: bool) {
        let Some(flight) = self.instances[index].flights.remove(&key) else { return };
        if fails {
            let cached = self.cached(index, key);
            if let Some((answer, Currency::Current | Currency::Unconfirmed)) = cached {
                self.served(index, key, &answer, How::BecauseKindeFailed);
            }
            return;
        }
        let confirmed = self.instances[index].confirmed;
        let lands = may_land(flight.asked, confirmed, self.local(index), &self.limits);
        if (flight.must_ask_again && self.is_on(Neglect::Flights)) || !lands {
            return self.ask(index, key);
        }
        let Flight { asked, truly_asked, head, .. } = flight;
        self.store_answer(index, key, Answer { asked, truly_asked, travelled: None });
        self.served(index, key, &Answer { asked, truly_asked, travelled: None }, How::Asked);
        let stamp = self.instances[index].link.stamp(asked, self.local(index));
        if let (false, Some(head), Some(asked_at)) = (self.facts.is_refused(key), head, stamp) {
            let entry = Kept { asked_at, head, truly_asked };
            let keep = move |simulation: &mut Self| simulation.primary.store.keep(simulation.now, key, entry);
            self.call(index, keep, |_, _| ());
        }
    }

    /// Forgets what the removal concerns. Open flights ask again.
    pub(super) fn purge_locally(&mut self, index: usize, purge: &Purge) {
        let facts = &self.facts;
        let instance = &mut self.instances[index];
        instance.cache.retain(|key, _| !facts.concerns(purge, *key));
        for (key, flight) in &mut instance.flights {
            flight.must_ask_again |= facts.concerns(purge, *key);
        }
    }
}
