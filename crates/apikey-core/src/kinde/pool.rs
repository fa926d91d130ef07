//! The connections to Kinde that are used again, and what their silence proves.
//!
//! The pool is one client, which is replaced when it is old, and at once when a *reused* connection was silent or broke: a
//! NAT or a load balancer may have forgotten all of them, or the address may have moved. Calls under way finish on the old
//! client. A *new* connection that is silent proves nothing about the others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::time::Instant;

use super::client_factory::ClientFactory;
use super::dial::Dial;
use crate::key::Fingerprint;

/// A pool this old is replaced by the next call.
const LONGEST_USE: Duration = Duration::from_secs(20);
/// A call that was given up earlier says nothing about its connection.
const SILENCE: Duration = Duration::from_millis(100);

pub(super) struct Pool {
    factory: ClientFactory,
    current: Mutex<Generation>,
    /// The calls that wait for an answer, by what they ask about.
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

    /// Begins a call. `question` is the same for all calls about one key; `None` if it is about no key.
    pub(super) fn begin(&self, question: Option<Fingerprint>) -> Call<'_> {
        let is_old = |current: &Generation| current.made_at.elapsed() > LONGEST_USE;
        let (client, generation) = self.replace_if(is_old);
        let dial = Dial::default();
        let mut waiting = lock(&self.waiting);
        waiting.latest += 1;
        let number = waiting.latest;
        if let Some(question) = question {
            let waiter = Waiter { number, generation, dial: dial.clone() };
            waiting.calls.entry(question).or_default().push(waiter);
        }
        Call {
            pool: self,
            question,
            number,
            client,
            generation,
            dial,
            began: Instant::now(),
            is_waiting: true,
        }
    }

    /// Tells that a call about this was silent for so long that a second one begins.
    pub(super) fn was_silent(&self, question: Fingerprint) {
        let waiting = lock(&self.waiting);
        let on_reused =
            waiting.calls.get(&question).into_iter().flatten().filter(|call| call.dial.is_reused());
        let latest = on_reused.map(|call| call.generation).max();
        drop(waiting);
        if let Some(generation) = latest {
            self.replace(generation);
        }
    }

    fn replace(&self, generation: u64) {
        let _client = self.replace_if(|current| current.number == generation);
    }

    /// The client to use now, and its generation.
    fn replace_if(&self, is_over: impl Fn(&Generation) -> bool) -> (Client, u64) {
        let mut current = lock(&self.current);
        let mut replaced = None;
        // It was built before from the same settings. If it fails all the same, the earlier one is better than none.
        if is_over(&current)
            && let Ok(client) = self.factory.client()
        {
            let next = Generation { number: current.number + 1, client, made_at: Instant::now() };
            replaced = Some(std::mem::replace(&mut *current, next));
        }
        let now_used = (current.client.clone(), current.number);
        drop(current);
        // Closing its idle connections takes time that nobody should wait for.
        drop(replaced);
        now_used
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call through the pool, from its beginning until its answer has begun.
pub(super) struct Call<'p> {
    pool: &'p Pool,
    question: Option<Fingerprint>,
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

    /// The connection lives: an answer has begun.
    pub(super) fn answered(&mut self) {
        self.is_waiting = false;
        let Some(question) = self.question.take() else { return };
        let mut waiting = lock(&self.pool.waiting);
        if let Some(calls) = waiting.calls.get_mut(&question) {
            calls.retain(|call| call.number != self.number);
            if calls.is_empty() {
                waiting.calls.remove(&question);
            }
        }
    }

    /// The connection broke.
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
