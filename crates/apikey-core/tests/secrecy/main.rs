//! No secret is ever in a log at any level, in a `Debug`, in the text of an error or in a response.
//!
//! A subscriber captures everything that any crate logs in this process. It is a program of its own, because `tracing`
//! asks only once whether anybody listens to a line: nothing logs before the subscriber is there. Each secret is random,
//! so that nothing from other tests can be mistaken for it.

#[allow(dead_code, reason = "the tests in `all` need more of it")]
#[path = "../all/support.rs"]
mod support;

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use apikey_core::{
    Authenticator, CredentialSource, Denial, Judgement, KindeSettings, KindeVerifier, MachineToMachine, Memo,
    PlainRequest, Policy, PresentedKey, VerifiedKey, Verifier, VerifierError,
};
use apikey_testkit::emulator::{
    DEFAULT_API_ID, Emulator, Endpoint, Fault, IssuedKey, KeySpecification, NegativeAnswer, ScriptedAnswer,
};
use async_trait::async_trait;
use base64::Engine as _;
use serde_json::json;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use support::*;

/// Everything that was logged so far.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn captured() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Log::default();
            let writer = log.clone();
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_span_events(FmtSpan::FULL)
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .finish()
                .init();
            log
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// This many characters of a secret in a row are a leak.
const PIECE: usize = 12;

/// The pieces of all secrets, in every form in which they could appear.
#[derive(Default)]
struct Canaries(HashMap<[u8; PIECE], &'static str>);

impl Canaries {
    fn add(&mut self, name: &'static str, secret: &str) {
        let bytes = secret.as_bytes();
        self.add_pieces(name, secret);
        self.add_pieces(name, &secret.chars().rev().collect::<String>());
        let (mut lower, mut upper, mut percent) = <(String, String, String)>::default();
        for byte in bytes {
            write!(lower, "{byte:02x}").unwrap();
            write!(upper, "{byte:02X}").unwrap();
            match byte.is_ascii_alphanumeric() {
                true => percent.push(char::from(*byte)),
                false => write!(percent, "%{byte:02X}").unwrap(),
            }
        }
        for form in [lower, upper, percent] {
            self.add_pieces(name, &form);
        }
        // Base64 depends on the position of the secret. Its neighbors change only the edges.
        for offset in 0..3 {
            for engine in
                [base64::engine::general_purpose::STANDARD, base64::engine::general_purpose::URL_SAFE]
            {
                let encoded = engine.encode(&bytes[offset..]);
                self.add_pieces(name, &encoded[..encoded.len() - 4]);
            }
        }
    }

    fn add_pieces(&mut self, name: &'static str, form: &str) {
        let pieces = form.as_bytes().windows(PIECE);
        self.0.extend(pieces.map(|piece| (<[u8; PIECE]>::try_from(piece).unwrap(), name)));
    }

    /// The piece that appears, and of which secret, if any.
    fn leak_in(&self, text: &str) -> Option<String> {
        self.plain_leak_in(text).or_else(|| self.plain_leak_in(&lists_of_bytes_in(text)))
    }

    fn plain_leak_in(&self, text: &str) -> Option<String> {
        // The first two bytes rule out most positions.
        let mut begins = vec![false; 1 << 16];
        for piece in self.0.keys() {
            begins[usize::from(u16::from_be_bytes([piece[0], piece[1]]))] = true;
        }
        for (at, window) in text.as_bytes().windows(PIECE).enumerate() {
            if !begins[usize::from(u16::from_be_bytes([window[0], window[1]]))] {
                continue;
            }
            let Some(name) = self.0.get(window) else { continue };
            let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
            let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
            return Some(format!("{name} shows: {}", &text[start..end]));
        }
        None
    }
}

/// Turns bytes as `{:?}` and `{:#?}` print them back into text.
fn lists_of_bytes_in(text: &str) -> String {
    let (mut lists, mut number) = (String::new(), None::<u32>);
    for character in text.chars().chain(['.']) {
        match character.to_digit(10) {
            Some(digit) => number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit)),
            None => {
                lists.extend(number.take().and_then(|number| u8::try_from(number).ok()).map(char::from));
                if !matches!(character, ',' | ' ' | '\n') {
                    lists.push('\n');
                }
            }
        }
    }
    lists
}

/// Everything that must never appear, and everything that appeared outside of the log.
struct Watch {
    canaries: Canaries,
    shown: String,
}

impl Watch {
    fn show(&mut self, value: &impl Debug) {
        writeln!(self.shown, "{value:?}\n{value:#?}").unwrap();
    }

    fn show_denial(&mut self, denial: &Denial) {
        self.show(denial);
        writeln!(self.shown, "{denial}").unwrap();
        let response = denial.response();
        self.show(&response);
        self.shown.push_str(&String::from_utf8(response.body).unwrap());
    }

    fn show_answer(&mut self, answer: &Result<VerifiedKey, Denial>) {
        self.show(answer);
        if let Err(denial) = answer {
            self.show_denial(denial);
        }
    }
}

fn random(prefix: &str) -> String {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes).unwrap();
    let text: String = bytes
        .iter()
        .map(|byte| char::from(b"abcdefghijkmnpqrstuvwxyzABCDEFGH"[usize::from(byte % 32)]))
        .collect();
    // It has characters that a form and base64 must encode.
    format!("{prefix}{}~{}.{}", &text[..8], &text[8..16], &text[16..])
}

/// All faults that a verification can meet at Kinde.
fn faults(secret: &str, token: &str) -> Vec<Fault> {
    // Kinde repeats what it received.
    let echo = format!("{secret} {token}");
    vec![
        Fault::status(400),
        Fault::status(401),
        Fault::status(403),
        Fault::status(404),
        Fault::status(405),
        Fault::status(429),
        Fault::status(500),
        Fault::status(503),
        Fault::TooManyRequests { rate_limit_reset: Some(1), retry_after: Some(1) },
        Fault::Reset,
        Fault::Close,
        Fault::Garbage,
        Fault::RawGarbage,
        Fault::Empty,
        Fault::Hang,
        Fault::SlowBody(Duration::from_millis(20)),
        Fault::HugeBody(1 << 20),
        Fault::Flap,
        Fault::Redirect(format!("/elsewhere?key={secret}&token={token}")),
        Fault::Redirect(format!("https://{token}@127.0.0.1:9/{secret}")),
        Fault::RawAnswer(format!("HTTP/1.1 200 {echo}\r\ncontent-length: {secret}\r\n\r\n").into()),
        Fault::RawAnswer(format!("{echo}\r\n\r\n").into()),
        Fault::RawAnswer(format!("HTTP/1.1 200 OK\r\n{secret}\r\n{token}: {secret}\r\n\r\n").into()),
        Fault::RawAnswer(
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{secret}\r\n{echo}").into(),
        ),
        Fault::Answer(
            ScriptedAnswer::new(200, echo.clone()).header("set-cookie", secret).header("x-token", token),
        ),
        Fault::Status { status: 500, body: echo.clone() },
        Fault::Status { status: 418, body: echo.clone() },
        Fault::Answer(ScriptedAnswer::json(401, &json!({"errors": [{"code": echo, "message": echo}]}))),
        Fault::Answer(ScriptedAnswer::json(
            400,
            &json!({"errors": [{"code": "API_KEY_INVALID", "message": echo}]}),
        )),
        Fault::Answer(ScriptedAnswer::json(400, &json!({"error": secret, "error_description": echo}))),
        Fault::Answer(ScriptedAnswer::json(
            403,
            &json!({"error": "access_denied", "error_description": echo}),
        )),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"is_valid": false, "message": echo, "code": echo}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"is_valid": true, "status": echo, "key_id": "k"}))),
        Fault::Answer(ScriptedAnswer::json(200, &json!({"is_valid": echo, "access_token": echo}))),
    ]
}

struct Stage {
    emulator: Emulator,
    issued: IssuedKey,
    client_secret: String,
    watch: Watch,
}

impl Stage {
    async fn new() -> Self {
        Log::captured();
        let (client_secret, secret) = (random("cs-"), random("k_live_"));
        let emulator =
            Emulator::builder().client("the-client-id", client_secret.as_str()).start().await.unwrap();
        let issued = emulator
            .create_key(KeySpecification::new("canary").secret(secret.as_str()).scopes(["read:users"]));
        let mut canaries = Canaries::default();
        canaries.add("the key", &secret);
        canaries.add("the client secret", &client_secret);
        let watch = Watch { canaries, shown: String::new() };
        Self { emulator, issued, client_secret, watch }
    }

    fn authenticator(&mut self, timeout: Duration) -> Authenticator {
        let settings = settings(&self.emulator);
        self.watch.show(&settings);
        let verifier = KindeVerifier::new(settings).unwrap();
        self.watch.show(&verifier);
        let builder = Authenticator::builder(verifier).verification_timeout(timeout);
        self.watch.show(&builder);
        builder.build().unwrap()
    }

    /// Presents the key in every way.
    async fn present(&mut self, authenticator: &Authenticator) {
        let secret = self.issued.secret.clone();
        let request = PlainRequest::new()
            .with_header("authorization", format!("Bearer {secret}"))
            .with_query(format!("api_key={secret}"));
        self.watch.show(&request);
        let presented = key(&secret);
        self.watch.show(&presented);
        self.watch.show_answer(&authenticator.verify(presented).await);
        let attempt = authenticator.begin(&request);
        self.watch.show(&attempt);
        let mut memo = Memo::default();
        memo.note(authenticator, &attempt);
        self.watch.show(&memo);
        self.watch.show(&memo.recall(authenticator, &request));
        let mut taken = Memo::default();
        assert_eq!(taken.take(authenticator, &request), authenticator.removes_credential());
        self.watch.show(&taken);
        let policy = Policy::any_key();
        let gate = authenticator.gate(&policy);
        self.watch.show(&gate);
        let decision = gate.decide(attempt, &request, |key| key);
        self.watch.show(&decision);
        let answer = decision.wait().await;
        self.watch.show_answer(&answer);
        self.watch.show(&memo.recall(authenticator, &request));
        for answer in
            authenticator.verify_many([secret.as_str(), secret.as_str(), &format!("{secret} ")]).await
        {
            self.watch.show_answer(&answer);
        }
        self.watch.show(authenticator);
    }

    /// What the verifier itself says, also in the texts of its errors.
    async fn ask(&mut self, verifier: &KindeVerifier) {
        let key = key(&self.issued.secret);
        let Ok(said) = tokio::time::timeout(Duration::from_millis(100), verifier.verify(&key)).await else {
            return;
        };
        self.watch.show(&said);
        if let Err(error) = said {
            writeln!(self.watch.shown, "{error}\n{error:#}").unwrap();
        }
    }

    fn conclude(mut self, expected_in_log: &[&str]) {
        for token in self.emulator.issued_tokens() {
            self.watch.canaries.add("a token", &token);
        }
        assert_eq!(self.watch.canaries.leak_in(&self.watch.shown), None);
        let log = Log::captured().text();
        for expected in expected_in_log {
            assert!(log.contains(expected), "the log is not captured: it lacks {expected:?}");
        }
        assert_eq!(self.watch.canaries.leak_in(&log), None, "in the log");
    }
}

#[test]
fn what_a_canary_looks_like_is_recognised() {
    let secret = "k_live_abcdefghijklmnopqrstuvwxyz0123456789";
    let mut canaries = Canaries::default();
    canaries.add("it", secret);
    let (bytes, pretty_bytes) =
        (format!("{:?}", secret.as_bytes()), format!("{:#?}", Some(secret.as_bytes())));
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("x{secret}:"));
    for leak in [secret, "...abcdefghijkl...", &bytes, &pretty_bytes, &basic, "6162636465666768696a6b6c"] {
        assert!(canaries.leak_in(leak).is_some(), "{leak}");
    }
    assert_eq!(canaries.leak_in("k_live_ab, abcdefghijk"), None);
}

#[tokio::test]
async fn no_secret_shows_on_the_good_path_or_where_kinde_refuses() {
    let mut stage = Stage::new().await;
    let authenticator = stage.authenticator(PATIENT);
    stage.present(&authenticator).await;
    for style in [
        NegativeAnswer::Ok200,
        NegativeAnswer::Error400,
        NegativeAnswer::Error401,
        NegativeAnswer::Anonymous401,
    ] {
        stage.emulator.set_negative_answer(style);
        for status in ["revoked", "inactive", "paused"] {
            stage.emulator.set_status(&stage.issued.key_id.clone(), status);
            authenticator.clear();
            stage.present(&authenticator).await;
        }
    }
    stage.emulator.set_status(&stage.issued.key_id.clone(), "active");
    stage.emulator.revoke_tokens();
    authenticator.remove(&stage.issued.secret).unwrap();
    stage.present(&authenticator).await;
    stage.emulator.deny_scope(true);
    authenticator.clear();
    stage.present(&authenticator).await;
    stage.emulator.deny_scope(false);
    let authenticator = stage.authenticator(PATIENT);
    let verified = authenticator.verify(key(&stage.issued.secret)).await.unwrap();
    let denial = authenticator.authorize(&verified, &Policy::all(["write:users"])).unwrap_err();
    stage.watch.show_denial(&denial);
    assert!(stage.emulator.issued_tokens().len() >= 3);
    let spans = ["apikey.verification{", "apikey.token{", "POST{", "url.full=", "apikey.key_id="];
    stage.conclude(&[&["reqwest", "apikey_core", "read:api_keys"][..], &spans[..]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_shows_whatever_goes_wrong_at_kinde() {
    let mut stage = Stage::new().await;
    let token = random("eyJ");
    stage.watch.canaries.add("an echoed token", &token);
    let (secret, client_secret) = (stage.issued.secret.clone(), stage.client_secret.clone());
    for endpoint in [Endpoint::Verify, Endpoint::Token] {
        let echoed = if endpoint == Endpoint::Verify { &secret } else { &client_secret };
        for fault in faults(echoed, &token) {
            stage.emulator.set_fault(endpoint, Some(fault));
            let verifier = KindeVerifier::new(settings(&stage.emulator)).unwrap();
            stage.ask(&verifier).await;
            // Some faults end only with the time limit.
            let authenticator = stage.authenticator(Duration::from_millis(100));
            stage.present(&authenticator).await;
            stage.emulator.set_fault(endpoint, None);
        }
    }
    stage.conclude(&[
        "token endpoint",
        "can't be verified right now",
        "until its set-up is changed",
        "error.type=\"connection\"",
        "http.response.status_code=429",
    ]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_shows_whatever_goes_wrong_with_a_keys_apis() {
    let mut stage = Stage::new().await;
    let token = random("eyJ");
    stage.watch.canaries.add("an echoed token", &token);
    let secret = stage.issued.secret.clone();
    let bound = [("KINDE_API_ID", DEFAULT_API_ID)];
    for fault in faults(&secret, &token) {
        stage.emulator.set_fault(Endpoint::ApiKey, Some(fault));
        let verifier = KindeVerifier::new(settings_with(&stage.emulator, &bound)).unwrap();
        stage.watch.show(&verifier);
        stage.ask(&verifier).await;
        let builder = Authenticator::builder(verifier).verification_timeout(Duration::from_millis(100));
        stage.present(&builder.build().unwrap()).await;
    }
    stage.emulator.set_fault(Endpoint::ApiKey, None);
    for api_ids in [json!([DEFAULT_API_ID]), json!([secret]), json!(secret), json!([secret, 1])] {
        stage.emulator.set_api_ids(&stage.issued.key_id, Some(api_ids));
        let verifier = KindeVerifier::new(settings_with(&stage.emulator, &bound)).unwrap();
        stage.ask(&verifier).await;
        stage.present(&Authenticator::builder(verifier).build().unwrap()).await;
    }
    let pasted = settings(&stage.emulator).api_id(format!("{secret} "));
    stage.watch.show(&pasted);
    stage.watch.show(&KindeVerifier::new(pasted).unwrap_err());
    stage.conclude(&["GET{", "api_ids", "can't be verified right now", "until its set-up is changed"]);
}

#[tokio::test]
async fn no_secret_shows_where_the_settings_are_wrong() {
    let mut stage = Stage::new().await;
    let (secret, client_secret) = (stage.issued.secret.clone(), stage.client_secret.clone());
    stage.watch.show(&MachineToMachine::new("an id", client_secret.as_str()));
    for (name, value) in [
        ("KINDE_MANAGEMENT_CLIENT_ID", "nobody"),
        ("KINDE_MANAGEMENT_AUDIENCE", "https://elsewhere.kinde.com/api"),
        ("KINDE_DOMAIN", "http://127.0.0.1:9"),
        ("KINDE_DOMAIN", "https://127.0.0.1:9"),
        ("KINDE_DOMAIN", &stage.emulator.url().replace("http:", "https:")),
    ] {
        let verifier = KindeVerifier::new(settings_with(&stage.emulator, &[(name, value)])).unwrap();
        stage.ask(&verifier).await;
        let authenticator = Authenticator::builder(verifier)
            .verification_timeout(Duration::from_millis(300))
            .build()
            .unwrap();
        stage.present(&authenticator).await;
    }
    for domain in [
        format!("https://user:{client_secret}@example.kinde.com"),
        format!("http://{client_secret}.example.com"),
        format!("https://example.kinde.com/{client_secret}"),
        format!("https://example.kinde.com?secret={client_secret}"),
        format!("ftp://{client_secret}"),
        format!("two words {client_secret}"),
    ] {
        let settings =
            KindeSettings::new(domain).machine_to_machine(MachineToMachine::new("i", &*client_secret));
        let error = KindeVerifier::new(settings).unwrap_err();
        stage.watch.show(&error);
        writeln!(stage.watch.shown, "{error}").unwrap();
    }
    let error = PresentedKey::parse(&format!("{secret}\n")).unwrap_err();
    stage.watch.show(&error);
    writeln!(stage.watch.shown, "{error}").unwrap();
    // Without a runtime, and with keys in settings that take none.
    let authenticator = stage.authenticator(PATIENT);
    let elsewhere = Authenticator::builder(kinde(&stage.emulator))
        .credential_sources([
            CredentialSource::header("x-api-key"),
            CredentialSource::basic_user_name(),
            CredentialSource::basic_password(),
            CredentialSource::web_socket_protocol(),
            CredentialSource::insecure_query_parameter("api_key"),
        ])
        .accepted_prefixes(["another_prefix_"])
        .remove_credential(true)
        .build()
        .unwrap();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{secret}:{client_secret}"));
    let member = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&secret);
    for request in [
        PlainRequest::new()
            .with_header("sec-websocket-protocol", format!("apikey, base64url.apikey.{member}")),
        PlainRequest::new().with_header("authorization", format!("Basic {secret}")),
        PlainRequest::new().with_header("authorization", format!("Bearer {secret} {secret}")),
        PlainRequest::new().with_header("authorization", format!("Bearer {}", secret.repeat(20))),
        PlainRequest::new()
            .with_header("authorization", format!("Bearer {secret}"))
            .with_header("authorization", format!("Bearer {secret}")),
        PlainRequest::new().with_header("x-api-key", &secret),
        PlainRequest::new().with_header("x-api-key", &secret).with_query(format!("api_key={secret}")),
        PlainRequest::new().with_header("authorization", format!("Basic {basic}")),
        PlainRequest::new().with_query(format!("api_key={secret}")),
    ] {
        for authenticator in [&authenticator, &elsewhere] {
            let answer = authenticator.authenticate(&request).await;
            stage.watch.show_answer(&answer);
        }
        stage.watch.show(&request);
    }
    let (secret, authenticator_) = (secret.clone(), authenticator.clone());
    let outside = std::thread::spawn(move || {
        // The caller has no runtime.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(authenticator_.verify(key(&secret)))
    });
    stage.watch.show_answer(&outside.join().unwrap());
    stage.conclude(&[]);
}

#[tokio::test]
async fn no_password_of_a_proxy_shows() {
    let mut stage = Stage::new().await;
    let password = random("proxy-");
    stage.watch.canaries.add("the proxy's password", &password);
    let refusing = RawServer::start(|_| "HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    let with_password = |url: &str| url.replace("://", &format!("://user:{password}@"));
    // The emulator answers instead of the proxy.
    let (proxy, refusing) = (with_password(&stage.emulator.url()), with_password(&refusing.url));
    let unreachable = with_password("http://127.0.0.1:9");
    for (domain, proxy) in [
        (stage.emulator.url(), &proxy),
        (stage.emulator.url(), &unreachable),
        (stage.emulator.url(), &refusing),
        ("https://acme.kinde.invalid".to_owned(), &proxy),
        ("https://acme.kinde.invalid".to_owned(), &refusing),
        ("https://acme.kinde.invalid".to_owned(), &unreachable),
    ] {
        let settings = settings_with(&stage.emulator, &[("KINDE_DOMAIN", &domain)]).proxy(proxy);
        stage.watch.show(&settings);
        let verifier = KindeVerifier::new(settings).unwrap();
        stage.watch.show(&verifier);
        stage.ask(&verifier).await;
        let health = verifier.check().await;
        stage.watch.show(&health);
    }
    assert!(stage.emulator.counters().verify_calls > 0);
    for proxy in [
        format!("socks5://user:{password}@127.0.0.1:9"),
        format!("http://user:{password}@127.0.0.1:9/path"),
        format!("http://user:{password}@127.0.0.1:99999"),
        format!("http://user:1/{password}@127.0.0.1:9"),
        format!("{password}://127.0.0.1:9"),
        format!("http://{password} {password}"),
        password.clone(),
    ] {
        let error = KindeVerifier::new(settings(&stage.emulator).proxy(proxy)).unwrap_err();
        stage.watch.show(&error);
        writeln!(stage.watch.shown, "{error}").unwrap();
    }
    stage.conclude(&["intercepts"]);
}

/// A verifier that holds its key while it panics, hangs and fails.
struct Rotten(AtomicBool);

#[async_trait]
impl Verifier for Rotten {
    async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
        tokio::task::yield_now().await;
        let _held = key.expose().len();
        match self.0.swap(true, Ordering::SeqCst) {
            false => panic!("a verifier's bug, on purpose, with {key:?}"),
            true => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn no_secret_shows_where_the_verifier_panics_or_hangs() {
    let mut stage = Stage::new().await;
    let authenticator =
        Authenticator::builder(Rotten(AtomicBool::default())).verification_timeout(SHORT).build().unwrap();
    stage.present(&authenticator).await;
    stage.conclude(&["the verifier panicked", "no answer within verification_timeout"]);
}
