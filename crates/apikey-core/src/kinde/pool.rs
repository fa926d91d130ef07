//! The pool of connections to Kinde, and when it is replaced.
//!
//! The pool is one HTTP client. A new client takes its place when it is old, and at once when a *reused* connection breaks
//! or gives no response: a NAT or a load balancer may have forgotten all connections, or the address may have moved. Calls
//! that are under way finish on the old client. A *new* connection without a response says nothing about the others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::time::Instant;

use super::client_factory::ClientFactory;
use super::dial::Dial;
use crate::key::Fingerprint;

/// A call replaces a client that is older than this.
const LONGEST_USE: Duration = Duration::from_secs(20);
/// A call that is cancelled sooner than this says nothing about its connection.
const SILENCE: Duration = Duration::from_millis(100);

pub(super) struct Pool {
    factory: ClientFactory,
    current: Mutex<Generation>,
    /// The calls that wait for a response, by the key that they ask about.
    waiting: Mutex<Waiting>,
}

struct Generation {
    number: u64,
    client: Client,
    made_at: Instant,
}

#[derive(Default)]
struct Waiting {
    calls: HashMap<Fingerprint, Vec<Waiter>>,
    latest: u64,
}

struct Waiter {
    number: u64,
    generation: u64,
    dial: Dial,
}

impl Pool {
    pub(super) fn new(factory: ClientFactory) -> Result<Self, reqwest::Error> {
        let current = Generation { number: 0, client: factory.client()?, made_at: Instant::now() };
        Ok(Self { factory, current: Mutex::new(current), waiting: Mutex::default() })
    }

    /// Begins a call about this key; `None` if it is about no key.
    pub(super) fn begin(&self, key: Option<Fingerprint>) -> Call<'_> {
        let is_old = |current: &Generation| current.made_at.elapsed() > LONGEST_USE;
        let (client, generation) = self.replace_if(is_old);
        let dial = Dial::default();
        let mut waiting = lock(&self.waiting);
        waiting.latest += 1;
        let number = waiting.latest;
        if let Some(key) = key {
            let waiter = Waiter { number, generation, dial: dial.clone() };
            waiting.calls.entry(key).or_default().push(waiter);
        }
        Call { pool: self, key, number, client, generation, dial, began: Instant::now(), is_waiting: true }
    }

    /// Says that a call about this key has had no response for so long that a second one starts.
    pub(super) fn was_silent(&self, key: Fingerprint) {
        let waiting = lock(&self.waiting);
        let on_reused = waiting.calls.get(&key).into_iter().flatten().filter(|call| call.dial.is_reused());
        let latest = on_reused.map(|call| call.generation).max();
        drop(waiting);
        if let Some(generation) = latest {
            self.replace(generation);
        }
    }

    fn replace(&self, generation: u64) {
        let _client = self.replace_if(|current| current.number == generation);
    }

    /// Returns the client to use now, and its generation.
    fn replace_if(&self, is_over: impl Fn(&Generation) -> bool) -> (Client, u64) {
        let mut current = lock(&self.current);
        let mut replaced = None;
        // If a new client can't be built now, keep the old one.
        if is_over(&current) {
            if let Ok(client) = self.factory.client() {
                let next = Generation { number: current.number + 1, client, made_at: Instant::now() };
                replaced = Some(std::mem::replace(&mut *current, next));
            }
        }
        let now_used = (current.client.clone(), current.number);
        drop(current);
        // Closing idle connections takes time, so the lock is released first.
        drop(replaced);
        now_used
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call through the pool, until its response begins.
pub(super) struct Call<'p> {
    pool: &'p Pool,
    key: Option<Fingerprint>,
    number: u64,
    client: Client,
    generation: u64,
    dial: Dial,
    began: Instant,
    is_waiting: bool,
}

impl Call<'_> {
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn dial(&self) -> Dial {
        self.dial.clone()
    }

    /// Records that the response began, which proves that the connection works.
    pub(super) fn answered(&mut self) {
        self.is_waiting = false;
        let Some(key) = self.key.take() else { return };
        let mut waiting = lock(&self.pool.waiting);
        if let Some(calls) = waiting.calls.get_mut(&key) {
            calls.retain(|call| call.number != self.number);
            if calls.is_empty() {
                waiting.calls.remove(&key);
            }
        }
    }

    /// Records that the connection broke.
    pub(super) fn broke(&mut self) {
        self.answered();
        if self.dial.is_reused() {
            self.pool.replace(self.generation);
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let was_silent = self.is_waiting && self.began.elapsed() >= SILENCE;
        self.answered();
        if was_silent && self.dial.is_reused() {
            self.pool.replace(self.generation);
        }
    }
}
