//! `cargo xtask demo --fleet`: three reference servers that share one Redis, and what they do as one.

mod acts;
mod instance;

use std::process::ExitCode;

use apikey_testkit::emulator::{Emulator, SeededKey, seed_keys};
use apikey_testkit::servers::StoreServer;

use super::show::Screen;
use super::start_emulator;
use crate::interrupt::interrupted;
use crate::servers::SERVERS;
use crate::stores;
use instance::Instance;

/// How many servers share the store.
const INSTANCES: usize = 3;
/// How many refused keys a client may try in the fleet.
const ATTEMPTS: u64 = 6;
/// It protects nothing, because the demo's store listens only on a loopback address.
const SHARED_SECRET: &str = "b2ZhZGVtb25zdHJhdGlvbnRoYXRwcm90ZWN0c25vdGhpbmc=";

/// Everything that the demo starts.
struct Fleet {
    emulator: Emulator,
    keys: Vec<SeededKey>,
    store: StoreServer,
    instances: Vec<Instance>,
}

/// Shows the fleet. With `once` it ends after that.
pub(super) fn run(once: bool) -> Result<ExitCode, String> {
    let product = stores::any()?;
    let servers = &SERVERS[..INSTANCES];
    let paths = servers.iter().map(|server| server.build()).collect::<Result<Vec<_>, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the asynchronous runtime: {error}"))?;
    runtime.block_on(async {
        let screen = Screen::new();
        let emulator = start_emulator(&screen).await?;
        let keys = seed_keys(&emulator);
        let store = StoreServer::start(product, &[]);
        let mut instances = Vec::new();
        for (server, path) in servers.iter().zip(&paths) {
            instances.push(Instance::start(server.framework, path, settings(&emulator, &store))?);
        }
        let mut fleet = Fleet { emulator, keys, store, instances };
        screen.note(&format!("{} listens on {}.", product.name(), fleet.store.url()));
        let ended = tokio::select! {
            // In a terminal, Ctrl-C ends the servers as well.
            biased;
            () = interrupted() => Err("a signal ended the demo before its last step".to_owned()),
            ended = fleet.show(&screen) => ended,
        };
        if let (Ok(found), false) = (&ended, once) {
            screen.verdict(found);
            fleet.serve(&screen).await;
        } else if let Ok(found) = &ended {
            screen.verdict(found);
        }
        for instance in fleet.instances {
            instance.stop().await;
        }
        Ok(if ended?.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn settings(emulator: &Emulator, store: &StoreServer) -> Vec<(&'static str, String)> {
    let mut settings = emulator.environment();
    settings.extend([
        ("REDIS_URL", store.url()),
        ("APIKEY_SHARED_SECRET", SHARED_SECRET.to_owned()),
        ("APIKEY_ATTEMPTS", ATTEMPTS.to_string()),
        // The demo pretends to be several clients.
        ("TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("KINDE_WEBHOOKS", "on".to_owned()),
    ]);
    settings
}

impl Fleet {
    /// Serves until a signal comes.
    async fn serve(&self, screen: &Screen) {
        let mut text =
            String::from("\nTry it: the first request with a key asks Kinde, and the other servers know.\n");
        for instance in &self.instances {
            text +=
                &format!("  curl -i {}/api/data -H 'Authorization: Bearer k_live_reader'\n", instance.url());
        }
        for instance in &self.instances {
            text += &format!("  curl -s {}/metrics | grep fleet\n", instance.metrics_url());
        }
        screen.note(&(text + "\nServing. Ctrl-C ends it."));
        interrupted().await;
    }
}
