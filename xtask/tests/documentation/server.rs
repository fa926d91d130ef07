//! A reference server with the Kinde emulator behind it.

use std::net::SocketAddr;

use apikey_testkit::emulator::{Emulator, seed_keys};
use xtask::cargo::build;
use xtask::ports;
use xtask::running::Running;

/// The reference servers.
pub(crate) const SERVERS: [&str; 4] = ["example-axum", "example-actix", "example-rocket", "example-warp"];

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) running: Running,
    pub(crate) emulator: Emulator,
}

impl Server {
    pub(crate) async fn start(package: &'static str) -> Self {
        let binary = tokio::task::spawn_blocking(move || build(package, &[])).await.unwrap().unwrap();
        let emulator = Emulator::start().await.unwrap();
        seed_keys(&emulator);
        let address = ports::prefer(0).unwrap();
        let mut running = Running::start(&binary, address, emulator.environment()).unwrap();
        running.ready(200).await.unwrap();
        Self { address, running, emulator }
    }
}
