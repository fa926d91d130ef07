//! What an operator sees of the reference servers: `METRICS_LISTEN`, `AUDIT_LOG` and `AUDIT`.
#![cfg(unix)]

mod binding;
mod ocsf;
mod schema;
mod server;
mod webhooks;

use apikey_testkit::raw;
use serde_json::Value;
use server::{CLIENT, SERVERS, Server, request};
use std::fs::{File, read_to_string};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The media type of Prometheus' text.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A path that is removed at the end.
struct Path(PathBuf);

impl Path {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("apikey-observed-{}-{name}", std::process::id())))
    }

    fn setting(&self) -> (&'static str, String) {
        ("AUDIT_LOG", self.0.display().to_string())
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _not_there = std::fs::remove_file(&self.0);
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"))).collect()
}

fn count(lines: &[Value], fields: &[(&str, &str)]) -> u64 {
    lines.iter().filter(|line| fields.iter().all(|(name, value)| line[name] == *value)).count() as u64
}

#[tokio::test]
async fn metrics_are_on_their_own_listener_alone() {
    for package in SERVERS {
        let server = Server::start(package, &[]).await;
        let get = raw::get("/metrics", &[]);
        let metrics = raw::exchange(server.metrics, &get).await.unwrap();
        assert_eq!(metrics.status, 200, "{package}");
        assert_eq!(metrics.header("content-type"), Some(PROMETHEUS), "{package}");
        assert!(metrics.body_text().contains("apikey_breaker_state{state=\"closed\"} 1\n"), "{package}");
        assert_eq!(raw::exchange(server.api, &get).await.unwrap().status, 404, "{package}");
        for path in ["/health", "/api/data"] {
            let not_here = raw::exchange(server.metrics, &raw::get(path, &[])).await.unwrap();
            assert_eq!(not_here.status, 404, "{package} {path}");
        }
        server.running.terminate().await.unwrap();
    }
}

/// Accepted, from the cache, refused in each way, and without a key.
const TRAFFIC: &[(&str, Option<&str>, u16)] = &[
    ("/api/org", Some("k_live_organization"), 200),
    ("/api/org", Some("k_live_organization"), 200),
    ("/api/org", Some("k_live_user"), 403),
    ("/api/data", Some("k_live_organization"), 403),
    ("/api/data", Some("k_live_revoked"), 401),
    ("/api/data", Some("k_live_nobody"), 401),
    ("/api/data", None, 401),
    ("/api/optional", None, 200),
];

#[tokio::test]
async fn denials_and_accepted_keys_are_audited_without_secrets() {
    for package in SERVERS {
        let path = Path::new(&format!("{package}.log"));
        let server = Server::start(package, &[path.setting()]).await;
        for (path, key, status) in TRAFFIC {
            let response = raw::exchange(server.api, &request(path, *key)).await.unwrap();
            assert_eq!(response.status, *status, "{package} {path} {key:?}");
        }
        let metrics = server.metrics_when(|_| true).await;
        let mut secrets = server.emulator.issued_tokens();
        secrets.push(server.emulator.client_secret().to_owned());
        secrets.push("k_live_".to_owned());
        server.running.terminate().await.unwrap();

        let text = read_to_string(&path.0).unwrap();
        let lines = lines(&text);
        let refused = count(&lines, &[("event", "decision"), ("outcome", "denied")]);
        assert_eq!(refused, 5, "{package}: {text}");
        let accepted = count(&lines, &[("event", "verification"), ("result", "accepted")]);
        assert_eq!(accepted, 2, "{package}: {text}");
        let renewals = count(&lines, &[("event", "token_renewal")]);
        assert_eq!(renewals, metrics.total("apikey_token_renewals_total", ""), "{package}: {text}");
        assert_eq!(lines.len() as u64, refused + accepted + renewals, "{package}: {text}");
        let counted = [
            metrics.total("apikey_decisions_total", "outcome=\"denied\""),
            metrics.total("apikey_verification_duration_seconds_count", "result=\"accepted\""),
        ];
        assert_eq!(counted, [refused, accepted], "{package}: {}", metrics.0);
        assert_eq!(metrics.dropped(), 0, "{package}");

        let refused = lines.iter().find(|line| line["code"] == "INSUFFICIENT_SCOPE").unwrap();
        for (field, value) in [
            ("policy", "read:users"),
            ("key_id", "api_key_organization"),
            ("organization_code", "org_acme"),
            ("client", CLIENT),
            ("request_id", "request-1"),
            ("source", "hit"),
        ] {
            assert_eq!(refused[field], value, "{package}: {refused}");
        }
        for secret in &secrets {
            assert!(!text.contains(secret) && !metrics.0.contains(secret), "{package} tells {secret}");
        }
        // Kinde's own host may be in a metric. Here it is on the same machine as the peer.
        let metrics = metrics.0.replace("server_address=\"127.0.0.1\"", "");
        for name in ["api_key_", "org_acme", "kp_alice", CLIENT, "127.0.0.1", "/api/", "request-1"] {
            assert!(!metrics.contains(name), "{package}: {name} is in a metric");
        }
        for name in ["api_key_organization", "api_key_user", "org_acme", "kp_alice"] {
            assert!(text.contains(name), "{package}: {name} is not in the audit log");
        }
    }
}

/// The requests of each connection. Together they are more than the queue and a FIFO hold.
const ROUND: usize = 1_500;
const CONNECTIONS: usize = 4;

/// Presents a good key, many times and on several connections at once. Every request must be answered.
async fn flood(server: &Server, requests: usize) {
    let mut floods = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = server.connect().await;
        floods.push(tokio::spawn(async move {
            let request = request("/api/data", Some("k_live_reader"));
            for _ in 0..requests {
                connection.send(&request).await.unwrap();
                assert_eq!(connection.read_response(false).await.unwrap().status, 200);
            }
        }));
    }
    for flood in floods {
        flood.await.unwrap();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_makes_no_request_wait_and_is_counted() {
    for package in SERVERS {
        let settings = [("AUDIT_LOG", "/dev/full".to_owned()), ("AUDIT", "all".to_owned())];
        let server = Server::start(package, &settings).await;
        flood(&server, ROUND / 4).await;
        let metrics = server.metrics_when(|metrics| metrics.dropped() == metrics.events()).await;
        assert_eq!(metrics.dropped(), metrics.events(), "{package}: nothing was written");
        let decisions = (CONNECTIONS * ROUND / 4) as u64;
        assert_eq!(metrics.total("apikey_decisions_total", "outcome=\"accepted\""), decisions, "{package}");
        server.running.terminate().await.unwrap();
    }
}

#[tokio::test]
async fn a_fifo_that_nobody_reads_makes_no_request_wait() {
    for package in SERVERS {
        let path = Path::new(&format!("{package}.fifo"));
        assert!(Command::new("mkfifo").arg(&path.0).status().unwrap().success());
        let server = Server::start(package, &[path.setting(), ("AUDIT", "all".to_owned())]).await;
        flood(&server, ROUND).await;
        let before = server.metrics_when(|metrics| metrics.dropped() > 0).await;
        assert!(before.dropped() > 0, "{package}: the queue is not full");
        // From now on, each request is answered beside a full queue, and its event is dropped.
        flood(&server, 25).await;
        let after = server.metrics_when(|_| true).await;
        assert_eq!(after.dropped(), before.dropped() + 25 * CONNECTIONS as u64, "{package}");

        let mut fifo = File::open(&path.0).unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            fifo.read_to_string(&mut text).map(|_| text)
        });
        // What is queued is written before the server ends, and then the reader ends.
        server.running.terminate().await.unwrap();
        let lines = lines(&reader.join().unwrap().unwrap());
        assert_eq!(lines.len() as u64, after.events() - after.dropped(), "{package}");
        assert!(count(&lines, &[("event", "decision"), ("outcome", "accepted"), ("source", "hit")]) > 4_000);
    }
}

/// What `promtool check metrics` finds wrong. The environment variable `PROMTOOL` names the program, which is in Debian's
/// package prometheus.
fn promtool_complaints(metrics: &str) -> String {
    let program = std::env::var_os("PROMTOOL").unwrap_or("promtool".into());
    let mut promtool = Command::new(program);
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().expect("PROMTOOL names promtool");
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let ended = if output.status.success() { String::new() } else { output.status.to_string() };
    format!("{}{ended}", String::from_utf8_lossy(&said))
}

#[tokio::test]
#[ignore = "it needs promtool"]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    for package in SERVERS {
        let server = Server::start(package, &[]).await;
        for (path, key, _) in TRAFFIC {
            raw::exchange(server.api, &request(path, *key)).await.unwrap();
        }
        let metrics = server.metrics_when(|_| true).await;
        assert_eq!(promtool_complaints(&metrics.0), "", "{package}:\n{}", metrics.0);
        server.running.terminate().await.unwrap();
    }
}
