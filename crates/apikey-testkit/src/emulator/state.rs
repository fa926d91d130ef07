//! What all connections of one emulator share.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    backends::BackendBoard,
    counters::CounterBoard,
    door::DoorOrder,
    faults::{Endpoint, FaultPlan},
    key_faults::KeyFaults,
    keys::KeyStore,
    link::Links,
    overload::ConcurrencyLimit,
    tokens::TokenStore,
    verify::NegativeAnswer,
};

/// What the builder decided.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) audience: String,
    pub(crate) token_lifetime: Option<Duration>,
    pub(crate) authentication: bool,
}

/// The emulator's memory.
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) address: SocketAddr,
    pub(crate) keys: Mutex<KeyStore>,
    pub(crate) tokens: Mutex<TokenStore>,
    pub(crate) negative_answer: Mutex<NegativeAnswer>,
    /// Comes before `negative_answer` where no key has the secret.
    pub(crate) unknown_key_answer: Mutex<Option<NegativeAnswer>>,
    pub(crate) key_faults: Mutex<KeyFaults>,
    pub(crate) counters: Arc<CounterBoard>,
    pub(crate) links: Links,
    pub(crate) backends: BackendBoard,
    pub(crate) concurrency_limit: Mutex<Option<ConcurrencyLimit>>,
    /// Orders to the listening socket.
    pub(crate) door: mpsc::UnboundedSender<DoorOrder>,
    verify_faults: Mutex<FaultPlan>,
    token_faults: Mutex<FaultPlan>,
    scope_denied: AtomicBool,
}

impl State {
    pub(crate) fn new(
        settings: Settings,
        address: SocketAddr,
        door: mpsc::UnboundedSender<DoorOrder>,
    ) -> State {
        State {
            settings,
            address,
            keys: Mutex::default(),
            tokens: Mutex::default(),
            negative_answer: Mutex::default(),
            unknown_key_answer: Mutex::default(),
            key_faults: Mutex::default(),
            counters: Arc::default(),
            links: Links::default(),
            backends: BackendBoard::default(),
            concurrency_limit: Mutex::default(),
            door,
            verify_faults: Mutex::default(),
            token_faults: Mutex::default(),
            scope_denied: AtomicBool::new(false),
        }
    }

    pub(crate) fn faults(&self, endpoint: Endpoint) -> &Mutex<FaultPlan> {
        match endpoint {
            Endpoint::Verify => &self.verify_faults,
            Endpoint::Token => &self.token_faults,
        }
    }

    /// Starts all counting anew.
    pub(crate) fn reset_counters(&self) {
        self.counters.reset();
        self.backends.reset_counters();
    }

    pub(crate) fn set_scope_denied(&self, denied: bool) {
        self.scope_denied.store(denied, Ordering::SeqCst);
    }

    pub(crate) fn scope_denied(&self) -> bool {
        self.scope_denied.load(Ordering::SeqCst)
    }
}

/// Locks, whatever became of a panicking holder: no section leaves its data half changed.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
