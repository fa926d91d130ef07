//! Exact counts of what reached the emulator.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde::Serialize;
use tokio::sync::watch;

use super::state::locked;

/// What reached the emulator since it started or was reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Calls to `POST /oauth2/token`, counted when the whole request has been received.
    pub token_calls: u64,
    /// Calls to `POST /api/v1/api_keys/verify`, counted when the whole request has been received.
    pub verify_calls: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Verify calls that were received and neither answered yet nor given up by their client.
    pub verifications_in_flight: u64,
    /// The most verify calls that were in flight at the same time.
    pub most_verifications_in_flight: u64,
}

/// Holds the counters; every change is one step, and can be waited for.
#[derive(Default)]
pub(crate) struct CounterBoard {
    counters: watch::Sender<Counters>,
    by_secret: Mutex<HashMap<String, u64>>,
}

impl CounterBoard {
    pub(crate) fn snapshot(&self) -> Counters {
        *self.counters.borrow()
    }

    pub(crate) async fn wait_until(&self, condition: impl FnMut(&Counters) -> bool) -> Counters {
        let mut receiver = self.counters.subscribe();
        let reached = receiver.wait_for(condition).await;
        *reached.expect("the sender is borrowed, so it is still there")
    }

    pub(crate) fn verify_calls_for(&self, secret: &str) -> u64 {
        locked(&self.by_secret).get(secret).copied().unwrap_or_default()
    }

    pub(crate) fn reset(&self) {
        // A new one, for an emptied one would keep the memory of a flood.
        *locked(&self.by_secret) = HashMap::new();
        self.counters.send_modify(|counters| {
            let in_flight = counters.verifications_in_flight;
            *counters = Counters {
                verifications_in_flight: in_flight,
                most_verifications_in_flight: in_flight,
                ..Counters::default()
            };
        });
    }

    pub(crate) fn connection_accepted(&self) {
        self.counters.send_modify(|counters| counters.connections += 1);
    }

    pub(crate) fn token_call_received(&self) {
        self.counters.send_modify(|counters| counters.token_calls += 1);
    }

    pub(crate) fn verify_call_received(self: &Arc<Self>, secret: Option<&str>) -> InFlight {
        if let Some(secret) = secret {
            *locked(&self.by_secret).entry(secret.to_owned()).or_default() += 1;
        }
        self.counters.send_modify(|counters| {
            counters.verify_calls += 1;
            counters.verifications_in_flight += 1;
            counters.most_verifications_in_flight =
                counters.most_verifications_in_flight.max(counters.verifications_in_flight);
        });
        InFlight { board: self.clone() }
    }
}

/// A verification in flight, for as long as this lives.
///
/// It is dropped just before the last byte of the answer is handed to the socket: a client that has its answer never
/// finds its own verification still in flight.
pub(crate) struct InFlight {
    board: Arc<CounterBoard>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.board.counters.send_modify(|counters| counters.verifications_in_flight -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_outlives_the_flights() {
        let board = Arc::new(CounterBoard::default());
        let first = board.verify_call_received(Some("a"));
        let second = board.verify_call_received(Some("a"));
        drop((first, second));
        drop(board.verify_call_received(None));
        let counters = board.snapshot();
        assert_eq!(counters.most_verifications_in_flight, 2);
        assert_eq!(counters.verifications_in_flight, 0);
        assert_eq!((counters.verify_calls, board.verify_calls_for("a")), (3, 2));
    }

    #[test]
    fn a_reset_keeps_what_is_in_flight() {
        let board = Arc::new(CounterBoard::default());
        let flight = board.verify_call_received(Some("a"));
        board.reset();
        let counters = board.snapshot();
        assert_eq!((counters.verify_calls, counters.verifications_in_flight), (0, 1));
        assert_eq!((counters.most_verifications_in_flight, board.verify_calls_for("a")), (1, 0));
        drop(flight);
        assert_eq!(board.snapshot().verifications_in_flight, 0);
    }
}
