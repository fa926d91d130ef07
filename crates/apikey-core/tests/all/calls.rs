//! Every call to Kinde is counted once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apikey_core::{Authenticator, VerifierError};
use apikey_testkit::emulator::{Endpoint, Fault, Gate};
use tokio::runtime::Handle;

use crate::support::*;

/// Fails as often as the number at the end of the key says: `outage2` twice.
fn fails(calls: Arc<AtomicU64>) -> impl Fn(String) -> Said + Send + Sync + 'static {
    move |key| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        if call >= key[key.len() - 1..].parse().unwrap() {
            return anyone(key);
        }
        Box::pin(async move {
            Err(match key.starts_with("outage") {
                true => VerifierError::outage("no answer"),
                false => VerifierError::overload("busy").with_retry_after(Duration::from_millis(100)),
            })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn retries_are_the_calls_beyond_the_first() {
    for secret in ["outage0", "outage1", "outage2", "outage9", "busy0", "busy1", "busy2", "busy9"] {
        let (fake, calls) = Fake::new(fails(Arc::default()));
        let keys = Authenticator::builder(fake).verification_runtime(Handle::current()).build().unwrap();
        let _answer = keys.verify(key(secret)).await;
        let calls = calls.load(Ordering::SeqCst) as u64;
        assert!(calls > 0);
        assert_eq!(keys.statistics().total("apikey.retries", &[]), calls - 1, "{secret}");
    }
}

#[tokio::test]
async fn a_question_that_a_purge_repeats_counts_as_a_retry() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let keys = authenticator(&emulator);
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let asking = tokio::spawn({
        let (keys, secret) = (keys.clone(), issued.secret.clone());
        async move { keys.verify(key(&secret)).await }
    });
    emulator.wait_until(|counters| counters.verify_calls == 1).await;
    keys.clear();
    gate.open();
    assert_eq!(told(&asking.await.unwrap()), issued.key_id);
    assert_eq!(emulator.counters().verify_calls, 2);
    assert_eq!(keys.statistics().total("apikey.retries", &[]), 1);
}
