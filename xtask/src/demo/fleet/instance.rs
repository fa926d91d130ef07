//! One server of the fleet.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use apikey_testkit::raw::{self, RawResponse};
use tokio::time::{Instant, sleep};
use xtask::ports;
use xtask::running::Running;

/// How long an instance may take until it is linked.
const LINK_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Instance {
    pub(super) framework: &'static str,
    server: Running,
    metrics: SocketAddr,
}

impl Instance {
    pub(super) fn start(
        framework: &'static str,
        path: &Path,
        mut settings: Vec<(&'static str, String)>,
    ) -> Result<Self, String> {
        let (listen, metrics) = (ports::lasting()?, ports::lasting()?);
        settings.push(("METRICS_LISTEN", metrics.to_string()));
        Ok(Self { framework, server: Running::start(path, listen, settings)?, metrics })
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    pub(super) fn metrics_url(&self) -> String {
        format!("http://{}", self.metrics)
    }

    pub(super) async fn ready(&mut self) -> Result<(), String> {
        self.server.ready(200).await
    }

    /// Sends a request with this key.
    pub(super) async fn ask(&mut self, secret: &str, client: &str) -> Result<RawResponse, String> {
        let authorization = format!("Bearer {secret}");
        let headers = [("Authorization", authorization.as_str()), ("X-Forwarded-For", client)];
        self.server.exchange(&raw::get("/api/me", &headers)).await
    }

    /// Hands over an event of Kinde's.
    pub(super) async fn deliver(&mut self, event: &str) -> Result<RawResponse, String> {
        let headers = [("Content-Type", "application/jwt")];
        self.server.exchange(&raw::request("POST", "/kinde/webhook", &headers, event.as_bytes())).await
    }

    /// Waits until it is linked to the fleet, or is no longer.
    pub(super) async fn is_linked_becomes(&self, is_linked: bool) -> Result<(), String> {
        let deadline = Instant::now() + LINK_LIMIT;
        let wanted = format!("\napikey_fleet_linked {}\n", u8::from(is_linked));
        while Instant::now() < deadline {
            if let Ok(metrics) = raw::exchange(self.metrics, &raw::get("/metrics", &[])).await
                && String::from_utf8_lossy(&metrics.body).contains(&wanted)
            {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        let seconds = LINK_LIMIT.as_secs();
        Err(format!("{} does not say `{}` within {seconds} s", self.framework, wanted.trim()))
    }

    pub(super) async fn stop(self) {
        self.server.stop().await;
    }
}
