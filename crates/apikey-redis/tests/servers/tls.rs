//! TLS with a certificate of our own.

use std::fs;
use std::path::PathBuf;

use apikey_testkit::servers::{Product, StoreServer, free_port};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

struct Secured {
    server: StoreServer,
    port: u16,
    authority: String,
    folder: PathBuf,
}

impl Drop for Secured {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A server with a certificate for `localhost`.
fn secured() -> Secured {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let port = free_port();
    let folder = std::env::temp_dir().join(format!("apikey-tls-{}-{port}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let (certificate, key) = (file("leaf.pem", &leaf.pem()), file("key.pem", &key.serialize_pem()));
    let ca = file("ca.pem", &authority.pem());
    let port_text = port.to_string();
    let arguments = [
        "--tls-port",
        &port_text,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
    ];
    Secured {
        server: StoreServer::start(Product::Redis, &arguments),
        port,
        authority: authority.pem(),
        folder,
    }
}

#[tokio::test]
async fn a_private_certificate_is_trusted_if_it_is_added() {
    let secured = secured();
    let url = format!("rediss://localhost:{}", secured.port);
    let store = RedisStore::builder(&url).root_certificate(secured.authority.as_bytes()).build().unwrap();
    store.check().await.unwrap();
    works(&store).await.unwrap();
    append(&store, &[1]).await.unwrap();
    while timeout(Duration::from_millis(500), store.hint(&LOG)).await.is_ok() {}
    append(&store, &[2]).await.unwrap();
    timeout(PATIENCE, store.hint(&LOG)).await.expect("a hint comes over TLS, too");
    assert!(secured.server.info("run_id").is_some());

    let error = self::store(&url).check().await.unwrap_err();
    assert!(is_misconfigured(&error) && error.to_string().contains("root_certificate"), "{error}");
    let other_name = url.replace("localhost", "127.0.0.1");
    let store =
        RedisStore::builder(other_name).root_certificate(secured.authority.as_bytes()).build().unwrap();
    assert!(is_misconfigured(&store.check().await.unwrap_err()), "the certificate is for another name");
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart() {
    let server = StoreServer::start(Product::Redis, &[]);
    let error = store(&server.url().replace("redis:", "rediss:")).check().await.unwrap_err();
    assert!(error.to_string().contains("speaks no TLS"), "{error}");
}
