//! Makes the HTTP clients that talk to Kinde.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Client;

use super::config::CheckedSettings;
use super::dial::WatchDials;
use super::proxy::ProxySetting;
use super::tls;
use crate::config_error::ConfigError;

/// Idle connections are closed after this time. Load balancers close them later.
const IDLE: Duration = Duration::from_secs(15);

/// Makes HTTP clients that differ only in their connections.
#[derive(Clone)]
pub(super) struct ClientFactory {
    tls: rustls::ClientConfig,
    connect_timeout: Duration,
    /// Whether the client uses the proxy that the environment names.
    uses_environment: bool,
    proxy: Option<reqwest::Proxy>,
    host: String,
    /// The addresses of the host; empty if DNS is asked.
    addresses: Vec<SocketAddr>,
    most_idle: usize,
}

impl ClientFactory {
    /// # Errors
    /// [`ConfigError`] if TLS or the proxy can't be set up.
    pub(super) fn new(settings: &CheckedSettings) -> Result<Self, ConfigError> {
        let needs_tls = settings.verify_url.scheme() == "https" || settings.proxy.is_https();
        Ok(Self {
            tls: tls::settings(needs_tls, &settings.root_certificates)?,
            connect_timeout: settings.connect_timeout,
            uses_environment: matches!(settings.proxy, ProxySetting::Environment),
            proxy: settings.proxy.for_client()?,
            host: settings.verify_url.host_str().unwrap_or_default().to_owned(),
            addresses: settings.addresses.clone(),
            most_idle: usize::MAX,
        })
    }

    /// Returns the same factory for clients that keep no idle connections.
    pub(super) fn without_idle_connections(&self) -> Self {
        Self { most_idle: 0, ..self.clone() }
    }

    /// Makes a client that shares no connection with any other.
    pub(super) fn client(&self) -> Result<Client, reqwest::Error> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // The authenticator retries. Without retries here, reqwest keeps no copy of a request.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .connect_timeout(self.connect_timeout)
            .connector_layer(WatchDials)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(self.most_idle)
            .user_agent(concat!("apikey-core/", env!("CARGO_PKG_VERSION")));
        if !self.uses_environment {
            builder = builder.no_proxy();
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        if !self.addresses.is_empty() {
            builder = builder.resolve_to_addrs(&self.host, &self.addresses);
        }
        builder.build()
    }
}
