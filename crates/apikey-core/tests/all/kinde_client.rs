//! What Kinde receives from the client, and what the client does with every possible answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apikey_core::{
    Authenticator, FailureClass, Judgement, KindeSettings, KindeVerifier, MachineToMachine, Refusal, Verifier,
};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, KeySpecification, NegativeAnswer, ScriptedAnswer};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::*;

const ACCEPTED: &str = r#"{"is_valid":true,"status":"active","key_id":"api_key_1"}"#;

fn answer(status: u16, body: serde_json::Value) -> Fault {
    Fault::Answer(ScriptedAnswer::json(status, &body))
}

#[tokio::test]
async fn every_fault_of_kinde_has_its_class_and_ends_at_once() {
    let elsewhere = emulator().await;
    let target = format!("{}/api/v1/api_keys/verify", elsewhere.url());
    let overload = [
        Fault::status(429),
        Fault::TooManyRequests { rate_limit_reset: None, retry_after: None },
        Fault::TooManyRequests { rate_limit_reset: Some(3600), retry_after: Some(3600) },
        Fault::Answer(ScriptedAnswer::new(503, "").header("retry-after", "1")),
        Fault::Answer(ScriptedAnswer::new(503, "").header("retry-after", "soon")),
    ];
    let outage = [
        Fault::status(408),
        Fault::status(421),
        Fault::status(500),
        Fault::status(502),
        Fault::status(503),
        Fault::status(504),
        Fault::status(599),
        Fault::Status { status: 503, body: "<html>".repeat(1000) },
        Fault::StalledBody(ScriptedAnswer::new(503, "<html>")),
        Fault::Answer(ScriptedAnswer::new(503, "<html>".repeat(1 << 20))),
        Fault::Answer(ScriptedAnswer::new(503, "").header("ratelimit-reset", "1")),
        Fault::Reset,
        Fault::Close,
        Fault::RawGarbage,
        // Answers that are cut off: by their length, by their chunks, inside their head.
        Fault::Answer(ScriptedAnswer::new(200, ACCEPTED).header("content-length", "1000")),
        Fault::RawAnswer(
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n38\r\n{ACCEPTED}").into(),
        ),
        Fault::RawAnswer(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()),
        Fault::RawAnswer(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Fault::RawAnswer(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}".to_vec()),
    ];
    let unjudged = [
        Fault::status(400),
        Fault::status(402),
        Fault::status(410),
        Fault::status(422),
        Fault::status(425),
        Fault::Answer(ScriptedAnswer::new(401, "")),
        Fault::Answer(ScriptedAnswer::new(403, "<html>")),
        Fault::Answer(ScriptedAnswer::new(404, "<html>")),
        Fault::Answer(ScriptedAnswer::new(404, " ".repeat(1 << 20))),
        Fault::Status { status: 201, body: ACCEPTED.to_owned() },
        Fault::Status { status: 204, body: String::new() },
        Fault::Garbage,
        Fault::Empty,
        Fault::HugeBody(200 << 20),
        // JSON with other members than expected.
        answer(200, json!({})),
        answer(200, json!({"is_valid": "true", "status": "active", "key_id": "k"})),
        answer(200, json!({"is_valid": true, "status": "active"})),
        answer(200, json!(["", "", true, "api_key_1", "active", [], null, null, null, null])),
        Fault::Status { status: 200, body: format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)) },
    ];
    let set_up = [
        Fault::status(404),
        Fault::status(405),
        answer(403, json!({"errors": [{"code": "SCOPE_MISSING"}]})),
        Fault::Redirect(target.clone()),
        Fault::Answer(ScriptedAnswer::new(307, "").header("location", target.clone())),
        Fault::Answer(ScriptedAnswer::new(308, ACCEPTED).header("location", target)),
        Fault::StalledBody(ScriptedAnswer::new(302, "<html>")),
    ];
    let service_refused = [Fault::status(401), Fault::status(403)];
    let emulator = emulator().await;
    let key_ = reader(&emulator);
    let cases = [
        (overload.as_slice(), FailureClass::Overload),
        (outage.as_slice(), FailureClass::Outage),
        (unjudged.as_slice(), FailureClass::Unjudged),
        (set_up.as_slice(), FailureClass::SetUp),
        (service_refused.as_slice(), FailureClass::ServiceRefused),
    ];
    for (faults, class) in cases {
        for fault in faults {
            let verifier = kinde(&emulator);
            emulator.reset_counters();
            emulator.set_fault(Endpoint::Verify, Some(fault.clone()));
            let error = verifier.verify(&key(&key_.secret)).await.unwrap_err();
            assert_eq!(error.class(), class, "{fault:?}: {error}");
            let text = error.to_string();
            assert!(text.len() < 400 && !text.contains('<'), "{text}");
            emulator.set_fault(Endpoint::Verify, None);
            assert_eq!(kind(&verifier.verify(&key(&key_.secret)).await), "accepted", "right after {fault:?}");
            assert!(emulator.counters().token_calls <= 2, "{fault:?}");
        }
    }
    assert_eq!(elsewhere.counters().connections, 0, "redirects are not followed");
}

#[tokio::test]
async fn a_setting_is_named_for_whatever_is_set_up_wrong() {
    let emulator = emulator().await;
    let key_ = reader(&emulator);
    for (fault, names) in [
        (Fault::status(401), "KINDE_MANAGEMENT_AUDIENCE"),
        (answer(403, json!({"errors": [{"code": "SCOPE_MISSING", "message": "m"}]})), "read:api_keys"),
        (Fault::status(404), "KINDE_DOMAIN"),
        (Fault::Redirect("/elsewhere".to_owned()), "KINDE_DOMAIN"),
        (Fault::status(405), "KINDE_DOMAIN"),
    ] {
        emulator.set_fault(Endpoint::Verify, Some(fault.clone()));
        let error = kinde(&emulator).verify(&key(&key_.secret)).await.unwrap_err();
        assert!(error.to_string().contains(names), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn a_wrong_or_silent_host_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for url in [format!("http://{address}"), format!("https://{address}")] {
        let verifier = KindeVerifier::new(KindeSettings::new(url).without_token()).unwrap();
        assert_eq!(kind(&verifier.verify(&key("k_live_1")).await), "unavailable");
    }
    // The client speaks TLS to a host that does not.
    let emulator = emulator().await;
    let url = emulator.url().replace("http://", "https://");
    let verifier = KindeVerifier::new(KindeSettings::new(url).without_token()).unwrap();
    assert_eq!(kind(&verifier.verify(&key("k_live_1")).await), "unavailable");
    assert_eq!(emulator.counters().verify_calls, 0);
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_within_the_budget() {
    let emulator = emulator().await;
    let key_ = reader(&emulator);
    for fault in [Fault::Latency(Duration::from_millis(20)), Fault::SlowBody(Duration::from_micros(10))] {
        emulator.set_fault(Endpoint::Verify, Some(fault));
        assert_eq!(told(&uncached(&emulator).verify(key(&key_.secret)).await), key_.key_id);
    }
}

/// The sorted header names of a request, and its body.
fn parts(request: &str) -> (&str, Vec<(String, String)>, &str) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let (line, fields) = head.split_once("\r\n").unwrap();
    let mut fields: Vec<(String, String)> = fields
        .lines()
        .map(|field| field.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    fields.sort();
    (line, fields, body)
}

#[tokio::test]
async fn kinde_sees_the_key_the_token_and_nothing_else() {
    let server = RawServer::start(|request| {
        ok(if request.starts_with("POST /oauth2/token") { r#"{"access_token":"abc.def"}"# } else { ACCEPTED })
    })
    .await;
    let settings =
        KindeSettings::new(&server.url).machine_to_machine(MachineToMachine::new("an id", "a secret"));
    let verifier = KindeVerifier::new(settings).unwrap();
    let longest = "k".repeat(512);
    for secret in ["k_live_1234567890abcdef", "A-Z.a_z~0+9/==", "0", &longest] {
        assert_eq!(kind(&verifier.verify(&key(secret)).await), "accepted");
        let request = server.requests().pop().unwrap();
        let (line, fields, body) = parts(&request);
        assert_eq!(line, "POST /api/v1/api_keys/verify HTTP/1.1");
        assert_eq!(body, format!(r#"{{"api_key":"{secret}"}}"#));
        let expected = [
            ("accept", "application/json".to_owned()),
            ("authorization", "Bearer abc.def".to_owned()),
            ("content-length", body.len().to_string()),
            ("content-type", "application/json".to_owned()),
            ("host", server.url.trim_start_matches("http://").to_owned()),
            ("user-agent", format!("apikey-core/{}", env!("CARGO_PKG_VERSION"))),
        ];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value)));
    }
}

#[tokio::test]
async fn without_a_token_no_authorization_is_sent_and_none_is_fetched() {
    let server = RawServer::start(|_| ok(ACCEPTED)).await;
    let verifier = KindeVerifier::new(KindeSettings::new(&server.url).without_token()).unwrap();
    assert_eq!(kind(&verifier.verify(&key("k_live_1")).await), "accepted");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    let (line, fields, body) = parts(&requests[0]);
    assert_eq!((line, body), ("POST /api/v1/api_keys/verify HTTP/1.1", r#"{"api_key":"k_live_1"}"#));
    assert!(fields.iter().all(|(name, _)| name != "authorization"), "{fields:?}");

    let emulator = Emulator::builder().without_authentication().start().await.unwrap();
    let verifier = KindeVerifier::new(KindeSettings::new(emulator.url()).without_token()).unwrap();
    assert_eq!(kind(&verifier.verify(&key(&reader(&emulator).secret)).await), "accepted");
    assert_eq!(emulator.counters().token_calls, 0);
}

#[tokio::test]
async fn where_kinde_wants_a_token_after_all_the_settings_are_named() {
    let emulator = emulator().await;
    let verifier = KindeVerifier::new(KindeSettings::new(emulator.url()).without_token()).unwrap();
    let error = verifier.verify(&key(&reader(&emulator).secret)).await.unwrap_err();
    assert!(is_set_up(&error), "{error}");
    for name in ["KINDE_MANAGEMENT_CLIENT_ID", "KINDE_MANAGEMENT_CLIENT_SECRET"] {
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn a_refused_key_is_told_in_every_style_and_costs_no_token() {
    let emulator = emulator().await;
    let verifier = kinde(&emulator);
    let revoked = emulator.create_key(KeySpecification::new("revoked").status("revoked"));
    let inactive = emulator.create_key(KeySpecification::new("inactive").status("inactive"));
    for style in [NegativeAnswer::Ok200, NegativeAnswer::Error400, NegativeAnswer::Error401] {
        emulator.set_negative_answer(style);
        for (secret, expected) in [
            ("k_live_nobodys", Refusal::Invalid),
            (&revoked.secret, Refusal::Revoked),
            (&inactive.secret, Refusal::Inactive),
        ] {
            let said = verifier.verify(&key(secret)).await;
            assert_eq!(said, Ok(Judgement::refused(expected)), "{style:?}");
        }
    }
    assert_eq!(emulator.counters().token_calls, 1);
}

#[tokio::test]
async fn all_that_kinde_tells_of_a_key_arrives() {
    let emulator = emulator().await;
    let issued = emulator.create_key(
        KeySpecification::new("both")
            .scopes(["read:users", "write:users"])
            .organization("org_1")
            .user("kp_1"),
    );
    let authenticator = uncached(&emulator);
    let verified = authenticator.verify(key(&issued.secret)).await.unwrap();
    assert_eq!(verified.key_id(), issued.key_id);
    assert_eq!(verified.scopes().collect::<Vec<_>>(), ["read:users", "write:users"]);
    assert_eq!((verified.organization_code(), verified.user_id()), (Some("org_1"), Some("kp_1")));
    assert_eq!(
        (verified.verification().code(), verified.verification().message()),
        (Some("API_KEY_VERIFIED"), Some("API key verified"))
    );
    assert_eq!(verified.verification().verification_count(), Some(1));
    assert!(!verified.is_from_cache());
    let again = authenticator.verify(key(&issued.secret)).await.unwrap();
    assert!(again.verification().last_verified_at().is_some(), "{again:?}");
}

/// Writes without end, and counts the bytes until the client hangs up.
async fn endless(head: &'static str, filler: Vec<u8>) -> (String, tokio::task::JoinHandle<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await.unwrap();
        let mut taken = 0;
        stream.write_all(head.as_bytes()).await.unwrap();
        while stream.write_all(&filler).await.is_ok() {
            taken += filler.len() as u64;
            if taken > 200 << 20 {
                break;
            }
        }
        taken
    });
    (url, server)
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let spaces = || vec![b' '; 16 * 1024];
    let fields = || {
        b"x-field: value
"
        .repeat(1024)
    };
    for (head, filler) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 209715200\r\n\r\n", spaces()),
        ("HTTP/1.1 200 OK\r\n\r\n", spaces()),
        ("HTTP/1.1 503 No\r\ncontent-length: 209715200\r\n\r\n", spaces()),
        // The head never ends.
        ("HTTP/1.1 200 OK\r\n", fields()),
        ("HTTP/1.1 200 OK\r\nx: ", spaces()),
        ("HTTP/1.1 200 ", spaces()),
    ] {
        let (url, server) = endless(head, filler).await;
        let verifier = KindeVerifier::new(KindeSettings::new(url).without_token()).unwrap();
        let said = verifier.verify(&key("k_live_1")).await;
        assert_eq!(kind(&said), "unavailable", "{head:?}");
        let taken = server.await.unwrap();
        // Bytes in the sockets' buffers count, too.
        assert!(taken < 32 << 20, "{taken} bytes after {head:?}");
    }
}

#[tokio::test]
async fn a_huge_answer_ends_at_the_emulator_before_it_was_sent() {
    let emulator = emulator().await;
    emulator.set_fault(Endpoint::Verify, Some(Fault::HugeBody(usize::MAX)));
    let verifier = kinde(&emulator);
    assert_eq!(kind(&verifier.verify(&key("k_live_1")).await), "unavailable");
    let counters = emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
    assert_eq!(counters.verify_calls, 1);
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_budget() {
    let emulator = emulator().await;
    let key_ = reader(&emulator);
    emulator.set_fault(Endpoint::Verify, Some(Fault::SlowBody(Duration::from_millis(20))));
    let authenticator = Authenticator::builder(kinde(&emulator)).verification_timeout(SHORT).build().unwrap();
    let denial = authenticator.verify(key(&key_.secret)).await.unwrap_err();
    assert_eq!((denial.status(), denial.code().as_str()), (503, "VERIFICATION_UNAVAILABLE"));
    emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
    assert_eq!(authenticator.cached_keys(), 0);
}

/// The emulator has another runtime, so all tasks of this one belong to the client.
#[test]
fn a_kinde_that_hangs_leaves_no_task_behind() {
    let stage = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = stage.block_on(emulator());
    let keys = readers(&emulator, 20);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let authenticator = Authenticator::builder(kinde(&emulator))
            .verification_timeout(SHORT)
            .circuit_breaker(false)
            .build()
            .unwrap();
        // From here on, the pool and its background task exist.
        assert_eq!(told(&authenticator.verify(key(&keys[0].secret)).await), keys[0].key_id);
        authenticator.clear();
        emulator.set_fault(Endpoint::Verify, Some(Fault::Hang));
        let mut tasks = JoinSet::new();
        for issued in &keys {
            let (authenticator, key) = (authenticator.clone(), key(&issued.secret));
            tasks.spawn(async move { told(&authenticator.verify(key).await) });
        }
        for answer in tasks.join_all().await {
            assert_eq!(answer, "VERIFICATION_UNAVAILABLE");
        }
        emulator.wait_until(|counters| counters.verifications_in_flight == 0).await;
        let metrics = tokio::runtime::Handle::current().metrics();
        eventually("only the pool's caretaker and an idle connection are left", || {
            metrics.num_alive_tasks() <= 2
        })
        .await;

        emulator.set_fault(Endpoint::Verify, None);
        assert_eq!(told(&authenticator.verify(key(&keys[0].secret)).await), keys[0].key_id, "recovered");
        drop(authenticator);
        eventually("nothing is left", || metrics.num_alive_tasks() == 0).await;
    });
}

fn on(runtime: &mut tokio::runtime::Builder) {
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        let emulator = emulator().await;
        let issued = reader(&emulator);
        let authenticator = authenticator(&emulator);
        assert_eq!(told(&authenticator.verify(key(&issued.secret)).await), issued.key_id);
        assert_eq!(told(&authenticator.verify(key("k_live_nobodys")).await), "INVALID_KEY");
    });
}

#[test]
fn both_kinds_of_runtime_will_do() {
    on(&mut tokio::runtime::Builder::new_current_thread());
    on(tokio::runtime::Builder::new_multi_thread().worker_threads(2));
}

/// In actix-web, each worker has a runtime of its own, and all share one authenticator.
#[test]
fn a_runtime_that_is_gone_takes_its_connections_alone() {
    let stage = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = stage.block_on(emulator());
    let issued = reader(&emulator);
    let authenticator = uncached(&emulator);
    for _ in 0..5 {
        let worker = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for _ in 0..3 {
            assert_eq!(
                worker.block_on(async { told(&authenticator.verify(key(&issued.secret)).await) }),
                issued.key_id
            );
        }
    }
    assert_eq!(emulator.counters().token_calls, 1);
}

/// Polls once, by hand, without a runtime.
fn polled<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn what_is_cached_is_answered_without_a_runtime() {
    let (fake, calls) = Fake::new(anyone);
    let authenticator = patient(fake).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(authenticator.verify(key("k_live_1"))).unwrap();
    drop(runtime);
    assert_eq!(told(&polled(authenticator.verify(key("k_live_1"))).unwrap()), "k_live_1");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// A process has one set of environment variables. So a child process runs this same test with a mark in its
/// environment.
#[test]
fn no_proxy_variable_matters_for_loopback() {
    const MARK: &str = "APIKEY_CORE_TESTS_PROXY";
    if std::env::var_os(MARK).is_none() {
        let proxy = "http://user:password@127.0.0.1:9";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "kinde_client::no_proxy_variable_matters_for_loopback"]).env(MARK, "1");
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            child.env(name, proxy).env(name.to_ascii_uppercase(), proxy);
        }
        let output = child.env("no_proxy", "").env("NO_PROXY", "").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    on(&mut tokio::runtime::Builder::new_current_thread());
}

#[tokio::test]
async fn a_connection_that_kinde_closed_while_idle_costs_no_answer() {
    let served = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::clone(&served);
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // It closes each connection after one answer, without announcing it.
            if read_request(&mut stream).await.is_some() {
                stream.write_all(ok(ACCEPTED).as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let verifier = KindeVerifier::new(KindeSettings::new(url).without_token()).unwrap();
    for served_so_far in 1..=20 {
        assert_eq!(kind(&verifier.verify(&key("k_live_1")).await), "accepted");
        eventually("the server has hung up", || served.load(Ordering::SeqCst) == served_so_far).await;
    }
    server.abort();
}
