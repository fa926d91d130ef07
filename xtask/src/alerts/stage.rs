//! A server, its emulator and its traffic.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apikey_testkit::emulator::Emulator;
use apikey_testkit::raw::{self, Connection, RawResponse};
use apikey_testkit::servers::StoreServer;
use tokio::task::JoinSet;

use super::traffic::Senders;
use crate::stores;
use xtask::ops::faults::{Command, Traffic};
use xtask::ports;
use xtask::running::Running;

/// The commands that end every fault.
const RESET: &[&str] = &[
    "DELETE faults/verify",
    "DELETE faults/token",
    "DELETE faults/keys",
    "DELETE unknown_key_answer",
    "DELETE concurrency_limit",
    "DELETE connections/close_at_use",
    "DELETE connections/close_idle",
    r#"PUT backends {"count": 1}"#,
];

/// A running server with its emulator.
pub(super) struct Stage {
    binary: PathBuf,
    settings: Vec<(String, String)>,
    listen: SocketAddr,
    /// `None` while it is stopped.
    server: Option<Running>,
    emulator: SocketAddr,
    /// The connection for commands. It stays open, because a fault may refuse new ones.
    control: Connection,
    /// The store of the server's fleet, if it has one. The server is its only instance.
    store: Option<StoreServer>,
    /// They hold the emulator. Dropping it ends it.
    senders: Arc<Senders>,
}

impl Stage {
    /// Starts both. The server serves its metrics at this address.
    pub(super) async fn start(
        binary: &Path,
        metrics: SocketAddr,
        settings: &BTreeMap<String, String>,
        has_store: bool,
    ) -> Result<Self, String> {
        let store = if has_store { Some(StoreServer::start(stores::any()?, &[])) } else { None };
        let emulator = Emulator::start().await.map_err(|error| format!("the emulator: {error}"))?;
        let emulator = Arc::new(emulator);
        let control = connect(emulator.address()).await?;
        let ordinary = [("TRUSTED_PROXIES", "127.0.0.1".to_owned()), ("METRICS_LISTEN", metrics.to_string())];
        let ordinary = emulator.environment().into_iter().chain(ordinary);
        let ordinary = ordinary.map(|(name, value)| (name.to_owned(), value));
        let own = settings.iter().map(|(name, value)| (name.clone(), value.clone()));
        let of_store = store.iter().map(|store| ("REDIS_URL".to_owned(), store.url()));
        let settings = ordinary.chain(own).chain(of_store).collect();
        let listen = ports::lasting()?;
        let address = emulator.address();
        let senders = Senders::new(listen, emulator);
        let binary = binary.to_owned();
        let mut stage =
            Self { binary, settings, listen, server: None, emulator: address, control, store, senders };
        stage.start_server(&BTreeMap::new()).await?;
        Ok(stage)
    }

    /// Starts the server, if it is stopped, with these settings beside its own.
    pub(super) async fn start_server(&mut self, more: &BTreeMap<String, String>) -> Result<(), String> {
        if self.server.is_none() {
            let mut settings = self.settings.clone();
            settings.extend(more.clone());
            let server = Running::start(&self.binary, self.listen, settings)?;
            self.server.insert(server).ready(200).await?;
        }
        Ok(())
    }

    /// Stops the server and waits until it is gone.
    pub(super) async fn stop_server(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Sends this traffic until the result is dropped.
    pub(super) fn send(&self, traffic: Traffic) -> JoinSet<()> {
        self.senders.send(traffic)
    }

    /// Lets somebody remove something by a webhook, until the result is dropped.
    pub(super) fn remove_by_webhook(&self) -> JoinSet<()> {
        self.senders.remove_by_webhook()
    }

    /// The user of the store lacks this permission from now on.
    pub(super) fn forbid(&self, permission: &str) -> Result<(), String> {
        self.change_user(&format!("-{permission}"))
    }

    fn change_user(&self, rule: &str) -> Result<(), String> {
        let Some(store) = &self.store else { return Ok(()) };
        let said = store.command(&["ACL", "SETUSER", "default", rule]);
        if said.text().as_deref() == Some("OK") { Ok(()) } else { Err(format!("the store says {said:?}")) }
    }

    /// How many answers there were with each status.
    pub(super) fn answers(&self) -> String {
        self.senders.answers()
    }

    /// Ends every fault of the emulator and of the store.
    pub(super) async fn reset(&mut self) -> Result<(), String> {
        for command in RESET {
            self.command(command).await?;
        }
        self.change_user("+@all")
    }

    /// Gives the emulator a command, as it is written in `ops/faults.toml`.
    pub(super) async fn command(&mut self, command: &str) -> Result<(), String> {
        let Command { method, path, body } = Command::read(command)?;
        let request = raw::request(method, &format!("/_emulator/{path}"), &[], body.as_bytes());
        let response = match self.exchange(&request).await {
            Ok(response) => response,
            // A fault may have closed the connection.
            Err(_) => {
                self.control = connect(self.emulator).await?;
                let answered = self.exchange(&request).await;
                answered.map_err(|error| format!("no answer from the emulator to '{command}': {error}"))?
            }
        };
        match response.status {
            200..300 => Ok(()),
            status => {
                Err(format!("the emulator answers '{command}' with {status}: {}", response.body_text()))
            }
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<RawResponse> {
        self.control.send(request).await?;
        self.control.read_response(false).await
    }
}

async fn connect(emulator: SocketAddr) -> Result<Connection, String> {
    Connection::connect(emulator).await.map_err(|error| format!("no connection to the emulator: {error}"))
}
