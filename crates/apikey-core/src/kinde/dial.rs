//! Tells whether a request went out on a new connection.
//!
//! A *dial* is an attempt of the HTTP client to make a connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    /// The dial of the request that this task sends.
    static DIALING: Dial;
}

/// Whether a request dialed. Without a dial, it went out on a connection that was open already. The same is true if such a
/// connection came free while it dialed: then the client finishes the dial in another task.
#[derive(Debug, Clone, Default)]
pub(super) struct Dial(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The number of the latest dial. There are several if a request fails on one connection and is sent on another.
    number: u32,
    /// Whether the request still waits for the latest dial, or went out on its connection.
    is_for_the_request: bool,
}

impl Dial {
    /// Sends a request and records whether it dials.
    pub(super) async fn watch<F: Future>(self, request: F) -> F::Output {
        DIALING.scope(self, request).await
    }

    pub(super) fn is_reused(&self) -> bool {
        !self.lock().is_for_the_request
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a dial began, and returns its number.
    fn begin(&self) -> u32 {
        let mut state = self.lock();
        state.number += 1;
        state.is_for_the_request = true;
        state.number
    }

    fn is_of_this_task(&self) -> bool {
        DIALING.try_with(|dial| Arc::ptr_eq(&dial.0, &self.0)).unwrap_or_default()
    }

    /// Records that the request no longer waits for this dial.
    fn goes_on_alone(&self, number: u32) {
        let mut state = self.lock();
        if state.number == number {
            state.is_for_the_request = false;
        }
    }
}

/// Records dials.
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

/// A dial. If another connection comes free first, the client moves this to a task of its own.
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
