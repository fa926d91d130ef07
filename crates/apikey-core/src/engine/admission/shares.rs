//! The shares of all clients, and which share is fair while others wait.

use std::collections::HashMap;
use std::sync::Arc;

use super::places::Places;
use super::share::{Share, Waiting};
use crate::client::Client;
use crate::engine::turn::{Turn, TurnState};

/// While others wait, one client has at most this part of the places, or of the queue.
const SHARE_OF_PLACES: usize = 4;
const SHARE_OF_QUEUE: usize = 8;

/// The shares of all clients, with their sums. A client that has nothing is forgotten.
pub(super) struct Shares {
    by_client: HashMap<Option<Client>, Share>,
    most_queued: usize,
    taken: usize,
    queued: usize,
    /// How many flights rest until the moment that Kinde named. Each counts as one in the queue.
    resting: usize,
    last_turn: u64,
}

/// What the clients have.
impl Shares {
    pub(super) fn new(most_queued: usize) -> Self {
        Self { by_client: HashMap::new(), most_queued, taken: 0, queued: 0, resting: 0, last_turn: 0 }
    }

    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// How many flights wait, at rest or in the queue.
    pub(super) fn waiting(&self) -> usize {
        self.queued + self.resting
    }

    pub(super) fn take_place(&mut self, client: Option<Client>) {
        self.taken += 1;
        self.last_turn += 1;
        let share = self.by_client.entry(client).or_default();
        (share.taken, share.last_turn) = (share.taken + 1, self.last_turn);
    }

    pub(super) fn give_place_back(&mut self, client: Option<Client>) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(share) = self.by_client.get_mut(&client) {
            share.taken = share.taken.saturating_sub(1);
        }
        self.forget_if_idle(client);
    }

    pub(super) fn begin_rest(&mut self, client: Option<Client>) {
        self.resting += 1;
        self.by_client.entry(client).or_default().resting += 1;
    }

    pub(super) fn end_rest(&mut self, client: Option<Client>) {
        self.resting = self.resting.saturating_sub(1);
        if let Some(share) = self.by_client.get_mut(&client) {
            share.resting = share.resting.saturating_sub(1);
        }
        self.forget_if_idle(client);
    }

    pub(super) fn enqueue(&mut self, client: Option<Client>, waiting: Waiting) {
        self.queued += 1;
        self.by_client.entry(client).or_default().push(waiting);
    }

    /// Takes this flight out of the queue. `false` if it is not there.
    pub(super) fn withdraw(&mut self, client: Option<Client>, turn: &Arc<Turn>) -> bool {
        let is_withdrawn = self.by_client.get_mut(&client).is_some_and(|share| share.withdraw(turn));
        if is_withdrawn {
            self.queued -= 1;
            self.forget_if_idle(client);
        }
        is_withdrawn
    }

    /// Takes the first flight of this client out of the queue.
    pub(super) fn pop_first(&mut self, client: Option<Client>) -> Option<Waiting> {
        let waiting = self.by_client.get_mut(&client).and_then(Share::pop_first)?;
        self.queued -= 1;
        Some(waiting)
    }

    /// Puts a flight back that [`pop_first`](Self::pop_first) took.
    pub(super) fn put_back(&mut self, client: Option<Client>, waiting: Waiting) {
        self.queued += 1;
        self.by_client.entry(client).or_default().put_back(waiting);
    }

    pub(super) fn forget_if_idle(&mut self, client: Option<Client>) {
        if self.by_client.get(&client).is_some_and(Share::is_idle) {
            self.by_client.remove(&client);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0 && self.waiting() == 0 && self.by_client.is_empty()
    }
}

/// The rules that keep the shares fair.
impl Shares {
    /// Whether a place is free for this client. One client never gets the last ones.
    pub(super) fn may_take_place(&self, client: Option<Client>, places: &Places) -> bool {
        let mine = self.by_client.get(&client).map_or(0, |share| share.taken);
        self.has_place_for(client, mine, places)
    }

    fn has_place_for(&self, client: Option<Client>, mine: usize, places: &Places) -> bool {
        self.taken < places.count_for(client) && mine < places.count_of_one(client)
    }

    /// The client whose turn is next. Clients in `held_back` are left out. Clients with less than their share
    /// of the places come first. Among these it is one whose first key has a cached answer, and then the one
    /// whose latest turn is longest ago. If all have their share, it is the client with the fewest places.
    pub(super) fn next_client(
        &self,
        places: &Places,
        held_back: &[Option<Client>],
    ) -> Option<Option<Client>> {
        if self.queued == 0 {
            return None;
        }
        let fair = (places.count() / SHARE_OF_PLACES).max(1);
        let candidates = self.by_client.iter().filter(|(client, share)| {
            share.queued() > 0
                && self.has_place_for(**client, share.taken, places)
                && !held_back.contains(client)
        });
        let rank = |share: &Share| {
            let others_wait = self.queued > share.queued();
            let above = if others_wait && share.taken >= fair { share.taken } else { 0 };
            let (without_answer, number) = share.first().unwrap_or((true, u64::MAX));
            (above, without_answer, share.last_turn, number)
        };
        candidates.min_by_key(|(_, share)| rank(share)).map(|(client, _)| *client)
    }

    /// Whether this client has its full share of the queue, while others wait, too.
    pub(super) fn has_its_share_of_the_queue(&self, client: Option<Client>) -> bool {
        let mine = self.waiting_of(client);
        self.waiting() > mine && mine >= self.fair_share_of_the_queue()
    }

    /// Makes room in the queue for one more flight of this client, if it may have one. If the queue is full,
    /// the client that has the most makes room for one that has less than its share.
    pub(super) fn make_room(&mut self, client: Option<Client>) -> bool {
        if self.most_queued == 0 || self.has_its_share_of_the_queue(client) {
            return false;
        }
        if self.waiting() < self.most_queued {
            return true;
        }
        let (mine, fair) = (self.waiting_of(client), self.fair_share_of_the_queue());
        // A flight at rest has asked already, so it stays.
        let in_queue = self.by_client.iter_mut().filter(|(_, share)| share.queued() > 0);
        let Some((greediest, share)) = in_queue.max_by_key(|(_, share)| share.waiting()) else {
            return false;
        };
        if *greediest == client || share.waiting() <= fair || mine >= fair {
            return false;
        }
        if let Some(evicted) = share.pop_last() {
            self.queued -= 1;
            evicted.turn.decide(TurnState::Crowded);
        }
        true
    }

    pub(super) fn queued_of(&self, client: Option<Client>) -> usize {
        self.by_client.get(&client).map_or(0, Share::queued)
    }

    /// How many other clients have flights in the queue.
    pub(super) fn others_in_the_queue(&self, client: Option<Client>) -> usize {
        self.by_client.iter().filter(|(other, share)| **other != client && share.queued() > 0).count()
    }

    fn waiting_of(&self, client: Option<Client>) -> usize {
        self.by_client.get(&client).map_or(0, Share::waiting)
    }

    fn fair_share_of_the_queue(&self) -> usize {
        (self.most_queued / SHARE_OF_QUEUE).max(1)
    }
}
