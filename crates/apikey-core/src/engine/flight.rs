//! Verifications under way: at most one per key, whoever waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::{Engine, Outcome};
use crate::denial::ServerFault;
use crate::key::{Fingerprint, FingerprintHashing};

type Receiver = watch::Receiver<Option<Outcome>>;

/// The flights, by key. Its lock also orders what is stored in the cache against what is purged from it.
#[derive(Default)]
pub(super) struct Flights(Mutex<Table>);

#[derive(Default)]
pub(super) struct Table {
    by_key: HashMap<Fingerprint, Entry, FingerprintHashing>,
    last_id: u64,
}

struct Entry {
    id: u64,
    receiver: Receiver,
}

impl Flights {
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock runs code that could leave the table half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The flight of this key that is under way, if one is.
    pub(super) fn join(&self, fingerprint: &Fingerprint) -> Option<Waiter> {
        self.by_key.get(fingerprint).map(|entry| Waiter(entry.receiver.clone()))
    }

    pub(super) fn start(
        &mut self,
        engine: Arc<Engine>,
        fingerprint: Fingerprint,
        now: Instant,
    ) -> (Flight, Waiter) {
        let (sender, receiver) = watch::channel(None);
        self.last_id += 1;
        let id = self.last_id;
        self.by_key.insert(fingerprint, Entry { id, receiver: receiver.clone() });
        let flight = Flight { engine, fingerprint, id, asked_at: now, sender, landed: false };
        (flight, Waiter(receiver))
    }

    /// Ends a flight. `false` where it had been disowned by a purge: its answer must not be kept.
    pub(super) fn end(&mut self, flight: &Flight) -> bool {
        let owned = self.by_key.get(&flight.fingerprint).is_some_and(|entry| entry.id == flight.id);
        if owned {
            self.by_key.remove(&flight.fingerprint);
        }
        owned
    }

    /// Disowns the flight of a key: who waits for it still gets its answer, nobody else does.
    pub(super) fn disown(&mut self, fingerprint: &Fingerprint) {
        self.by_key.remove(fingerprint);
    }

    pub(super) fn disown_all(&mut self) {
        self.by_key.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}

/// The duty to verify one key. Exactly one outcome reaches everyone who waits, even if the verifier panics or its
/// task is aborted.
pub(crate) struct Flight {
    engine: Arc<Engine>,
    pub(super) fingerprint: Fingerprint,
    id: u64,
    pub(super) asked_at: Instant,
    sender: watch::Sender<Option<Outcome>>,
    landed: bool,
}

impl Flight {
    /// Hands in the outcome.
    pub(crate) fn land(mut self, outcome: Outcome) {
        self.publish(outcome);
    }

    fn publish(&mut self, outcome: Outcome) {
        self.landed = true;
        self.engine.settle(self, &outcome);
        self.sender.send_replace(Some(outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        // A panic is a bug of the verifier's; otherwise the runtime that carried the flight is shutting down.
        let fault = if std::thread::panicking() {
            tracing::error!("the verifier panicked; the key was not judged");
            ServerFault::Internal
        } else {
            ServerFault::Unavailable
        };
        self.publish(Err(fault));
    }
}

/// A place in the crowd that waits for a flight.
#[derive(Clone)]
pub(crate) struct Waiter(Receiver);

impl Waiter {
    pub(crate) async fn outcome(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(ServerFault::Unavailable)),
            // Unreachable while flights publish when dropped; closed is still not "invalid".
            Err(_closed) => Err(ServerFault::Unavailable),
        }
    }
}
