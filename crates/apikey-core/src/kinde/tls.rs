//! The settings of TLS to Kinde.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, NamedGroup, RootCertStore};

use crate::config_error::ConfigError;

/// Makes the settings that all connections share, so that they resume each other's sessions and the platform's
/// certificates are read once. The platform decides which certificates are good. Without TLS its certificates are not
/// read, so that a machine that has none can still call an emulator over plain HTTP.
///
/// # Errors
/// [`ConfigError`] if one of `root_certificates` can't be used, or if there are none and the platform has none.
pub(super) fn settings(is_needed: bool, root_certificates: &[Vec<u8>]) -> Result<ClientConfig, ConfigError> {
    let wrong = |error: rustls::Error| ConfigError::new("TLS", format!("can't be set up: {error}"));
    let no_certificates = |error: rustls::Error| {
        let what_to_do = "install the platform's CA certificates, or add one here";
        ConfigError::new("root_certificate", format!("no authority is trusted ({error}): {what_to_do}"))
    };
    let roots = parsed(root_certificates)?;
    let provider = Arc::new(provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?;
    let mut tls = if is_needed {
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider)
            .map_err(no_certificates)?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
    } else {
        builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    };
    tls.resumption = Resumption::store(Arc::new(Sessions::new()));
    // Not HTTP/2: if the call for one key breaks its connection, no other call may break.
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// The provider for our own connections. The default of the process belongs to the program: we neither ask for it, because
/// then we would depend on when the program sets it, nor set it.
#[cfg(feature = "aws-lc-rs")]
fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
fn provider() -> CryptoProvider {
    compile_error!("the feature `kinde` needs a provider of TLS: turn on `aws-lc-rs` or `ring`, too")
}

/// How many tickets of TLS 1.3 are kept for one server. Each ticket serves one connection, and each connection brings one or
/// two. This is enough for a usual burst of new connections; rustls alone keeps 8.
const MOST_TICKETS: usize = 256;
/// For how many servers sessions are kept: Kinde and a proxy, and some to spare.
const MOST_SERVERS: usize = 4;

/// Sessions that new connections resume. A full handshake costs both sides a signature.
struct Sessions {
    /// Keeps everything except the tickets of TLS 1.3.
    others: ClientSessionMemoryCache,
    tickets: Mutex<HashMap<ServerName<'static>, VecDeque<Tls13ClientSessionValue>>>,
}

impl Sessions {
    fn new() -> Self {
        Self { others: ClientSessionMemoryCache::new(MOST_SERVERS), tickets: Mutex::default() }
    }

    fn tickets(&self) -> MutexGuard<'_, HashMap<ServerName<'static>, VecDeque<Tls13ClientSessionValue>>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.others.set_kx_hint(server, group);
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.others.kx_hint(server)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.others.set_tls12_session(server, session);
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.others.tls12_session(server)
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        self.others.remove_tls12_session(server);
    }

    fn insert_tls13_ticket(&self, server: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut tickets = self.tickets();
        if tickets.len() >= MOST_SERVERS && !tickets.contains_key(&server) {
            tickets.clear();
        }
        let tickets = tickets.entry(server).or_default();
        tickets.push_back(ticket);
        if tickets.len() > MOST_TICKETS {
            tickets.pop_front();
        }
    }

    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.tickets().get_mut(server)?.pop_back()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sessions(..)")
    }
}

fn parsed(root_certificates: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let wrong = |problem: String| ConfigError::new("root_certificate", problem);
    let mut roots = Vec::new();
    for pem in root_certificates {
        let earlier = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| wrong("it is not text in PEM form".to_owned()))?;
            RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|error| wrong(format!("it can't be trusted: {error}")))?;
            roots.push(certificate);
        }
        if roots.len() == earlier {
            return Err(wrong("it holds no certificate in PEM form".to_owned()));
        }
    }
    Ok(roots)
}
