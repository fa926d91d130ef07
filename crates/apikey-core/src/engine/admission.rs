//! How many verifications are under way at once, and who comes next: one adaptive number, one queue with shares.
//!
//! - Past the number of places callers queue for at most a third of their budget. One whose turn would not come by then is turned
//!   away at once. A call that drew overload rests until its moment, and then waits for as long as its budget lasts.
//! - While others wait, one client has at most a quarter of the places and an eighth of the queue, those at rest included. Of 16
//!   or more places it never has the last ones, so that keys of one client that never answer leave room for everybody else.
//! - Keys with an older answer go first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

pub(super) use super::adaptive::Used;
use super::adaptive::{Places, forget_before};
use super::attempts::{Ended, Limited, Opening, Window};
use super::turn::TurnState;
pub(super) use super::turn::{Decided, Turn};
use crate::client::Client;

/// The part of the places that one client may have while others wait, and the part of the queue.
const SHARE_OF_PLACES: usize = 4;
const SHARE_OF_QUEUE: usize = 8;
/// An estimate of the wait says nothing before this part of the patience has passed with all places taken.
const LEAST_OBSERVED: u32 = 4;

#[derive(Debug, Clone, Copy)]
pub(super) struct AdmissionSettings {
    pub(super) most_places: usize,
    pub(super) most_queued: usize,
    /// How long a caller waits in the queue.
    pub(super) patience: Duration,
}

pub(super) struct Admission {
    settings: AdmissionSettings,
    inner: Mutex<Inner>,
    freed: Notify,
}

struct Inner {
    places: Places,
    taken: usize,
    queued: usize,
    /// Of flights that wait for the moment which Kinde named; each takes a place in the queue's bound.
    resting: usize,
    shares: HashMap<Option<Client>, Share>,
    last_number: u64,
    last_turn: u64,
    /// Since when somebody has been waiting, and the turns that came since, no older than the patience.
    waiting_since: Option<Instant>,
    turns: VecDeque<Instant>,
}

#[derive(Default)]
struct Share {
    taken: usize,
    resting: usize,
    /// The number of the latest turn.
    last_turn: u64,
    with_older_answer: VecDeque<Waiting>,
    without: VecDeque<Waiting>,
}

struct Waiting {
    number: u64,
    turn: Arc<Turn>,
    goes_first: bool,
    window: Option<Window>,
    until: Instant,
}

/// Who asks for a place.
#[derive(Clone)]
pub(super) struct Applicant {
    pub(super) client: Option<Client>,
    pub(super) has_older_answer: bool,
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
            places: Places::new(settings.most_places),
            taken: 0,
            queued: 0,
            resting: 0,
            shares: HashMap::new(),
            last_number: 0,
            last_turn: 0,
            waiting_since: None,
            turns: VecDeque::new(),
        };
        Self { settings, inner: Mutex::new(inner), freed: Notify::new() }
    }

    /// How many calls may be under way at once at present.
    pub(super) fn places(&self) -> usize {
        lock(&self.inner).places.count()
    }

    /// How many calls are under way.
    pub(super) fn taken(&self) -> usize {
        lock(&self.inner).taken
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let inner = lock(&self.inner);
        inner.taken == 0 && inner.queued == 0 && inner.resting == 0 && inner.shares.is_empty()
    }

    /// Ends when a place has been given back after this.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// Asks for a place, or for one in the queue.
    pub(super) fn apply(&self, applicant: Applicant, now: Instant) -> Admitted {
        let mut inner = lock(&self.inner);
        let Applicant { client, has_older_answer, window } = applicant;
        // Whoever waits while a place is free can't take it: because of a share, or of attempts under way.
        if inner.may_take_at_once(client) {
            match open(window.as_ref(), now) {
                Opening::Opened(attempt) => {
                    inner.seat(client, now);
                    return Admitted::Turn(Turn::new(TurnState::Come(attempt)));
                }
                Opening::Limited(limited) => return Admitted::Limited(limited),
                Opening::Later => {}
            }
        }
        if inner.would_wait_too_long(client, self.settings.patience, now)
            || !inner.make_room(client, &self.settings)
        {
            return Admitted::Crowded;
        }
        let until = now + self.settings.patience;
        let turn = inner.enqueue(client, has_older_answer, window, until, now);
        inner.dispatch(&self.settings, now);
        Admitted::Turn(turn)
    }

    /// Gives back what this turn holds: a place, or a place in the queue. Only the first call counts.
    pub(super) fn leave(&self, client: Option<Client>, turn: &Arc<Turn>, used: Used, now: Instant) {
        if !turn.end() {
            return self.attend(now);
        }
        let mut inner = lock(&self.inner);
        if !inner.withdraw(client, turn) && turn.has_place() {
            // The turn may have come without being taken up.
            if let Some(Decided::Come(Some(attempt))) = turn.take() {
                attempt.end(Ended::NotMade);
            }
            inner.unseat(client);
            inner.places.adapt(used, client, now);
        }
        inner.dispatch(&self.settings, now);
        drop(inner);
        self.freed.notify_waiters();
    }

    /// Looks once more who may go, because an attempt was decided.
    pub(super) fn attend(&self, now: Instant) {
        lock(&self.inner).dispatch(&self.settings, now);
    }

    /// The usual time of a call.
    pub(super) fn usual(&self) -> Duration {
        lock(&self.inner).places.usual()
    }

    /// Gives a place back for a while, to ask again later. `false` if too many wait already; then it is given back for good.
    pub(super) fn rest(&self, client: Option<Client>, turn: &Arc<Turn>, now: Instant) -> bool {
        if !turn.end() {
            return false;
        }
        let mut inner = lock(&self.inner);
        let has_room = inner.queued + inner.resting < self.settings.most_queued.max(inner.places.count());
        let may_rest = has_room && !inner.has_its_share_of_the_queue(client, &self.settings);
        if may_rest {
            inner.begin_rest(client);
        }
        inner.unseat(client);
        inner.places.adapt(Used::Overloaded, client, now);
        inner.dispatch(&self.settings, now);
        drop(inner);
        self.freed.notify_waiters();
        may_rest
    }

    /// Ends a rest without asking again.
    pub(super) fn stop_resting(&self, client: Option<Client>, now: Instant) {
        let mut inner = lock(&self.inner);
        inner.end_rest(client);
        inner.dispatch(&self.settings, now);
    }

    /// Ends a rest: asks for a place again. The attempt is still open, so none is opened for it. Its turn comes after those who
    /// wait already, because it can wait as long as its budget lasts, and they can't.
    pub(super) fn apply_again(
        &self,
        client: Option<Client>,
        has_older_answer: bool,
        until: Instant,
        now: Instant,
    ) -> Arc<Turn> {
        let mut inner = lock(&self.inner);
        let turn = inner.enqueue(client, has_older_answer, None, until, now);
        inner.end_rest(client);
        inner.dispatch(&self.settings, now);
        turn
    }
}

impl Inner {
    /// How many of this client's wait, at rest or in the queue.
    fn waiting_of(&self, client: Option<Client>) -> usize {
        self.shares.get(&client).map_or(0, Share::waiting)
    }

    /// Whether this client has all that it may have of the queue while others wait, too.
    fn has_its_share_of_the_queue(&self, client: Option<Client>, settings: &AdmissionSettings) -> bool {
        let mine = self.waiting_of(client);
        self.queued + self.resting > mine && mine >= (settings.most_queued / SHARE_OF_QUEUE).max(1)
    }

    /// A place is free, and is not one of the last that a single client never gets.
    fn may_take_at_once(&self, client: Option<Client>) -> bool {
        let taken = self.shares.get(&client).map_or(0, |share| share.taken);
        self.taken < self.places.count_for(client) && taken < self.places.count_of_one(client)
    }

    /// Whether there is room in the queue for one more of this client's callers. A client that has more than its share makes
    /// room for one that has less.
    fn make_room(&mut self, client: Option<Client>, settings: &AdmissionSettings) -> bool {
        if settings.most_queued == 0 || self.has_its_share_of_the_queue(client, settings) {
            return false;
        }
        if self.queued + self.resting < settings.most_queued {
            return true;
        }
        // Those at rest have been asked about, so only somebody in the queue makes room.
        let share = (settings.most_queued / SHARE_OF_QUEUE).max(1);
        let greediest = self.shares.iter().filter(|(_, share)| share.queued() > 0);
        let greediest = greediest.max_by_key(|(_, share)| share.waiting());
        let Some((&greediest, held)) = greediest.map(|(client, held)| (client, held.waiting())) else {
            return false;
        };
        if greediest == client || held <= share || self.waiting_of(client) >= share {
            return false;
        }
        let evicted = self.shares.get_mut(&greediest).and_then(Share::pop_last);
        if let Some(evicted) = evicted {
            self.queued -= 1;
            evicted.turn.decide(TurnState::Crowded);
        }
        true
    }

    /// Whether the turn of a caller that comes now would come too late, as far as the latest turns tell.
    fn would_wait_too_long(&mut self, client: Option<Client>, patience: Duration, now: Instant) -> bool {
        let Some(since) = self.waiting_since else { return false };
        forget_before(&mut self.turns, now, patience);
        let observed = now.saturating_duration_since(since).min(patience);
        if observed < patience / LEAST_OBSERVED {
            return false;
        }
        // As many turns come in the patience as came in the time that was observed, in proportion; and those who wait get
        // equal parts of them.
        let mine = self.shares.get(&client).map_or(0, Share::queued);
        let others =
            self.shares.iter().filter(|(other, share)| **other != client && share.queued() > 0).count();
        let expected = self.turns.len() as f64 * patience.as_secs_f64() / observed.as_secs_f64();
        // Beside others a part is a guess, and turning callers away on a guess leaves places unused.
        let doubt = if others > 0 { 2.0 } else { 1.0 };
        (mine + 1) as f64 > (doubt * expected / (others + 1) as f64).max(1.0)
    }

    fn enqueue(
        &mut self,
        client: Option<Client>,
        goes_first: bool,
        window: Option<Window>,
        until: Instant,
        now: Instant,
    ) -> Arc<Turn> {
        self.last_number += 1;
        let turn = Turn::new(TurnState::Waiting);
        let waiting =
            Waiting { number: self.last_number, turn: Arc::clone(&turn), goes_first, window, until };
        let share = self.shares.entry(client).or_default();
        let queue = if goes_first { &mut share.with_older_answer } else { &mut share.without };
        queue.push_back(waiting);
        self.queued += 1;
        self.waiting_since.get_or_insert(now);
        turn
    }

    fn begin_rest(&mut self, client: Option<Client>) {
        self.resting += 1;
        self.shares.entry(client).or_default().resting += 1;
    }

    fn end_rest(&mut self, client: Option<Client>) {
        self.resting = self.resting.saturating_sub(1);
        if let Some(share) = self.shares.get_mut(&client) {
            share.resting = share.resting.saturating_sub(1);
        }
        self.tidy(client);
    }

    fn withdraw(&mut self, client: Option<Client>, turn: &Arc<Turn>) -> bool {
        let Some(share) = self.shares.get_mut(&client) else { return false };
        let removed = [&mut share.with_older_answer, &mut share.without].into_iter().any(|queue| {
            let position = queue.iter().position(|waiting| Arc::ptr_eq(&waiting.turn, turn));
            position.and_then(|position| queue.remove(position)).is_some()
        });
        if removed {
            self.queued -= 1;
            self.tidy(client);
        }
        removed
    }

    fn seat(&mut self, client: Option<Client>, now: Instant) {
        self.taken += 1;
        self.last_turn += 1;
        let share = self.shares.entry(client).or_default();
        (share.taken, share.last_turn) = (share.taken + 1, self.last_turn);
        if self.waiting_since.is_some() {
            self.turns.push_back(now);
        }
    }

    fn unseat(&mut self, client: Option<Client>) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(share) = self.shares.get_mut(&client) {
            share.taken = share.taken.saturating_sub(1);
        }
        self.tidy(client);
    }

    fn tidy(&mut self, client: Option<Client>) {
        if self.shares.get(&client).is_some_and(|share| share.taken == 0 && share.waiting() == 0) {
            self.shares.remove(&client);
        }
        if self.queued == 0 {
            self.waiting_since = None;
            self.turns.clear();
        }
    }

    /// Gives free places to those who wait.
    fn dispatch(&mut self, settings: &AdmissionSettings, now: Instant) {
        // Clients whose attempts under way must be decided first.
        let mut held_back = Vec::new();
        while self.queued > 0 {
            let Some(client) = self.next_client(&held_back) else { break };
            let Some(waiting) = self.shares.get_mut(&client).and_then(Share::pop_first) else { break };
            if waiting.until <= now {
                self.queued -= 1;
                waiting.turn.decide(TurnState::Crowded);
                self.tidy(client);
                continue;
            }
            match open(waiting.window.as_ref(), now) {
                Opening::Opened(attempt) => {
                    self.queued -= 1;
                    self.seat(client, now);
                    waiting.turn.decide(TurnState::Come(attempt));
                }
                Opening::Limited(limited) => {
                    self.queued -= 1;
                    waiting.turn.decide(TurnState::Limited(limited));
                    self.tidy(client);
                }
                Opening::Later => {
                    if let Some(share) = self.shares.get_mut(&client) {
                        share.put_back(waiting);
                    }
                    held_back.push(client);
                }
            }
        }
        forget_before(&mut self.turns, now, settings.patience);
        if self.queued == 0 {
            self.waiting_since = None;
            self.turns.clear();
        }
    }

    /// Whose turn it is: of the clients that have less than their share of places the one whose key has an older answer, and
    /// of these the one whose latest turn is longest ago. If all have their share, the one that has fewest.
    fn next_client(&self, held_back: &[Option<Client>]) -> Option<Option<Client>> {
        let quarter = (self.places.count() / SHARE_OF_PLACES).max(1);
        let candidates = self.shares.iter().filter(|(client, share)| {
            share.queued() > 0
                && self.taken < self.places.count_for(**client)
                && share.taken < self.places.count_of_one(**client)
                && !held_back.contains(client)
        });
        let rank = |share: &Share| {
            let others_wait = self.queued > share.queued();
            let above = if others_wait && share.taken >= quarter { share.taken } else { 0 };
            let (without_older, number) = share.first().unwrap_or((true, u64::MAX));
            (above, without_older, share.last_turn, number)
        };
        candidates.min_by_key(|(_, share)| rank(share)).map(|(client, _)| *client)
    }
}

impl Share {
    fn queued(&self) -> usize {
        self.with_older_answer.len() + self.without.len()
    }

    fn waiting(&self) -> usize {
        self.queued() + self.resting
    }

    /// Whether the first has no older answer, and its number.
    fn first(&self) -> Option<(bool, u64)> {
        let with = self.with_older_answer.front().map(|waiting| (false, waiting.number));
        with.or_else(|| self.without.front().map(|waiting| (true, waiting.number)))
    }

    fn pop_first(&mut self) -> Option<Waiting> {
        self.with_older_answer.pop_front().or_else(|| self.without.pop_front())
    }

    fn pop_last(&mut self) -> Option<Waiting> {
        self.without.pop_back().or_else(|| self.with_older_answer.pop_back())
    }

    /// Puts back what [`pop_first`](Self::pop_first) took.
    fn put_back(&mut self, waiting: Waiting) {
        let queue = if waiting.goes_first { &mut self.with_older_answer } else { &mut self.without };
        queue.push_front(waiting);
    }
}

fn open(window: Option<&Window>, now: Instant) -> Opening {
    window.map_or(Opening::Opened(None), |window| window.open(now))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
