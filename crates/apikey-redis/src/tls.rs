//! The settings of TLS to the servers.

use std::sync::Arc;

use apikey_core::ConfigError;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// The platform decides which certificates are good, and these may vouch, too.
pub(crate) fn settings(root_certificates: &[Vec<u8>]) -> Result<Arc<ClientConfig>, ConfigError> {
    let wrong = |error: rustls::Error| ConfigError::new("TLS", format!("can't be set up: {error}"));
    let no_certificates = |error: rustls::Error| {
        let what_to_do = "install the platform's CA certificates, or add one here";
        ConfigError::new("root_certificate", format!("no authority is trusted ({error}): {what_to_do}"))
    };
    let provider = Arc::new(provider());
    let verifier = Verifier::new_with_extra_roots(parsed(root_certificates)?, Arc::clone(&provider))
        .map_err(no_certificates)?;
    let settings = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(settings))
}

/// The provider that the core's connections have, too. The default of the process belongs to the program: we neither use it
/// nor set it.
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
    compile_error!("apikey-redis needs a provider of TLS: turn on `aws-lc-rs` or `ring`")
}

/// Reads certificates in PEM form.
///
/// # Errors
/// [`ConfigError`] if there are none, or if one can't be trusted.
pub(crate) fn parsed(root_certificates: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
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
