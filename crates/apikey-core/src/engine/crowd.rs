//! The callers that wait for a flight of another caller. Their number is bounded, in all and for each client.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::client::Client;
use crate::tally::Tally;

/// While other clients wait, one client may have at most an eighth of the slots. Even alone, it never gets the
/// last eighth.
const SHARE: usize = 8;

pub(super) struct Crowd {
    most: usize,
    waiting: Arc<Mutex<Tally>>,
    freed: Arc<Notify>,
}

/// The slot of one caller in the crowd. It is given back when this is dropped.
pub(super) struct WaitingSlot {
    client: Option<Client>,
    waiting: Arc<Mutex<Tally>>,
    freed: Arc<Notify>,
    left: AtomicBool,
}

impl Crowd {
    /// `freed` is notified whenever a slot is given back.
    pub(super) fn new(most: usize, freed: Arc<Notify>) -> Self {
        Self { most, waiting: Arc::default(), freed }
    }

    /// A slot for one more caller of this client. `None` if the crowd, or the client's part of it, is full.
    pub(super) fn enter(&self, client: Option<Client>) -> Option<WaitingSlot> {
        let mut waiting = lock(&self.waiting);
        let mine = waiting.of(client);
        let share = (self.most / SHARE).max(1);
        let bound = if waiting.all() > mine { share } else { (self.most - self.most / SHARE).max(1) };
        if waiting.all() >= self.most || mine >= bound {
            return None;
        }
        waiting.add(client);
        drop(waiting);
        let (waiting, freed) = (Arc::clone(&self.waiting), Arc::clone(&self.freed));
        Some(WaitingSlot { client, waiting, freed, left: AtomicBool::new(false) })
    }

    /// How many callers wait.
    pub(super) fn len(&self) -> usize {
        lock(&self.waiting).all()
    }
}

impl WaitingSlot {
    /// Takes the slot again if it was given back. The bound does not count then.
    pub(super) fn enter(&self) {
        if self.left.swap(false, Ordering::Relaxed) {
            lock(&self.waiting).add(self.client);
        }
    }

    /// Gives the slot back.
    pub(super) fn leave(&self) {
        if !self.left.swap(true, Ordering::Relaxed) {
            lock(&self.waiting).take_off(self.client);
            self.freed.notify_waiters();
        }
    }
}

impl Drop for WaitingSlot {
    fn drop(&mut self) {
        self.leave();
    }
}

fn lock(waiting: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    fn client(number: u8) -> Option<Client> {
        Some(Client::of_address([192, 0, 2, number].into(), 56))
    }

    #[test]
    fn a_client_alone_has_seven_eighths_and_beside_others_one() {
        let crowd = Crowd::new(16, Arc::default());
        let alone: Vec<Option<WaitingSlot>> = (0..16).map(|_| crowd.enter(client(1))).collect();
        assert_eq!(alone.iter().flatten().count(), 14);
        let others: Vec<Option<WaitingSlot>> = (0..3).map(|_| crowd.enter(client(2))).collect();
        assert_eq!(others.iter().flatten().count(), 2, "an eighth of 16");
        assert!(crowd.enter(client(3)).is_none(), "it is full");
        drop(alone);
        assert_eq!(crowd.len(), 2);
        let again: Vec<Option<WaitingSlot>> = (0..3).map(|_| crowd.enter(client(1))).collect();
        assert_eq!(again.iter().flatten().count(), 2, "others wait, too");
        drop((others, again));
        assert_eq!(crowd.len(), 0);
        assert!(lock(&crowd.waiting).is_empty(), "clients that have left are forgotten");
    }

    #[test]
    fn the_smallest_crowd_is_one() {
        let crowd = Crowd::new(1, Arc::default());
        let one = crowd.enter(client(1)).unwrap();
        assert!(crowd.enter(client(1)).is_none() && crowd.enter(client(2)).is_none());
        one.leave();
        one.leave();
        let two = crowd.enter(client(2)).unwrap();
        assert_eq!(crowd.len(), 1, "the slot was given back once");
        two.enter();
        assert_eq!(crowd.len(), 1, "it had not left");
    }
}
