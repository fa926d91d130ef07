//! How many calls are under way at once, and which flight comes next. There are two parts: an adaptive number
//! of places, and one queue with a share for each client.
//!
//! - If all places are taken, flights queue for at most a third of their budget. A flight whose turn would not
//!   come by then is turned away at once. A flight that drew overload rests until the moment that Kinde named.
//!   Then it queues for as long as its budget lasts.
//! - While others wait, one client has at most a quarter of the places and an eighth of the queue. Resting
//!   flights count as queued. Of 16 or more places one client never has the last ones. So if all keys of one
//!   client get no answer, everybody else still has room.
//! - Keys with a cached answer go first.

mod pace;
mod places;
mod recent;
mod share;
mod shares;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::attempts::{Ended, Limited, Opening, Window};
use super::turn::TurnState;
pub(super) use super::turn::{Decided, Turn};
use crate::client::Client;
use pace::Pace;
use places::Places;
pub(super) use places::Used;
use share::Waiting;
use shares::Shares;

#[derive(Debug, Clone, Copy)]
pub(super) struct AdmissionSettings {
    pub(super) most_places: usize,
    pub(super) most_queued: usize,
    /// How long a flight waits in the queue.
    pub(super) patience: Duration,
}

pub(super) struct Admission {
    inner: Mutex<Inner>,
    freed: Arc<Notify>,
}

struct Inner {
    settings: AdmissionSettings,
    places: Places,
    shares: Shares,
    pace: Pace,
    /// The number of the flight that was queued last.
    last_number: u64,
}

/// A flight that asks for a place.
#[derive(Clone)]
pub(super) struct Applicant {
    pub(super) client: Option<Client>,
    /// The cache has an answer that may serve meanwhile.
    pub(super) has_answer: bool,
    /// Where the attempt counts; `None` if it does not count.
    pub(super) window: Option<Window>,
    /// It takes no older answer of the fleet's.
    pub(super) max_age: Option<Duration>,
}

/// Whether a flight gets a place.
pub(super) enum Admitted {
    /// Its turn has come, or it waits in the queue.
    Turn(Arc<Turn>),
    /// Neither the places nor the queue have room for this client.
    Crowded,
    /// The client has used up its attempts.
    Limited(Limited),
}

impl Admission {
    /// `freed` is notified whenever a place is given back.
    pub(super) fn new(settings: AdmissionSettings, freed: Arc<Notify>) -> Self {
        let inner = Inner {
            settings,
            places: Places::new(settings.most_places),
            shares: Shares::new(settings.most_queued),
            pace: Pace::new(settings.patience),
            last_number: 0,
        };
        Self { inner: Mutex::new(inner), freed }
    }

    /// How many calls may be under way at once now.
    pub(super) fn places(&self) -> usize {
        self.lock().places.count()
    }

    /// How many calls are under way.
    pub(super) fn taken(&self) -> usize {
        self.lock().shares.taken()
    }

    /// How long a call usually takes.
    pub(super) fn usual(&self) -> Duration {
        self.lock().places.usual()
    }

    /// Asks for a place, or for a place in the queue.
    pub(super) fn apply(&self, applicant: Applicant, now: Instant) -> Admitted {
        self.lock().apply(applicant, now)
    }

    /// Gives back what this turn holds: a place, or a place in the queue. Only the first call counts.
    pub(super) fn leave(&self, client: Option<Client>, turn: &Arc<Turn>, used: Used, now: Instant) {
        if !turn.end() {
            return self.dispatch(now);
        }
        let mut inner = self.lock();
        if !inner.shares.withdraw(client, turn) && turn.has_place() {
            // The turn may have come without the flight taking it up.
            if let Some(Decided::Come(Some(attempt))) = turn.take() {
                let _given_back = attempt.end(Ended::NotMade);
            }
            inner.give_place_back(client, used, now);
        }
        inner.dispatch(now);
        drop(inner);
        self.freed.notify_waiters();
    }

    /// Gives a place back until the flight applies again. `false` if too many flights wait already. Then the
    /// place is given back for good.
    pub(super) fn rest(&self, client: Option<Client>, turn: &Arc<Turn>, used: Used, now: Instant) -> bool {
        if !turn.end() {
            return false;
        }
        let mut inner = self.lock();
        let may_rest = inner.may_rest(client);
        if may_rest {
            inner.shares.begin_rest(client);
        }
        inner.give_place_back(client, used, now);
        inner.dispatch(now);
        drop(inner);
        self.freed.notify_waiters();
        may_rest
    }

    /// Ends a rest. The flight does not ask again.
    pub(super) fn stop_resting(&self, client: Option<Client>, now: Instant) {
        let mut inner = self.lock();
        inner.shares.end_rest(client);
        inner.dispatch(now);
    }

    /// Ends a rest: the flight asks for a place again. Its attempt is still open, so no attempt is opened. It
    /// comes after the flights that wait already, because it may wait as long as its budget lasts, and they may
    /// not.
    pub(super) fn apply_again(
        &self,
        client: Option<Client>,
        has_answer: bool,
        until: Instant,
        now: Instant,
    ) -> Arc<Turn> {
        let mut inner = self.lock();
        let turn = inner.enqueue(Applicant { client, has_answer, window: None, max_age: None }, until, now);
        inner.shares.end_rest(client);
        inner.dispatch(now);
        turn
    }

    /// Gives free places to flights in the queue. Call it when an attempt was decided, because that may let
    /// another flight of the client go.
    pub(super) fn dispatch(&self, now: Instant) {
        self.lock().dispatch(now);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().shares.is_empty()
    }
}

impl Inner {
    fn apply(&mut self, applicant: Applicant, now: Instant) -> Admitted {
        let client = applicant.client;
        // Flights may wait while a place is free: their client has its share, or its attempts under way must be
        // decided first. They can't take this place, so no flight is passed over.
        if self.shares.may_take_place(client, &self.places) {
            match Opening::of(applicant.window.as_ref(), now) {
                Opening::Opened(attempt) => {
                    self.take_place(client, now);
                    return Admitted::Turn(Turn::new(TurnState::Come(attempt)));
                }
                Opening::Limited(limited) => return Admitted::Limited(limited),
                Opening::Later => {}
            }
        }
        if self.pace.is_too_slow(client, &self.shares, now) || !self.shares.make_room(client) {
            return Admitted::Crowded;
        }
        let turn = self.enqueue(applicant, now + self.settings.patience, now);
        self.dispatch(now);
        Admitted::Turn(turn)
    }

    fn enqueue(&mut self, applicant: Applicant, until: Instant, now: Instant) -> Arc<Turn> {
        let Applicant { client, has_answer, window, .. } = applicant;
        self.last_number += 1;
        let turn = Turn::new(TurnState::Waiting);
        let (number, waits) = (self.last_number, Arc::clone(&turn));
        self.shares.enqueue(client, Waiting { number, turn: waits, has_answer, window, until });
        self.pace.flight_waits(now);
        turn
    }

    /// Whether this client may have one more flight at rest.
    fn may_rest(&self, client: Option<Client>) -> bool {
        let bound = self.settings.most_queued.max(self.places.count());
        self.shares.waiting() < bound && !self.shares.has_its_share_of_the_queue(client)
    }

    fn take_place(&mut self, client: Option<Client>, now: Instant) {
        self.shares.take_place(client);
        self.pace.turn_comes(now);
    }

    fn give_place_back(&mut self, client: Option<Client>, used: Used, now: Instant) {
        self.shares.give_place_back(client);
        self.places.adapt(used, client, now);
    }

    /// Gives free places to flights in the queue.
    fn dispatch(&mut self, now: Instant) {
        // The clients whose attempts under way must be decided first.
        let mut held_back = Vec::new();
        while let Some(client) = self.shares.next_client(&self.places, &held_back) {
            let Some(waiting) = self.shares.pop_first(client) else { break };
            if waiting.until <= now {
                self.turn_away(client, &waiting, TurnState::Crowded);
                continue;
            }
            match Opening::of(waiting.window.as_ref(), now) {
                Opening::Opened(attempt) => {
                    self.take_place(client, now);
                    waiting.turn.decide(TurnState::Come(attempt));
                }
                Opening::Limited(limited) => self.turn_away(client, &waiting, TurnState::Limited(limited)),
                Opening::Later => {
                    self.shares.put_back(client, waiting);
                    held_back.push(client);
                }
            }
        }
        if self.shares.queued() == 0 {
            self.pace.queue_is_empty();
        }
    }

    fn turn_away(&mut self, client: Option<Client>, waiting: &Waiting, why: TurnState) {
        waiting.turn.decide(why);
        self.shares.forget_if_idle(client);
    }
}

#[cfg(test)]
mod tests;
