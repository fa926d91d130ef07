//! How many verifications are under way at once, and who comes next: one adaptive number, one queue with shares.
//!
//! - Past the number of places callers queue for at most a third of their budget. One whose turn would not come by then is turned
//!   away at once. A call that drew overload rests until its moment, and then waits for as long as its budget lasts.
//! - While others wait, one client has at most a quarter of the places and an eighth of the queue, those at rest included. Of 16
//!   or more places it never has the last ones, so that keys of one client that never answer leave room for everybody else.
//! - Keys with a stale answer go first.

mod pace;
mod places;
mod recent;
mod share;
mod shares;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

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
    /// How long a caller waits in the queue.
    pub(super) patience: Duration,
}

pub(super) struct Admission {
    inner: Mutex<Inner>,
    freed: Notify,
}

struct Inner {
    settings: AdmissionSettings,
    places: Places,
    shares: Shares,
    pace: Pace,
    /// The number of the flight that came into the queue last.
    last_number: u64,
}

/// Who asks for a place.
#[derive(Clone)]
pub(super) struct Applicant {
    pub(super) client: Option<Client>,
    pub(super) has_answer: bool,
    pub(super) window: Option<Window>,
}

/// What becomes of an application for a place.
pub(super) enum Admitted {
    /// The turn has come, or will.
    Turn(Arc<Turn>),
    /// Neither a place nor a place in the queue is free for this client.
    Crowded,
    Limited(Limited),
}

impl Admission {
    pub(super) fn new(settings: AdmissionSettings) -> Self {
        let inner = Inner {
            settings,
            places: Places::new(settings.most_places),
            shares: Shares::new(settings.most_queued),
            pace: Pace::new(settings.patience),
            last_number: 0,
        };
        Self { inner: Mutex::new(inner), freed: Notify::new() }
    }

    /// How many calls may be under way at once at present.
    pub(super) fn places(&self) -> usize {
        self.lock().places.count()
    }

    /// How many calls are under way.
    pub(super) fn taken(&self) -> usize {
        self.lock().shares.taken()
    }

    /// The usual time of a call.
    pub(super) fn usual(&self) -> Duration {
        self.lock().places.usual()
    }

    /// Ends when a place has been given back after this.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// Asks for a place, or for one in the queue.
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
            // The turn may have come without being taken up.
            if let Some(Decided::Come(Some(attempt))) = turn.take() {
                attempt.end(Ended::NotMade);
            }
            inner.give_place_back(client, used, now);
        }
        inner.dispatch(now);
        drop(inner);
        self.freed.notify_waiters();
    }

    /// Gives a place back for a while, to ask again later. `false` if too many wait already; then it is given back for good.
    pub(super) fn rest(&self, client: Option<Client>, turn: &Arc<Turn>, now: Instant) -> bool {
        if !turn.end() {
            return false;
        }
        let mut inner = self.lock();
        let may_rest = inner.may_rest(client);
        if may_rest {
            inner.shares.begin_rest(client);
        }
        inner.give_place_back(client, Used::Overloaded, now);
        inner.dispatch(now);
        drop(inner);
        self.freed.notify_waiters();
        may_rest
    }

    /// Ends a rest without asking again.
    pub(super) fn stop_resting(&self, client: Option<Client>, now: Instant) {
        let mut inner = self.lock();
        inner.shares.end_rest(client);
        inner.dispatch(now);
    }

    /// Ends a rest: asks for a place again. The attempt is still open, so none is opened for it. Its turn comes after those who
    /// wait already, because it can wait as long as its budget lasts, and they can't.
    pub(super) fn apply_again(
        &self,
        client: Option<Client>,
        has_answer: bool,
        until: Instant,
        now: Instant,
    ) -> Arc<Turn> {
        let mut inner = self.lock();
        let turn = inner.enqueue(Applicant { client, has_answer, window: None }, until, now);
        inner.shares.end_rest(client);
        inner.dispatch(now);
        turn
    }

    /// Gives free places to those who wait. An attempt that was decided may have made one free.
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
        // Whoever waits while a place is free can't take it: because of a share, or of attempts under way.
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
        let Applicant { client, has_answer, window } = applicant;
        self.last_number += 1;
        let turn = Turn::new(TurnState::Waiting);
        let (number, waits) = (self.last_number, Arc::clone(&turn));
        self.shares.enqueue(client, Waiting { number, turn: waits, has_answer, window, until });
        self.pace.somebody_waits(now);
        turn
    }

    /// Whether a place may be given back for a while.
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

    /// Gives free places to those who wait.
    fn dispatch(&mut self, now: Instant) {
        // Clients whose attempts under way must be decided first.
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
            self.pace.nobody_waits();
        }
    }

    fn turn_away(&mut self, client: Option<Client>, waiting: &Waiting, why: TurnState) {
        waiting.turn.decide(why);
        self.shares.forget_if_idle(client);
    }
}

#[cfg(test)]
mod tests;
