//! How Kinde is reached, over real sockets: through a proxy, at fixed addresses, with a certificate of one's own.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};

use apikey_core::{FailureClass, KindeSettings, KindeVerifier, MachineToMachine, Verifier};
use apikey_testkit::emulator::{Emulator, TlsIdentity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

/// A name that DNS does not know.
const HOST: &str = "acme.kinde.invalid";

/// A proxy that sends all connections to one address. It keeps the head of the first request of each connection.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Proxy {
    async fn to(target: SocketAddr) -> Self {
        Self::start(target, None).await
    }

    /// A proxy that answers every request with these bytes.
    async fn that_says(answer: &'static str) -> Self {
        Self::start(SocketAddr::from(([127, 0, 0, 1], 1)), Some(answer)).await
    }

    async fn start(target: SocketAddr, answer: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move { serve(client, target, answer, &seen).await });
            }
        });
        Self { address, heads, server }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A URL with a user name and a password. One character is encoded.
    fn url_with_password(&self, password: &str) -> String {
        format!("http://user:{password}@{}", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    target: SocketAddr,
    answer: Option<&str>,
    seen: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut bytes = Vec::new();
    let head = loop {
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            break head.to_owned();
        }
    };
    let is_tunnel = head.starts_with("CONNECT ");
    seen.lock().unwrap().push(head);
    if let Some(answer) = answer {
        return client.write_all(answer.as_bytes()).await.ok();
    }
    let mut server = TcpStream::connect(target).await.ok()?;
    if is_tunnel {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    } else {
        server.write_all(&bytes).await.ok()?;
    }
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}

/// The settings for an emulator with this domain.
fn settings_at(domain: &str, emulator: &Emulator) -> KindeSettings {
    let credentials = MachineToMachine::new(emulator.client_id(), emulator.client_secret());
    KindeSettings::new(domain).machine_to_machine(credentials).audience(emulator.audience())
}

async fn is_accepted(settings: KindeSettings, emulator: &Emulator) -> bool {
    let verifier = KindeVerifier::new(settings).unwrap();
    verifier.verify(&key(&reader(emulator).secret)).await.unwrap().is_accepted()
}

async fn refused_by(proxy: &Proxy) -> String {
    let settings = KindeSettings::new(HOST).without_token().proxy(proxy.url());
    let error = KindeVerifier::new(settings).unwrap().verify(&key("k_live_1")).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Outage, "{error}");
    assert!(error.is_without_connection(), "{error}");
    error.reason().to_owned()
}

#[tokio::test]
async fn a_proxy_carries_tls_to_kinde_and_reads_none_of_it() {
    let identity = TlsIdentity::generate([HOST]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let proxy = Proxy::to(emulator.address()).await;
    let settings = settings_at(HOST, &emulator).root_certificate(identity.root_pem());
    assert!(is_accepted(settings.proxy(proxy.url_with_password("p%40ss")), &emulator).await);
    let heads = proxy.heads();
    assert!(!heads.is_empty());
    for head in heads {
        assert!(head.starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\n")), "{head}");
        // "user:p@ss"
        assert!(head.to_lowercase().contains("proxy-authorization: basic dxnlcjpwqhnz"), "{head}");
        assert!(!head.contains("Bearer"), "{head}");
    }
}

#[tokio::test]
async fn a_proxy_is_given_the_whole_url_of_a_plain_request() {
    let emulator = emulator().await;
    let proxy = Proxy::to(emulator.address()).await;
    let settings = settings_at(&emulator.url(), &emulator).proxy(proxy.url_with_password("pass"));
    assert!(is_accepted(settings, &emulator).await);
    let head = proxy.heads().remove(0);
    assert!(head.starts_with(&format!("POST {}/oauth2/token HTTP/1.1\r\n", emulator.url())), "{head}");
    let head = head.to_lowercase();
    assert!(head.contains(&format!("\r\nhost: {}", emulator.address())), "{head}");
    assert!(head.contains("\r\nproxy-authorization: basic dxnlcjpwyxnz"), "{head}");
}

/// The emulator answers instead of the proxy.
#[tokio::test]
async fn a_proxy_that_speaks_tls_needs_a_trusted_certificate() {
    let identity = TlsIdentity::generate(["localhost"]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let settings = settings_at("http://127.0.0.1:9", &emulator).proxy(emulator.url());
    let trusting = settings.clone().root_certificate(identity.root_pem());
    assert!(is_accepted(trusting, &emulator).await);
    let other = TlsIdentity::generate(["localhost"]);
    let distrusting = KindeVerifier::new(settings.root_certificate(other.root_pem())).unwrap();
    let error = distrusting.verify(&key("k_live_1")).await.unwrap_err();
    assert!(error.reason().contains("authority that is not trusted"), "{error}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_from_kinde() {
    for (answer, reason) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "no connection to Kinde: the proxy asks for a user name and password, or refuses those in its URL",
        ),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "no connection to Kinde: the proxy refuses to connect to it"),
    ] {
        assert_eq!(refused_by(&Proxy::that_says(answer).await).await, reason);
    }
}

#[tokio::test]
async fn a_fixed_address_keeps_the_name_in_the_certificate() {
    let identity = TlsIdentity::generate([HOST]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let settings = |domain: &str| {
        settings_at(domain, &emulator).root_certificate(identity.root_pem()).resolve_to([emulator.address()])
    };
    assert!(is_accepted(settings(HOST), &emulator).await);
    let verifier = KindeVerifier::new(settings("other.kinde.invalid")).unwrap();
    let error = verifier.verify(&key("k_live_1")).await.unwrap_err();
    assert!(error.reason().contains("another name"), "{error}");
}

#[tokio::test]
async fn a_fixed_address_keeps_the_name_in_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = KindeSettings::new(HOST).without_token().resolve_to([listener.local_addr().unwrap()]);
    let verifier = KindeVerifier::new(settings).unwrap();
    let asked = key("k_live_1");
    let (said, hello) = tokio::join!(verifier.verify(&asked), async {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut hello = Vec::with_capacity(4096);
        client.read_buf(&mut hello).await.unwrap();
        hello
    });
    assert!(said.is_err());
    assert!(hello.windows(HOST.len()).any(|bytes| bytes == HOST.as_bytes()), "the server's name is sent");
}

#[tokio::test]
async fn a_fixed_address_keeps_the_host_header() {
    let server =
        RawServer::start(|_| ok(r#"{"is_valid":true,"status":"active","key_id":"api_key_1"}"#)).await;
    let address: SocketAddr = server.url.trim_start_matches("http://").parse().unwrap();
    for (domain, address, host) in [
        ("http://localhost".to_owned(), address, "localhost".to_owned()),
        // Port 0 stands for the domain's own port.
        (
            format!("http://localhost:{}", address.port()),
            SocketAddr::new(address.ip(), 0),
            format!("localhost:{}", address.port()),
        ),
    ] {
        let settings = KindeSettings::new(domain).without_token().resolve_to([address]);
        let verifier = KindeVerifier::new(settings).unwrap();
        assert!(verifier.verify(&key("k_live_1")).await.unwrap().is_accepted());
        let request = server.requests().pop().unwrap().to_lowercase();
        assert!(request.contains(&format!("\r\nhost: {host}\r\n")), "{request}");
    }
}

#[tokio::test]
async fn the_next_fixed_address_serves_if_the_first_is_dead() {
    let emulator = emulator().await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings = settings_at("http://localhost", &emulator).resolve_to([dead, emulator.address()]);
    assert!(is_accepted(settings, &emulator).await);
}

/// Runs an ignored test in a child process with an environment of its own.
async fn in_another_process(test: &str, configure: impl FnOnce(&mut Command)) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "--ignored", test]);
    configure(&mut child);
    let ended = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    let output = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && output.contains("1 passed"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environments_proxy_is_used_unless_a_setting_differs() {
    let (environments, set) = (Proxy::that_says("").await, Proxy::that_says("").await);
    in_another_process("network::under_the_environments_proxy", |child| {
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            child.env(name, environments.url());
        }
        for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
            child.env_remove(name);
        }
        child.env("OTHER_PROXY", set.url());
    })
    .await;
    let targets = |proxy: &Proxy| -> Vec<String> {
        proxy.heads().iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
    };
    assert_eq!(targets(&environments), ["CONNECT by-default.kinde.invalid:443 HTTP/1.1"]);
    assert_eq!(targets(&set), ["CONNECT set.kinde.invalid:443 HTTP/1.1"]);
}

#[tokio::test]
#[ignore = "another test runs it, in a process of its own"]
async fn under_the_environments_proxy() {
    let at = |domain: &str| KindeSettings::new(domain).without_token();
    for settings in [
        at("by-default.kinde.invalid"),
        at("direct.kinde.invalid").without_proxy(),
        at("set.kinde.invalid").proxy(std::env::var("OTHER_PROXY").unwrap()),
    ] {
        let error = KindeVerifier::new(settings).unwrap().verify(&key("k_live_1")).await.unwrap_err();
        assert!(error.is_without_connection(), "{error}");
    }
    let identity = TlsIdentity::generate([HOST]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let settings = settings_at(HOST, &emulator).root_certificate(identity.root_pem());
    assert!(is_accepted(settings.resolve_to([emulator.address()]), &emulator).await);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_without_certificates_is_told_what_to_do() {
    in_another_process("network::on_a_machine_without_certificates", |child| {
        child.env("SSL_CERT_FILE", "/does/not/exist").env("SSL_CERT_DIR", "/does/not/exist");
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "another test runs it, in a process of its own"]
async fn on_a_machine_without_certificates() {
    let error = KindeVerifier::new(KindeSettings::new(HOST).without_token()).unwrap_err();
    assert_eq!(error.setting(), "root_certificate");
    assert!(error.to_string().contains("install the platform's CA certificates"), "{error}");
    KindeVerifier::new(KindeSettings::new("http://127.0.0.1:9").without_token()).unwrap();
    let identity = TlsIdentity::generate([HOST]);
    let emulator = Emulator::builder().tls(&identity).start().await.unwrap();
    let settings = settings_at(HOST, &emulator).root_certificate(identity.root_pem());
    assert!(is_accepted(settings.resolve_to([emulator.address()]), &emulator).await);
}
