//! What an instance says about the store of its fleet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apikey_core::fleet::{SharedSecrets, StoreError};
use apikey_core::{Authenticator, Clock};
use apikey_testkit::FakeVerifier;
use apikey_testkit::store::MemoryStore;
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::log::Log;

const SECRET: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";
const SECOND: Duration = Duration::from_secs(1);

/// The clock of a paused test.
#[derive(Debug)]
struct TokiosClock;

impl Clock for TokiosClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

fn instance(store: &MemoryStore) -> Authenticator {
    Authenticator::builder(FakeVerifier::new())
        .clock(Arc::new(TokiosClock))
        .verification_runtime(Handle::current())
        .shared(store.clone(), SharedSecrets::parse(SECRET).unwrap())
        .build()
        .unwrap()
}

/// An instance that is linked, and its own client of the store.
async fn linked() -> (Authenticator, MemoryStore) {
    let store = MemoryStore::new();
    let keys = instance(&store);
    sleep(SECOND * 3).await;
    (keys, store)
}

fn lines_with(lines: &str, text: &str) -> usize {
    lines.lines().filter(|line| line.contains(text)).count()
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_to_append_is_told_once() {
    let (log, _listening) = Log::listen().await;
    let (keys, store) = linked().await;
    let refused = StoreError::Misconfigured("the user lacks an ACL rule: +xadd".to_owned());
    log.take();
    for _ in 0..2 {
        store.set_fault_of_appends(refused.clone());
        drop(keys.remove_key_id("key_1"));
        sleep(SECOND / 2).await;
        assert_eq!(log.take().matches("does not hear").count(), 0, "most failures are over by then");
        sleep(SECOND * 30).await;
        let lines = log.take();
        assert_eq!(lines_with(&lines, "the user lacks an ACL rule: +xadd"), 1, "{lines}");
        assert_eq!(lines_with(&lines, "ERROR"), 1, "{lines}");
        store.set_fault_of_appends(None);
        sleep(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_now_and_then_is_told_once() {
    let (log, _listening) = Log::listen().await;
    let (_keys, store) = linked().await;
    log.take();
    // The instance is linked when all pulls have been answered for 2 s.
    store.begin_another_run();
    for _ in 0..40 {
        store.set_unavailable(true);
        sleep(SECOND).await;
        store.set_unavailable(false);
        sleep(SECOND / 2).await;
    }
    let lines = log.take();
    assert_eq!(lines_with(&lines, "WARN"), 1, "{lines}");
    sleep(SECOND * 3).await;
    assert_eq!(lines_with(&log.take(), "is linked"), 1);
}
