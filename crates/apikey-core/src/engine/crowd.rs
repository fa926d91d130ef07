//! The callers who wait for another caller's verification of the same key: bounded in all, and for each client.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client_addr::Client;

/// The part of the crowd that one client may be while others wait, too; and the part that it never gets.
const SHARE: usize = 8;

pub(super) struct Crowd {
    most: usize,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    all: usize,
    by_client: HashMap<Option<Client>, usize>,
}

/// One who waits.
pub(super) struct Place {
    client: Option<Client>,
    waiting: Arc<Mutex<Waiting>>,
    left: AtomicBool,
}

impl Crowd {
    pub(super) fn new(most: usize) -> Self {
        Self { most, waiting: Arc::default() }
    }

    /// A place for one more caller of this client; `None` if there is none.
    pub(super) fn enter(&self, client: Option<Client>) -> Option<Place> {
        let mut waiting = lock(&self.waiting);
        let mine = waiting.by_client.get(&client).copied().unwrap_or_default();
        let share = (self.most / SHARE).max(1);
        let bound = if waiting.all > mine { share } else { (self.most - self.most / SHARE).max(1) };
        if waiting.all >= self.most || mine >= bound {
            return None;
        }
        waiting.enter(client);
        drop(waiting);
        Some(Place { client, waiting: Arc::clone(&self.waiting), left: AtomicBool::new(false) })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.waiting).all
    }
}

impl Waiting {
    fn enter(&mut self, client: Option<Client>) {
        self.all += 1;
        *self.by_client.entry(client).or_default() += 1;
    }

    fn leave(&mut self, client: Option<Client>) {
        self.all = self.all.saturating_sub(1);
        if let Some(mine) = self.by_client.get_mut(&client) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                self.by_client.remove(&client);
            }
        }
    }
}

impl Place {
    pub(super) fn enter(&self) {
        if self.left.swap(false, Ordering::Relaxed) {
            lock(&self.waiting).enter(self.client);
        }
    }

    pub(super) fn leave(&self) {
        if !self.left.swap(true, Ordering::Relaxed) {
            lock(&self.waiting).leave(self.client);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
