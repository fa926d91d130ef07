//! A reference server that an operator watches, with the Kinde emulator behind it.

use apikey_testkit::emulator::{Emulator, seed_keys};
use apikey_testkit::raw::{self, Connection};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use xtask::cargo::build;
use xtask::ports;
use xtask::running::Running;

/// The reference servers.
pub(crate) const SERVERS: [&str; 4] = ["example-axum", "example-actix", "example-rocket", "example-warp"];
/// Their binaries, built as `cargo xtask demo` builds them.
static BINARIES: LazyLock<Vec<(&str, PathBuf)>> =
    LazyLock::new(|| SERVERS.map(|package| (package, build(package, &[]).unwrap())).into());
/// The client that a proxy on this machine names.
pub(crate) const CLIENT: &str = "192.0.2.77";
/// How long the server may take to write or to count what it has decided.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) emulator: Emulator,
    pub(crate) api: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) running: Running,
}

impl Server {
    pub(crate) async fn start(package: &str, audit: &[(&'static str, String)]) -> Self {
        let binary = BINARIES.iter().find(|(known, _)| *known == package).map(|(_, binary)| binary);
        let emulator = Emulator::start().await.unwrap();
        seed_keys(&emulator);
        let (api, metrics) = (ports::prefer(0).unwrap(), ports::prefer(0).unwrap());
        let mut settings = emulator.environment();
        settings.push(("METRICS_LISTEN", metrics.to_string()));
        settings.push(("TRUSTED_PROXIES", "127.0.0.1".to_owned()));
        settings.extend(audit.iter().cloned());
        let mut running = Running::start(binary.unwrap(), api, settings).unwrap();
        running.ready(200).await.unwrap();
        Self { emulator, api, metrics, running }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::connect(self.api).await.unwrap()
    }

    /// The metrics once they are as this wants them, or at last.
    pub(crate) async fn metrics_when(&self, is_wanted: impl Fn(&Metrics) -> bool) -> Metrics {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let response = raw::exchange(self.metrics, &raw::get("/metrics", &[])).await.unwrap();
            let metrics = Metrics(response.body_text());
            if is_wanted(&metrics) || Instant::now() > deadline {
                return metrics;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A GET of the reference API with this key.
pub(crate) fn request(path: &str, key: Option<&str>) -> Vec<u8> {
    let authorization = key.map(|key| format!("Bearer {key}"));
    let mut headers = vec![("X-Forwarded-For", CLIENT), ("X-Request-Id", "request-1")];
    headers.extend(authorization.as_deref().map(|value| ("Authorization", value)));
    raw::get(path, &headers)
}

/// Prometheus' text.
pub(crate) struct Metrics(pub(crate) String);

impl Metrics {
    /// The sum over all series of this name whose labels contain this text.
    pub(crate) fn total(&self, name: &str, label: &str) -> u64 {
        let series = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        let matching = series.filter(|(series, _)| {
            let labels = series.strip_prefix(name);
            labels.is_some_and(|labels| {
                (labels.is_empty() || labels.starts_with('{')) && labels.contains(label)
            })
        });
        matching.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
    }

    /// How many events there were: with `AUDIT=all`, each is a line of the audit log.
    pub(crate) fn events(&self) -> u64 {
        let counters = [
            "apikey_decisions_total",
            "apikey_verification_duration_seconds_count",
            "apikey_breaker_changes_total",
            "apikey_token_renewals_total",
            "apikey_purges_total",
        ];
        counters.iter().map(|name| self.total(name, "")).sum()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.total("apikey_events_dropped_total", "")
    }
}
