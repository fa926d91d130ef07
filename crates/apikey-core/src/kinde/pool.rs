//! The connections to Kinde that are used again, and what their silence proves.
//!
//! The pool is one client, which is replaced when it is old, and at once when a *reused* connection was silent or broke: a
//! NAT or a load balancer may have forgotten all of them, or the address may have moved. Calls under way finish on the old
//! client. A *new* connection that is silent proves nothing about the others.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::Client;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::http::Blueprint;
use crate::key::Fingerprint;

/// A pool this old is replaced by the next call.
const LONGEST_USE: Duration = Duration::from_secs(20);
/// A call that was given up earlier says nothing about its connection.
const SILENCE: Duration = Duration::from_millis(100);

pub(super) struct Pool {
    blueprint: Blueprint,
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
    pub(super) fn new(blueprint: Blueprint) -> Result<Self, reqwest::Error> {
        let current = Generation { number: 0, client: blueprint.client()?, made_at: Instant::now() };
        Ok(Self { blueprint, current: Mutex::new(current), waiting: Mutex::default() })
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
            && let Ok(client) = self.blueprint.client()
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

tokio::task_local! {
    /// The dial of the request that this task sends.
    static DIALING: Dial;
}

/// Whether a new connection was made for a request. A request without a dial went out on a connection that was there; so
/// did one that got such a connection while it dialed: then the dial goes on without it.
#[derive(Debug, Clone, Default)]
pub(super) struct Dial(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Of the latest dial: a request that could not be sent on one connection is sent on another.
    number: u32,
    is_for_the_request: bool,
}

impl Dial {
    /// Polls a request, and notes whether it dials.
    pub(super) async fn watch<F: Future>(self, request: F) -> F::Output {
        DIALING.scope(self, request).await
    }

    fn is_reused(&self) -> bool {
        !lock(&self.0).is_for_the_request
    }

    fn begin(&self) -> u32 {
        let mut state = lock(&self.0);
        state.number += 1;
        state.is_for_the_request = true;
        state.number
    }

    fn is_of_this_task(&self) -> bool {
        DIALING.try_with(|dial| Arc::ptr_eq(&dial.0, &self.0)).unwrap_or_default()
    }

    fn goes_on_alone(&self, number: u32) {
        let mut state = lock(&self.0);
        if state.number == number {
            state.is_for_the_request = false;
        }
    }
}

/// Notes dials.
#[derive(Debug, Clone)]
pub(super) struct WatchDials;

impl<S> Layer<S> for WatchDials {
    type Service = WatchedConnector<S>;

    fn layer(&self, connector: S) -> Self::Service {
        WatchedConnector(connector)
    }
}

#[derive(Debug, Clone)]
pub(super) struct WatchedConnector<S>(S);

impl<S, R> Service<R> for WatchedConnector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = WatchedDial<Pin<Box<S::Future>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let dial = DIALING.try_with(|dial| (dial.clone(), dial.begin())).ok();
        WatchedDial { connecting: Box::pin(self.0.call(destination)), dial }
    }
}

/// A connection that is being made. If another connection was free first, the client moves this to a task of its own.
pub(super) struct WatchedDial<F> {
    connecting: F,
    dial: Option<(Dial, u32)>,
}

impl<F: Future + Unpin> Future for WatchedDial<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some((dial, number)) = self.dial.take_if(|(dial, _)| !dial.is_of_this_task()) {
            dial.goes_on_alone(number);
        }
        Pin::new(&mut self.connecting).poll(context)
    }
}

#[cfg(test)]
mod tests;
