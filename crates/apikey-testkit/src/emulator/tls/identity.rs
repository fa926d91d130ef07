//! Certificates that are generated at run time.

use std::{fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::super::random;

const IMPOSSIBLE: &str = "keys and certificates of these kinds can be made";

/// A server's certificate with its key, and the root that signed it. Nobody trusts this root unless told to.
///
/// The certificate is valid for 30 days. The root is generated with it and signs nothing else.
///
/// ```
/// use apikey_testkit::emulator::{Emulator, TlsIdentity};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let identity = TlsIdentity::generate(["localhost", "127.0.0.1"]);
/// let emulator = Emulator::builder().tls(&identity).start().await?;
/// // ... let the code under test trust `identity.root_pem()`, and point it at `emulator.url()` ...
/// assert!(emulator.url().starts_with("https://localhost:"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TlsIdentity {
    root: Arc<Root>,
    names: Vec<String>,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

struct Root {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

impl TlsIdentity {
    /// A certificate for these DNS names and IP addresses, with a new root.
    ///
    /// # Panics
    ///
    /// If a name is neither of them, or there is no name.
    pub fn generate<S: Into<String>>(names: impl IntoIterator<Item = S>) -> TlsIdentity {
        let key = KeyPair::generate().expect(IMPOSSIBLE);
        let mut params = CertificateParams::default();
        let name = format!("Root {} of a Kinde emulator", random::hexadecimal(16));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect(IMPOSSIBLE);
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        let root = Arc::new(Root { issuer: Issuer::new(params, key), der, pem });
        TlsIdentity::issue(root, names.into_iter().map(Into::into).collect(), -1..30)
    }

    /// A certificate for other names with the same root: one that a client trusts but that belongs to somebody else,
    /// or the one of the server that a name has moved to.
    ///
    /// # Panics
    ///
    /// Like [`generate`](TlsIdentity::generate).
    pub fn for_other_names<S: Into<String>>(&self, names: impl IntoIterator<Item = S>) -> TlsIdentity {
        TlsIdentity::issue(self.root.clone(), names.into_iter().map(Into::into).collect(), -1..30)
    }

    /// A certificate for the same names with the same root that expired a day ago.
    pub fn expired(&self) -> TlsIdentity {
        TlsIdentity::issue(self.root.clone(), self.names.clone(), -30..-1)
    }

    /// The root certificate as PEM, for the file that `SSL_CERT_FILE` names.
    pub fn root_pem(&self) -> &str {
        &self.root.pem
    }

    /// The root certificate as DER.
    pub fn root_der(&self) -> &[u8] {
        &self.root.der
    }

    pub(super) fn chain_and_key(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.clone());
        (vec![self.certificate.clone()], key.into())
    }

    /// `days` count from today.
    fn issue(root: Arc<Root>, names: Vec<String>, days: std::ops::Range<i64>) -> TlsIdentity {
        assert!(!names.is_empty(), "a certificate needs a name");
        let key = KeyPair::generate().expect(IMPOSSIBLE);
        let mut params = CertificateParams::new(names.clone())
            .unwrap_or_else(|error| panic!("{names:?} are no DNS names and addresses: {error}"));
        params.distinguished_name.push(DnType::CommonName, "Kinde emulator");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let date = |days: i64| {
            let moment = Timestamp::now() + SignedDuration::from_hours(24 * days);
            let date = TimeZone::UTC.to_datetime(moment).date();
            date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
        };
        (params.not_before, params.not_after) = (date(days.start), date(days.end));
        let certificate = params.signed_by(&key, &root.issuer).expect(IMPOSSIBLE).der().clone();
        TlsIdentity { root, names, certificate, key: key.serialize_der() }
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsIdentity").field("names", &self.names).finish_non_exhaustive()
    }
}
