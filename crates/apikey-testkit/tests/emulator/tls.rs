//! The emulator with TLS.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use apikey_testkit::{
    emulator::{Alpn, Emulator, Endpoint, Fault, IssuedKey, KeySpecification, TlsIdentity},
    raw::{self, Connection},
};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpStream, task::JoinHandle, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::VERIFY_PATH;

const A_MOMENT: Duration = Duration::from_millis(100);

/// An emulator with TLS that needs no token, a key in it, and a client that trusts its root.
struct SecureScene {
    emulator: Emulator,
    key: IssuedKey,
    client: Client,
}

impl SecureScene {
    async fn new() -> SecureScene {
        SecureScene::with(&TlsIdentity::generate(["localhost", "127.0.0.1"]), Alpn::default()).await
    }

    async fn with(identity: &TlsIdentity, alpn: Alpn) -> SecureScene {
        let builder = Emulator::builder().without_authentication().tls(identity).alpn(alpn);
        let emulator = builder.start().await.unwrap();
        let key = emulator.create_key(KeySpecification::new("reader"));
        SecureScene { emulator, key, client: Client::trusting(identity, &[]) }
    }

    async fn connect(&self) -> Connection {
        Connection::over(self.client.connect(&self.emulator, "localhost").await.unwrap())
    }

    /// Verifies the scene's key on this connection.
    async fn ask_on(&self, connection: &mut Connection) -> io::Result<bool> {
        connection.send(&verification(&self.key.secret)).await?;
        Ok(connection.read_response(false).await?.json()["is_valid"] == true)
    }
}

/// A TLS client that remembers its sessions.
struct Client(Arc<ClientConfig>);

impl Client {
    fn trusting(identity: &TlsIdentity, alpn: &[&str]) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(identity.root_der().to_vec())).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Client(Arc::new(config))
    }

    async fn connect(&self, emulator: &Emulator, name: &'static str) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(emulator.address()).await?;
        TlsConnector::from(self.0.clone()).connect(ServerName::try_from(name).unwrap(), stream).await
    }
}

fn verification(secret: &str) -> Vec<u8> {
    let body = json!({"api_key": secret}).to_string();
    raw::request("POST", VERIFY_PATH, &[("Content-Type", "application/json")], body.as_bytes())
}

#[tokio::test]
async fn calls_are_answered_behind_tls() {
    let scene = SecureScene::new().await;
    let url = format!("https://localhost:{}", scene.emulator.address().port());
    assert_eq!(scene.emulator.url(), url);
    assert!(scene.ask_on(&mut scene.connect().await).await.unwrap());
    for name in ["localhost", "127.0.0.1"] {
        scene.client.connect(&scene.emulator, name).await.unwrap();
    }
    // Without TLS there is no answer.
    let answer = raw::exchange(scene.emulator.address(), &verification(&scene.key.secret)).await;
    assert_ne!(answer.map(|answer| answer.status).ok(), Some(200));
}

#[tokio::test]
async fn a_certificate_that_is_no_good_is_refused_by_its_client() {
    let good = TlsIdentity::generate(["localhost"]);
    for (served, wanted) in [
        (good.clone(), None),
        (good.expired(), Some("expired")),
        (good.for_other_names(["elsewhere.test", "127.0.0.2"]), Some("not valid for name")),
        (TlsIdentity::generate(["localhost"]), Some("UnknownIssuer")),
    ] {
        let scene = SecureScene::with(&served, Alpn::default()).await;
        let outcome = Client::trusting(&good, &[]).connect(&scene.emulator, "localhost").await;
        match wanted {
            None => drop(outcome.unwrap()),
            Some(wanted) => {
                let error = outcome.unwrap_err().to_string();
                assert!(error.contains(wanted), "{error}");
                let counters = scene.emulator.wait_until(|counters| counters.tls_failures == 1).await;
                assert_eq!((counters.tls_handshakes, counters.connections), (0, 1));
            }
        }
    }
}

#[test]
fn the_root_is_the_same_as_pem_and_as_der() {
    let identity = TlsIdentity::generate(["localhost"]);
    let from_pem = CertificateDer::from_pem_slice(identity.root_pem().as_bytes()).unwrap();
    assert_eq!(&*from_pem, identity.root_der());
    assert_eq!(identity.expired().root_der(), identity.root_der());
    assert_eq!(identity.for_other_names(["a.test"]).root_der(), identity.root_der());
    assert_ne!(TlsIdentity::generate(["localhost"]).root_der(), identity.root_der());
}

#[tokio::test]
async fn full_handshakes_and_resumptions_are_told_apart() {
    let scene = SecureScene::new().await;
    for _ in 0..3 {
        // The session's ticket arrives with the answer.
        assert!(scene.ask_on(&mut scene.connect().await).await.unwrap());
    }
    let fresh = Client::trusting(&TlsIdentity::generate(["localhost"]), &[]);
    assert!(fresh.connect(&scene.emulator, "localhost").await.is_err());
    let counters = scene.emulator.wait_until(|counters| counters.tls_failures == 1).await;
    assert_eq!((counters.tls_handshakes, counters.tls_resumptions), (1, 2));
}

#[tokio::test]
async fn an_idle_close_says_so_in_tls() {
    let scene = SecureScene::new().await;
    scene.emulator.close_idle_connections(Some(Duration::from_millis(1)));
    let mut connection = scene.connect().await;
    assert!(scene.ask_on(&mut connection).await.unwrap());
    // Without a close_notify this would be an error.
    assert_eq!(connection.read_to_end().await.unwrap(), b"");
}

#[tokio::test]
async fn a_cut_says_nothing_in_tls() {
    let scene = SecureScene::new().await;
    let mut connection = scene.connect().await;
    assert!(scene.ask_on(&mut connection).await.unwrap());
    scene.emulator.cut_connections();
    assert_eq!(connection.read_to_end().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn connections_misbehave_behind_tls_as_without() {
    let scene = SecureScene::new().await;
    scene.emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Reset), Some(Fault::Close)]);
    for kind in [ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof] {
        let error = scene.ask_on(&mut scene.connect().await).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let raw_answer = Fault::RawAnswer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec());
    scene.emulator.script_faults(Endpoint::Verify, vec![Some(raw_answer)]);
    assert!(!scene.ask_on(&mut scene.connect().await).await.unwrap());
    scene.emulator.close_connections_at_use(Some(2));
    let mut connection = scene.connect().await;
    assert!(scene.ask_on(&mut connection).await.unwrap());
    assert_eq!(scene.ask_on(&mut connection).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    scene.emulator.close_connections_at_use(None);

    let mut silent = scene.connect().await;
    assert!(scene.ask_on(&mut silent).await.unwrap());
    assert_eq!(scene.emulator.silence_connections(), 1);
    assert!(timeout(A_MOMENT, scene.ask_on(&mut silent)).await.is_err());
    scene.emulator.hang_new_connections(true);
    assert!(timeout(A_MOMENT, scene.connect()).await.is_err());
}

#[tokio::test]
async fn a_connection_can_go_silent_within_its_handshake() {
    let scene = SecureScene::new().await;
    let mut stream = TcpStream::connect(scene.emulator.address()).await.unwrap();
    scene.emulator.wait_until(|counters| counters.connections == 1).await;
    assert_eq!(scene.emulator.silence_connections(), 1);
    assert!(timeout(A_MOMENT, stream.read_u8()).await.is_err());
    scene.emulator.cut_connections();
    assert!(timeout(A_MOMENT, stream.read_u8()).await.is_err());
}

#[tokio::test]
async fn alpn_offers_are_counted_and_answered_as_set() {
    let identity = TlsIdentity::generate(["localhost"]);
    let offers: [&[&str]; 3] = [&[], &["http/1.1"], &["h2", "http/1.1"]];
    for (alpn, agreed) in [
        (Alpn::None, [None, None, None]),
        (Alpn::Http1, [None, Some("http/1.1"), Some("http/1.1")]),
        (Alpn::Http2, [None, Some("http/1.1"), Some("h2")]),
    ] {
        let scene = SecureScene::with(&identity, alpn).await;
        for (offer, agreed) in offers.into_iter().zip(agreed) {
            let client = Client::trusting(&identity, offer);
            let stream = client.connect(&scene.emulator, "localhost").await.unwrap();
            let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            assert_eq!(protocol.as_deref(), agreed.map(str::as_bytes), "{alpn:?} {offer:?}");
        }
        let counters = scene.emulator.wait_until(|counters| counters.tls_handshakes == 3).await;
        assert_eq!(counters.http2_connections, u64::from(alpn == Alpn::Http2));
        let counted = ["", "http/1.1", "h2, http/1.1"].map(|offer| (offer.to_owned(), 1)).into();
        assert_eq!(scene.emulator.alpn_offers(), counted);
        scene.emulator.reset_counters();
        assert!(scene.emulator.alpn_offers().is_empty());
    }
}

type Http2 = http2::SendRequest<Full<Bytes>>;

/// An HTTP/2 connection, and the task that ends with it.
async fn http2_connection(
    scene: &SecureScene,
    identity: &TlsIdentity,
) -> (Http2, JoinHandle<hyper::Result<()>>) {
    let client = Client::trusting(identity, &["h2"]);
    let stream = client.connect(&scene.emulator, "localhost").await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

/// The status and body of a verification over HTTP/2.
async fn ask_http2(sender: &mut Http2, secret: &str) -> hyper::Result<(u16, String)> {
    let request = Request::post(format!("https://localhost{VERIFY_PATH}"))
        .header("content-type", "application/json")
        .body(Full::from(json!({"api_key": secret}).to_string()))
        .unwrap();
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[tokio::test]
async fn http2_is_spoken_if_both_sides_chose_it() {
    let identity = TlsIdentity::generate(["localhost"]);
    let scene = SecureScene::with(&identity, Alpn::Http2).await;
    let (mut sender, connection) = http2_connection(&scene, &identity).await;
    for _ in 0..3 {
        let (status, body) = ask_http2(&mut sender, &scene.key.secret).await.unwrap();
        assert_eq!((status, body.contains("\"is_valid\":true")), (200, true), "{body}");
    }
    scene.emulator.set_key_fault("odd", Some(Fault::status(503)));
    assert_eq!(ask_http2(&mut sender, "odd").await.unwrap().0, 503);
    let counters = scene.emulator.counters();
    assert_eq!((counters.http2_connections, counters.connections, counters.verify_calls), (1, 1, 4));
    // HTTP/2 calls share a connection: a key whose fault breaks it breaks it for all of them.
    scene.emulator.set_key_fault("odd", Some(Fault::Hang));
    let (mut odd, mut other) = (sender.clone(), sender.clone());
    let hanging = tokio::spawn(async move { ask_http2(&mut odd, "odd").await });
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    scene.emulator.set_key_fault("odd", Some(Fault::Reset));
    assert!(ask_http2(&mut other, "odd").await.is_err());
    assert!(hanging.await.unwrap().is_err());
    assert!(connection.await.unwrap().is_err());
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
}

#[tokio::test]
async fn a_drained_http2_connection_goes_away_after_its_answers() {
    let identity = TlsIdentity::generate(["localhost"]);
    let scene = SecureScene::with(&identity, Alpn::Http2).await;
    let (mut sender, connection) = http2_connection(&scene, &identity).await;
    scene.emulator.set_fault(Endpoint::Verify, Some(Fault::Latency(Duration::from_millis(50))));
    let (mut asking, secret) = (sender.clone(), scene.key.secret.clone());
    let under_way = tokio::spawn(async move { ask_http2(&mut asking, &secret).await });
    scene.emulator.wait_until(|counters| counters.verifications_in_flight == 1).await;
    assert_eq!(scene.emulator.drain_connections(), 1);
    assert_eq!(under_way.await.unwrap().unwrap().0, 200);
    connection.await.unwrap().unwrap();
    assert!(ask_http2(&mut sender, &scene.key.secret).await.is_err());
}

#[tokio::test]
async fn an_idle_http2_connection_goes_away() {
    let identity = TlsIdentity::generate(["localhost"]);
    let scene = SecureScene::with(&identity, Alpn::Http2).await;
    scene.emulator.close_idle_connections(Some(Duration::from_millis(1)));
    let (mut sender, connection) = http2_connection(&scene, &identity).await;
    assert_eq!(ask_http2(&mut sender, &scene.key.secret).await.unwrap().0, 200);
    connection.await.unwrap().unwrap();
}
