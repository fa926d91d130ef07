use std::collections::BTreeSet;
use std::fs::{File, read_to_string};
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use apikey_core::{Authenticator, ConfigError, PlainRequest, Policy, Refusal, Verification, VerifierError};
use apikey_testkit::FakeVerifier;
use serde_json::{Value, json};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A path that no other test uses. What is there is removed at the end.
struct Path(PathBuf);

impl Path {
    fn new(name: &str) -> Self {
        let path = Self(std::env::temp_dir().join(format!("apikey-audit-{}-{name}", std::process::id())));
        path.remove();
        path
    }

    fn fifo(name: &str) -> Self {
        let path = Self::new(name);
        assert!(Command::new("mkfifo").arg(&path.0).status().unwrap().success());
        path
    }

    fn remove(&self) {
        let _not_there = std::fs::remove_file(&self.0);
    }

    fn log(&self, events: AuditedEvents) -> Result<Arc<AuditLog>, ConfigError> {
        let target = self.0.to_str().unwrap().to_owned();
        AuditLog::open(&AuditSettings { target, events }).map(Arc::new)
    }

    fn lines(&self) -> Vec<Value> {
        read_to_string(&self.0).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.remove();
    }
}

fn keys(log: &Arc<AuditLog>) -> Authenticator {
    let good = Verification::active("api_key_1")
        .with_scopes(["read:users"])
        .with_organization("org_1")
        .with_user("kp_1");
    let fake = FakeVerifier::new()
        .with_key("secret_good", good)
        .with_refusal("secret_bad", Refusal::Revoked)
        .with_failure("secret_odd", VerifierError::unjudged("odd"));
    Authenticator::builder(fake).observer(Arc::clone(log) as _).build().unwrap()
}

async fn present(keys: &Authenticator, policy: &Policy, key: Option<&str>) -> Option<String> {
    let request =
        PlainRequest::new().with_peer("192.0.2.77".parse().unwrap()).with_header("x-request-id", "request-1");
    let request = match key {
        Some(key) => request.with_header("authorization", format!("Bearer {key}")),
        None => request,
    };
    let decided = keys.gate(policy).decide(keys.begin(&request), &request, |key| key).wait().await;
    decided.ok().map(|key| key.key_id().to_owned())
}

/// An accepted key twice, three kinds of refusals, and a purge.
async fn everything(log: &Arc<AuditLog>) {
    let keys = keys(log);
    for key in [Some("secret_good"), Some("secret_good"), Some("secret_bad"), Some("secret_odd"), None] {
        present(&keys, &Policy::any_key(), key).await;
    }
    keys.remove_key_id("api_key_1");
}

async fn written(events: AuditedEvents, name: &str) -> Vec<Value> {
    let path = Path::new(name);
    let log = path.log(events).unwrap();
    everything(&log).await;
    assert!(log.is_written_within(PATIENCE));
    assert_eq!(log.dropped_events(), 0);
    path.lines()
}

fn summary(line: &Value) -> String {
    let word = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
    [word("event"), word("outcome"), word("code"), word("result"), word("source"), word("by")].join(" ")
}

#[tokio::test]
async fn denials_changes_and_accepted_keys_are_the_default() {
    let settings = AuditSettings::read(Some("log".to_owned()), None).unwrap().unwrap();
    let lines = written(settings.events, "denials").await;
    assert_eq!(
        lines.iter().map(summary).collect::<Vec<_>>(),
        [
            "verification - - accepted - -",
            "decision denied KEY_REVOKED - verified -",
            "decision denied VERIFICATION_UNAVAILABLE - verified -",
            "decision denied MISSING_KEY - - -",
            "purge - - - - key_id",
        ]
    );
}

#[tokio::test]
async fn all_has_every_decision_and_verification() {
    let settings = AuditSettings::read(Some("log".to_owned()), Some("all")).unwrap().unwrap();
    let lines = written(settings.events, "all").await;
    assert_eq!(
        lines.iter().map(summary).collect::<Vec<_>>(),
        [
            "verification - - accepted - -",
            "decision accepted - - verified -",
            "decision accepted - - hit -",
            "verification - - refused - -",
            "decision denied KEY_REVOKED - verified -",
            "verification - - unjudged - -",
            "decision denied VERIFICATION_UNAVAILABLE - verified -",
            "decision denied MISSING_KEY - - -",
            "purge - - - - key_id",
        ]
    );
}

#[test]
fn off_writes_nothing() {
    for target in [None, Some("log".to_owned())] {
        assert_eq!(AuditSettings::read(target, Some("off")), Ok(None));
    }
    assert_eq!(AuditSettings::read(None, None), Ok(None));
    let error = AuditSettings::read(None, Some("all")).unwrap_err().to_string();
    assert!(error.starts_with("AUDIT: set AUDIT_LOG"), "{error}");
}

#[tokio::test]
async fn a_line_says_who_was_refused_where_and_why() {
    let path = Path::new("fields");
    let log = path.log(AuditedEvents::Denials).unwrap();
    let keys = keys(&log);
    let policy = Policy::organization_key().and("admin");
    assert_eq!(present(&keys, &policy, Some("secret_good")).await, None);
    keys.remove_organization("org_1");
    assert!(log.is_written_within(PATIENCE));
    let mut lines = path.lines();
    for line in &mut lines {
        let time = line["time"].take();
        let time = time.as_str().unwrap();
        assert!(time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z'), "{time}");
        assert!(time.parse::<jiff::Timestamp>().unwrap() <= jiff::Timestamp::now());
        for duration in ["age_seconds", "duration_seconds"] {
            if let Some(duration) = line.get_mut(duration) {
                assert!(duration.take().as_f64().unwrap() < 20.0);
            }
        }
    }
    let owner = json!({"key_id": "api_key_1", "organization_code": "org_1", "user_id": "kp_1"});
    let with_owner = |mut line: Value| {
        line.as_object_mut().unwrap().extend(owner.as_object().unwrap().clone());
        line
    };
    let accepted =
        json!({"time": null, "event": "verification", "result": "accepted", "duration_seconds": null});
    let denied = json!({
        "time": null, "event": "decision", "outcome": "denied", "code": "INSUFFICIENT_SCOPE", "source": "verified",
        "age_seconds": null, "policy": "organization key and admin", "request_id": "request-1", "client": "192.0.2.77",
    });
    let purged = json!({"time": null, "event": "purge", "by": "organization", "name": "org_1", "removed": 1});
    assert_eq!(lines, [with_owner(accepted), with_owner(denied), purged]);
}

#[tokio::test]
async fn no_line_has_a_secret() {
    for (events, name) in [(AuditedEvents::Denials, "secret-1"), (AuditedEvents::All, "secret-2")] {
        let lines = written(events, name).await;
        assert!(!lines.is_empty() && lines.iter().all(|line| !line.to_string().contains("secret")));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_log_is_its_owners_alone_and_is_continued() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = Path::new("mode");
    for runs in 1..=2 {
        let log = path.log(AuditedEvents::Denials).unwrap();
        everything(&log).await;
        assert!(log.is_written_within(PATIENCE));
        assert_eq!(path.lines().len(), 5 * runs);
    }
    assert_eq!(std::fs::metadata(&path.0).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_log_that_can_not_be_opened_is_named() {
    for target in ["/", "/no/such/folder/audit.log", ""] {
        let settings = AuditSettings { target: target.to_owned(), events: AuditedEvents::All };
        let error = AuditLog::open(&settings).unwrap_err();
        assert_eq!(error.setting(), "AUDIT_LOG", "{target}");
        assert!(error.to_string().contains(target), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn every_event_that_a_full_disk_refuses_is_counted() {
    let settings = AuditSettings { target: "/dev/full".to_owned(), events: AuditedEvents::All };
    let log = Arc::new(AuditLog::open(&settings).unwrap());
    everything(&log).await;
    assert!(log.is_written_within(PATIENCE));
    assert_eq!(log.dropped_events(), 9);
}

#[cfg(unix)]
#[tokio::test]
async fn a_fifo_without_a_reader_blocks_no_request() {
    let path = Path::fifo("fifo");
    let log = path.log(AuditedEvents::All).unwrap();
    let keys = keys(&log);
    // Four times of what the queue and the FIFO hold together.
    let decisions = 4 * LONGEST_QUEUE as u64;
    for _ in 0..decisions {
        assert!(present(&keys, &Policy::any_key(), Some("secret_good")).await.is_some());
    }
    assert!(!log.is_written_within(Duration::from_millis(1)));
    // Nobody has read anything, so the queue has been full since, and the counter stands still.
    let dropped = log.dropped_events();
    assert!(dropped > decisions / 2, "{dropped}");

    let events = decisions + 1; // and the verification
    let mut fifo = File::open(&path.0).unwrap();
    let mut text = Vec::new();
    let mut lines = 0;
    while lines < events - dropped {
        let mut piece = [0; 65_536];
        let length = fifo.read(&mut piece).unwrap();
        lines += piece[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
        text.extend_from_slice(&piece[..length]);
    }
    assert!(log.is_written_within(PATIENCE));
    assert_eq!((lines, log.dropped_events()), (events - dropped, dropped));
    assert!(
        text.split_inclusive(|byte| *byte == b'\n').all(|line| serde_json::from_slice::<Value>(line).is_ok())
    );
}

/// Takes this many bytes at each call, and fails if there are none left.
struct Pieces(Vec<usize>, Arc<Mutex<Vec<u8>>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = if self.0.is_empty() { bytes.len() } else { self.0.remove(0).min(bytes.len()) };
        self.1.lock().unwrap().extend_from_slice(&bytes[..length]);
        if length == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(length) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_was_cut_off_ends_before_the_next_one() {
    let text = Arc::default();
    // The first line is cut off, the second one can't even end it, the third one comes in two parts.
    let mut sink = Sink::new(Pieces(vec![3, 0, 0, 1, 2], Arc::clone(&text)));
    assert!(sink.write_line(b"first\n").is_err());
    assert!(sink.write_line(b"second\n").is_err());
    assert!(sink.write_line(b"third\n").is_ok());
    assert!(sink.write_line(b"fourth\n").is_ok());
    assert_eq!(String::from_utf8_lossy(&text.lock().unwrap()), "fir\nthird\nfourth\n");
}

#[test]
fn losses_are_logged_once_a_minute() {
    let (mut log, start) = (LossLog::default(), Instant::now());
    assert!(!log.is_due(0, start), "nothing is lost");
    let logged: BTreeSet<u64> =
        (0..200).filter(|second| log.is_due(second + 1, start + Duration::from_secs(*second))).collect();
    assert_eq!(logged, BTreeSet::from([0, 60, 120, 180]));
    assert!(!log.is_due(181, start + Duration::from_secs(1000)), "no more are lost");
}
