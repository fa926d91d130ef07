//! The parts that the tests share. Nothing here sleeps and hopes: tests wait for conditions, gates and clocks.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apikey_core::{
    Authenticator, AuthenticatorBuilder, Denial, FailureClass, Judgement, KindeSettings, KindeVerifier,
    ManualClock, PresentedKey, Verification, VerifiedKey, Verifier, VerifierError,
};
use apikey_testkit::emulator::{Emulator, IssuedKey, KeySpecification};
use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A timeout that no test reaches unless something hangs.
pub(crate) const PATIENT: Duration = Duration::from_secs(60);
/// A timeout that a test means to reach.
pub(crate) const SHORT: Duration = Duration::from_millis(150);

pub(crate) async fn emulator() -> Emulator {
    Emulator::start().await.unwrap()
}

/// The settings for this emulator, with some variables changed.
pub(crate) fn settings_with(emulator: &Emulator, changes: &[(&str, &str)]) -> KindeSettings {
    let environment = emulator.environment();
    KindeSettings::from_variables(|name| {
        let change = changes.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let value = environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        change.or(value)
    })
    .unwrap()
}

pub(crate) fn settings(emulator: &Emulator) -> KindeSettings {
    settings_with(emulator, &[])
}

pub(crate) fn kinde(emulator: &Emulator) -> KindeVerifier {
    KindeVerifier::new(settings(emulator)).unwrap()
}

pub(crate) fn kinde_with_clock(emulator: &Emulator) -> (Arc<KindeVerifier>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let verifier = kinde(emulator);
    verifier.use_clock(Arc::clone(&clock) as _);
    (Arc::new(verifier), clock)
}

/// The builder with a long timeout.
pub(crate) fn patient(verifier: impl Verifier) -> AuthenticatorBuilder {
    // The tests here count calls and let them fail, so retries are off.
    Authenticator::builder(verifier).verification_timeout(PATIENT).retries(false).circuit_breaker(false)
}

pub(crate) fn authenticator(emulator: &Emulator) -> Authenticator {
    patient(kinde(emulator)).build().unwrap()
}

pub(crate) fn uncached(emulator: &Emulator) -> Authenticator {
    patient(kinde(emulator)).cache_time_to_live(Duration::ZERO).build().unwrap()
}

pub(crate) fn key(secret: &str) -> PresentedKey {
    PresentedKey::parse(secret).unwrap()
}

pub(crate) fn reader(emulator: &Emulator) -> IssuedKey {
    emulator.create_key(KeySpecification::new("reader").scopes(["read:users"]))
}

pub(crate) fn readers(emulator: &Emulator, count: usize) -> Vec<IssuedKey> {
    (0..count).map(|_| reader(emulator)).collect()
}

/// The code of a denial, or the key id.
pub(crate) fn told(answer: &Result<VerifiedKey, Denial>) -> String {
    match answer {
        Ok(key) => key.key_id().to_owned(),
        Err(denial) => denial.code().as_str().to_owned(),
    }
}

/// The kind of a verifier's answer.
pub(crate) fn kind(said: &Result<Judgement, VerifierError>) -> &'static str {
    match said {
        Ok(judgement) if judgement.is_accepted() => "accepted",
        Ok(_) => "refused",
        Err(error) if is_set_up(error) => "misconfigured",
        Err(_) => "unavailable",
    }
}

/// Whether the caller gets a 500.
pub(crate) fn is_set_up(error: &VerifierError) -> bool {
    matches!(error.class(), FailureClass::SetUp | FailureClass::ServiceRefused)
}

/// Waits until a condition holds. Panics after 10 s.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "waited ten seconds in vain: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// One verifier for several authenticators.
pub(crate) struct Shared<V>(pub(crate) Arc<V>);

#[async_trait]
impl<V: Verifier> Verifier for Shared<V> {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.0.verify(key).await
    }
}

pub(crate) type Said = Pin<Box<dyn Future<Output = Result<Judgement, VerifierError>> + Send>>;

/// A verifier made from a function. It counts its calls.
pub(crate) struct Fake<F> {
    calls: Arc<AtomicUsize>,
    verify: F,
}

impl<F: Fn(String) -> Said + Send + Sync + 'static> Fake<F> {
    pub(crate) fn new(verify: F) -> (Self, Arc<AtomicUsize>) {
        let calls = Arc::default();
        (Self { calls: Arc::clone(&calls), verify }, calls)
    }
}

#[async_trait]
impl<F: Fn(String) -> Said + Send + Sync + 'static> Verifier for Fake<F> {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        (self.verify)(key.expose().to_owned()).await
    }
}

/// Accepts every key. The key id is the key's own text.
pub(crate) fn anyone(key: String) -> Said {
    Box::pin(async move { Ok(Judgement::accepted(Verification::active(key))) })
}

/// A listener that answers each HTTP/1.1 request with the bytes that a function chooses. It keeps what it received.
pub(crate) struct RawServer {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    server: tokio::task::JoinHandle<()>,
}

impl RawServer {
    pub(crate) async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), Arc::clone(&requests));
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                tokio::spawn(async move {
                    while let Some(request) = read_request(&mut stream).await {
                        let bytes = answer(&request);
                        seen.lock().unwrap().push(request);
                        if stream.write_all(bytes.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, requests, server }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one request with a `Content-Length`. `None` at the end of the connection.
pub(crate) async fn read_request(stream: &mut tokio::net::TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}
