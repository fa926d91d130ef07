//! The state that all connections of one emulator share.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    backends::BackendBoard,
    business::Business,
    counters::CounterBoard,
    door::DoorOrder,
    faults::{Endpoint, FaultPlan},
    key_faults::KeyFaults,
    link::Links,
    overload::ConcurrencyLimit,
    tls::Tls,
};

/// The settings from the builder.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// The id and the secret of a client whose tokens lack the scope.
    pub(crate) client_without_scope: Option<(String, String)>,
    pub(crate) audience: String,
    pub(crate) token_lifetime: Option<Duration>,
    pub(crate) authentication: bool,
}

/// The emulator's memory.
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) address: SocketAddr,
    pub(crate) business: Arc<Business>,
    pub(crate) key_faults: Mutex<KeyFaults>,
    pub(crate) counters: Arc<CounterBoard>,
    pub(crate) links: Arc<Links>,
    pub(crate) backends: BackendBoard,
    pub(crate) concurrency_limit: Mutex<Option<ConcurrencyLimit>>,
    /// `None`: the emulator speaks plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// Orders to the listening socket.
    pub(crate) door: mpsc::UnboundedSender<DoorOrder>,
    verify_faults: Mutex<FaultPlan>,
    token_faults: Mutex<FaultPlan>,
    key_set_faults: Mutex<FaultPlan>,
    api_key_faults: Mutex<FaultPlan>,
}

impl State {
    pub(crate) fn new(
        settings: Settings,
        address: SocketAddr,
        business: Arc<Business>,
        tls: Option<Tls>,
        door: mpsc::UnboundedSender<DoorOrder>,
    ) -> State {
        State {
            settings,
            address,
            business,
            key_faults: Mutex::default(),
            counters: Arc::default(),
            links: Arc::default(),
            backends: BackendBoard::default(),
            concurrency_limit: Mutex::default(),
            tls,
            door,
            verify_faults: Mutex::default(),
            token_faults: Mutex::default(),
            key_set_faults: Mutex::default(),
            api_key_faults: Mutex::default(),
        }
    }

    pub(crate) fn faults(&self, endpoint: Endpoint) -> &Mutex<FaultPlan> {
        match endpoint {
            Endpoint::Verify => &self.verify_faults,
            Endpoint::Token => &self.token_faults,
            Endpoint::KeySet => &self.key_set_faults,
            Endpoint::ApiKey => &self.api_key_faults,
        }
    }

    /// Sets all counters to 0.
    pub(crate) fn reset_counters(&self) {
        self.counters.reset();
        self.backends.reset_counters();
    }
}
