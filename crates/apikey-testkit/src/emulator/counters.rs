//! Exact counts of what the emulator received.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use rustls::HandshakeKind;
use serde::Serialize;
use tokio::{sync::watch, time::Instant};

use super::lock::locked;

/// What the emulator received since its start or the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Calls to `POST /oauth2/token`. A call counts once the emulator has its whole request.
    pub token_calls: u64,
    /// Calls to `POST /api/v1/api_keys/verify`. A call counts once the emulator has its whole request.
    pub verify_calls: u64,
    /// Calls to `GET /.well-known/jwks`.
    pub key_set_calls: u64,
    /// Calls to `GET /api/v1/api_keys/{key_id}`.
    pub api_key_calls: u64,
    /// Accepted connections.
    pub connections: u64,
    /// Verify calls that the emulator has received and not answered yet. A call that the client gave up does not
    /// count.
    pub verifications_in_flight: u64,
    /// The most verify calls that were in flight at the same time.
    pub most_verifications_in_flight: u64,
    /// Verify calls that have a slot under [`Emulator::limit_concurrency`](super::Emulator::limit_concurrency).
    pub in_service: u64,
    /// The most verify calls that had a slot at the same time.
    pub most_in_service: u64,
    /// Verify calls that got a 429 because all slots were taken.
    pub overload_answers: u64,
    /// Successful full TLS handshakes.
    pub tls_handshakes: u64,
    /// TLS handshakes that resumed an earlier session.
    pub tls_resumptions: u64,
    /// Failed TLS handshakes, also those in which the client rejected the certificate.
    pub tls_failures: u64,
    /// Connections that speak HTTP/2.
    pub http2_connections: u64,
}

/// How many arrival times of calls are kept.
const MOST_MOMENTS: usize = 100_000;

/// Holds the counters. Every change is one step, and tests can wait for it.
#[derive(Default)]
pub(crate) struct CounterBoard {
    counters: watch::Sender<Counters>,
    by_secret: Mutex<HashMap<String, u64>>,
    moments: Mutex<VecDeque<Instant>>,
    alpn_offers: Mutex<BTreeMap<String, u64>>,
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
        // A new map, because a cleared one would keep the memory of a flood.
        *locked(&self.by_secret) = HashMap::new();
        *locked(&self.moments) = VecDeque::new();
        locked(&self.alpn_offers).clear();
        self.counters.send_modify(|counters| {
            let Counters { verifications_in_flight, in_service, .. } = *counters;
            *counters = Counters {
                verifications_in_flight,
                most_verifications_in_flight: verifications_in_flight,
                in_service,
                most_in_service: in_service,
                ..Counters::default()
            };
        });
    }

    pub(crate) fn verify_call_moments(&self) -> Vec<Instant> {
        locked(&self.moments).iter().copied().collect()
    }

    /// Takes a slot, unless `most` are taken; then it counts an overload answer.
    pub(crate) fn enter_service(self: &Arc<Self>, most: u64) -> Option<InService> {
        let mut entered = false;
        self.counters.send_modify(|counters| {
            entered = counters.in_service < most;
            if entered {
                counters.in_service += 1;
                counters.most_in_service = counters.most_in_service.max(counters.in_service);
            } else {
                counters.overload_answers += 1;
            }
        });
        entered.then(|| InService { board: self.clone() })
    }

    pub(crate) fn connection_accepted(&self) {
        self.counters.send_modify(|counters| counters.connections += 1);
    }

    pub(crate) fn alpn_offered(&self, offer: String) {
        *locked(&self.alpn_offers).entry(offer).or_default() += 1;
    }

    pub(crate) fn alpn_offers(&self) -> BTreeMap<String, u64> {
        locked(&self.alpn_offers).clone()
    }

    /// `None`: the handshake failed.
    pub(crate) fn handshake_ended(&self, kind: Option<HandshakeKind>) {
        self.counters.send_modify(|counters| {
            *match kind {
                None => &mut counters.tls_failures,
                Some(HandshakeKind::Resumed) => &mut counters.tls_resumptions,
                Some(_) => &mut counters.tls_handshakes,
            } += 1;
        });
    }

    pub(crate) fn http2_agreed(&self) {
        self.counters.send_modify(|counters| counters.http2_connections += 1);
    }

    pub(crate) fn token_call_received(&self) {
        self.counters.send_modify(|counters| counters.token_calls += 1);
    }

    pub(crate) fn key_set_call_received(&self) {
        self.counters.send_modify(|counters| counters.key_set_calls += 1);
    }

    pub(crate) fn api_key_call_received(&self) {
        self.counters.send_modify(|counters| counters.api_key_calls += 1);
    }

    pub(crate) fn verify_call_received(self: &Arc<Self>, secret: Option<&str>) -> InFlight {
        if let Some(secret) = secret {
            *locked(&self.by_secret).entry(secret.to_owned()).or_default() += 1;
        }
        let mut moments = locked(&self.moments);
        if moments.len() == MOST_MOMENTS {
            moments.pop_front();
        }
        moments.push_back(Instant::now());
        drop(moments);
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
/// It is dropped just before the socket gets the last byte of the answer, so that a client with its answer never
/// finds its own verification still in flight.
pub(crate) struct InFlight {
    board: Arc<CounterBoard>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.board.counters.send_modify(|counters| counters.verifications_in_flight -= 1);
    }
}

/// A verification that has a slot, for as long as this lives.
pub(crate) struct InService {
    board: Arc<CounterBoard>,
}

impl Drop for InService {
    fn drop(&mut self) {
        self.board.counters.send_modify(|counters| counters.in_service -= 1);
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

    #[test]
    fn only_the_last_moments_are_remembered() {
        let board = Arc::new(CounterBoard::default());
        let start = Instant::now();
        for _ in 0..=MOST_MOMENTS {
            drop(board.verify_call_received(None));
        }
        let moments = board.verify_call_moments();
        assert!(moments.len() == MOST_MOMENTS && moments.is_sorted() && moments[0] >= start);
        board.reset();
        assert!(board.verify_call_moments().is_empty());
    }

    #[test]
    fn a_place_that_is_given_back_can_be_taken_again() {
        let board = Arc::new(CounterBoard::default());
        let places = [board.enter_service(2), board.enter_service(2), board.enter_service(2)];
        assert_eq!(places.each_ref().map(Option::is_some), [true, true, false]);
        board.reset();
        assert_eq!((board.snapshot().in_service, board.snapshot().most_in_service), (2, 2));
        drop(places);
        assert!(board.enter_service(1).is_some());
        let counters = board.snapshot();
        assert_eq!((counters.in_service, counters.most_in_service, counters.overload_answers), (0, 2, 0));
    }
}
