//! Every call to Kinde is counted once, by what it asked and how it ended. The emulator counts the same.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apikey_core::{
    Authenticator, Event, Health, KindeSettings, KindeVerifier, MachineToMachine, Observer, PlainRequest,
    SampleValue, Statistics, VerifierError,
};
use apikey_testkit::emulator::{Emulator, Endpoint, Fault, Gate, ScriptedAnswer};
use tokio::runtime::Handle;

use crate::support::*;

/// How often a call was counted, by its labels: what it asked, the status, and what went wrong.
fn calls(statistics: &Statistics) -> BTreeMap<String, u64> {
    let of_calls = statistics.samples().filter(|sample| sample.metric.name == "http.client.request.duration");
    let mut calls = BTreeMap::new();
    for sample in of_calls {
        let labels: Vec<(&str, &str)> =
            sample.labels.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        let label = |name| labels.iter().find(|(label, _)| *label == name).map_or("-", |(_, value)| value);
        assert_eq!(label("http.request.method"), "POST");
        assert_eq!(label("server.address"), "127.0.0.1");
        assert!(label("server.port").parse::<u16>().is_ok());
        let name = format!(
            "{} {} {}",
            label("apikey.endpoint"),
            label("http.response.status_code"),
            label("error.type")
        );
        // The labels of a success are among those of a failure with the same status, so `total` would count both.
        let SampleValue::Histogram(durations) = &sample.value else { panic!("{name} is a histogram") };
        calls.insert(name, durations.count());
    }
    calls
}

/// The calls about this endpoint.
fn calls_to(endpoint: &str, keys: &Authenticator) -> BTreeMap<String, u64> {
    let mut calls = calls(&keys.statistics());
    calls.retain(|name, _| name.starts_with(endpoint));
    calls
}

fn series<const N: usize>(pairs: [(&str, u64); N]) -> BTreeMap<String, u64> {
    pairs.map(|(name, count)| (name.to_owned(), count)).into()
}

#[tokio::test]
async fn nothing_is_counted_before_the_first_call() {
    let emulator = emulator().await;
    assert_eq!(calls(&authenticator(&emulator).statistics()), series([]));
}

#[tokio::test]
async fn each_kind_of_failure_is_one_series_of_calls() {
    let cut_off = ScriptedAnswer::new(200, "{}").header("content-length", "1000");
    for (fault, expected) in [
        (None, "verify 200 -"),
        (Some(Fault::Hang), "verify - timeout"),
        (Some(Fault::Reset), "verify - connection"),
        (Some(Fault::Close), "verify - connection"),
        (Some(Fault::RawGarbage), "verify - response"),
        (Some(Fault::Garbage), "verify 200 response"),
        (Some(Fault::Answer(cut_off)), "verify 200 connection"),
        (Some(Fault::StalledBody(ScriptedAnswer::new(200, "{}"))), "verify 200 timeout"),
        (Some(Fault::StalledBody(ScriptedAnswer::new(500, "{}"))), "verify 500 500"),
        (Some(Fault::HugeBody(1 << 20)), "verify 200 response"),
        (Some(Fault::Redirect("/elsewhere".to_owned())), "verify 302 response"),
        (Some(Fault::status(400)), "verify 400 400"),
        (Some(Fault::status(429)), "verify 429 429"),
        (Some(Fault::status(500)), "verify 500 500"),
    ] {
        let emulator = emulator().await;
        let keys = patient(kinde(&emulator)).verification_timeout(2 * SHORT).build().unwrap();
        keys.check().await.into_result().unwrap();
        emulator.reset_counters();
        emulator.set_fault(Endpoint::Verify, fault.clone());
        for (issued, times) in readers(&emulator, 2).iter().zip(1..) {
            let _answer = keys.verify(key(&issued.secret)).await;
            assert_eq!(calls_to("verify", &keys), series([(expected, times)]), "{fault:?}");
            assert_eq!(emulator.counters().verify_calls, times, "{fault:?}");
        }
        assert_eq!(calls_to("token", &keys), series([("token 200 -", 1)]));
    }
}

#[tokio::test]
async fn a_call_without_a_connection_is_counted_too() {
    let emulator = emulator().await;
    let keys = authenticator(&emulator);
    emulator.refuse_connections(true).await.unwrap();
    assert_eq!(told(&keys.verify(key("k_live_1")).await), "VERIFICATION_UNAVAILABLE");
    assert_eq!(calls(&keys.statistics()), series([("token - connection", 1)]));
    assert_eq!(keys.statistics().total("apikey.token.renewals", &[("result", "failed")]), 1);
}

#[tokio::test]
async fn a_call_that_is_tried_again_counts_twice() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let keys = Authenticator::builder(kinde(&emulator)).verification_timeout(PATIENT).build().unwrap();
    emulator.script_faults(Endpoint::Verify, vec![Some(Fault::status(500)), Some(Fault::Reset)]);
    assert_eq!(told(&keys.verify(key(&issued.secret)).await), issued.key_id);
    let expected = series([("verify - connection", 1), ("verify 200 -", 1), ("verify 500 500", 1)]);
    assert_eq!(calls_to("verify", &keys), expected);
    assert_eq!(emulator.counters().verify_calls, 3);
    assert_eq!(keys.statistics().total("apikey.retries", &[]), 2);
}

/// Counts the calls that it hears of.
#[derive(Default)]
struct Heard(Mutex<BTreeMap<String, u64>>);

impl Observer for Heard {
    fn observe(&self, event: &Event<'_>) {
        if let Event::CallEnded(call) = event {
            let status = call.status.map_or("-".to_owned(), |status| status.to_string());
            let name = format!("{} {status} {}", call.endpoint.as_str(), call.error_type.unwrap_or("-"));
            assert!(!call.took.is_zero(), "{name}");
            *self.0.lock().unwrap().entry(name).or_default() += 1;
        }
    }
}

#[tokio::test]
async fn an_observer_hears_of_each_call_that_is_counted() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let heard = Arc::<Heard>::default();
    let builder = Authenticator::builder(kinde(&emulator)).verification_timeout(PATIENT);
    let keys = builder.observer(Arc::clone(&heard) as _).build().unwrap();
    emulator.script_faults(Endpoint::Verify, vec![Some(Fault::status(500)), Some(Fault::Reset)]);
    assert_eq!(told(&keys.verify(key(&issued.secret)).await), issued.key_id);
    keys.check().await.into_result().unwrap();
    let counted = calls(&keys.statistics());
    assert_eq!(counted.values().sum::<u64>(), 5, "{counted:?}");
    assert_eq!(*heard.0.lock().unwrap(), counted);
}

#[tokio::test]
async fn a_silent_call_that_another_overtakes_is_cancelled() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let keys = Authenticator::builder(kinde(&emulator)).verification_timeout(30 * SHORT).build().unwrap();
    keys.check().await.into_result().unwrap();
    emulator.reset_counters();
    emulator.script_faults(Endpoint::Verify, vec![Some(Fault::Hang)]);
    assert_eq!(told(&keys.verify(key(&issued.secret)).await), issued.key_id);
    let calls = calls_to("verify", &keys);
    assert_eq!(calls.get("verify 200 -"), Some(&1), "{calls:?}");
    assert_eq!(calls.len(), 2, "{calls:?}");
    let sent = emulator.counters().verify_calls;
    assert_eq!(calls.get("verify - cancelled"), Some(&(sent - 1)), "{calls:?}");
    assert_eq!(keys.statistics().total("apikey.retries", &[]), sent - 1);
}

#[tokio::test]
async fn a_stalled_body_that_another_call_overtakes_is_cancelled() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let keys = Authenticator::builder(kinde(&emulator)).verification_timeout(30 * SHORT).build().unwrap();
    keys.check().await.into_result().unwrap();
    emulator.reset_counters();
    emulator.script_faults(Endpoint::Verify, vec![Some(Fault::StalledBody(ScriptedAnswer::new(200, "{}")))]);
    assert_eq!(told(&keys.verify(key(&issued.secret)).await), issued.key_id);
    let sent = emulator.counters().verify_calls;
    assert!(sent >= 2, "a second try began");
    assert_eq!(calls_to("verify", &keys), series([("verify 200 -", 1), ("verify 200 cancelled", sent - 1)]));
}

#[tokio::test]
async fn calls_that_outlast_their_verification_timed_out() {
    let emulator = emulator().await;
    let keys = Authenticator::builder(kinde(&emulator)).verification_timeout(6 * SHORT).build().unwrap();
    keys.check().await.into_result().unwrap();
    emulator.reset_counters();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hang));
    assert_eq!(told(&keys.verify(key("k_live_1")).await), "VERIFICATION_UNAVAILABLE");
    let sent = emulator.counters().verify_calls;
    assert!(sent >= 2, "a second try began");
    assert_eq!(calls_to("verify", &keys), series([("verify - timeout", sent)]));
}

#[tokio::test]
async fn a_caller_that_hangs_up_cancels_no_call() {
    let emulator = emulator().await;
    let issued = reader(&emulator);
    let keys = authenticator(&emulator);
    let gate = Gate::new();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hold(gate.clone())));
    let request = PlainRequest::new().with_header("authorization", format!("Bearer {}", issued.secret));
    let begun = keys.begin(&request);
    emulator.wait_until(|counters| counters.verify_calls == 1).await;
    drop(begun);
    assert_eq!(calls_to("verify", &keys), series([]), "the call is under way");
    gate.open();
    eventually("the answer came", || calls_to("verify", &keys) == series([("verify 200 -", 1)])).await;
}

#[tokio::test]
async fn a_shared_verifier_keeps_its_first_recorder() {
    let emulator = emulator().await;
    let verifier = Arc::new(kinde(&emulator));
    let first = patient(Arc::clone(&verifier)).build().unwrap();
    let second = patient(verifier).build().unwrap();
    for keys in [&second, &first] {
        let _answer = keys.verify(key("k_live_1")).await;
    }
    assert_eq!(calls(&first.statistics()), series([("token 200 -", 1), ("verify 200 -", 2)]));
    assert_eq!(calls(&second.statistics()), series([]));
}

#[tokio::test]
async fn a_health_check_is_a_call_of_its_own_kind() {
    let emulator = emulator().await;
    let keys = authenticator(&emulator);
    assert_eq!(keys.check().await, Health::Up);
    assert_eq!(calls(&keys.statistics()), series([("health 200 -", 1), ("token 200 -", 1)]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
    assert!(keys.check().await.into_result().is_err());
    let expected = series([("health 200 -", 1), ("health 503 503", 2), ("token 200 -", 1)]);
    assert_eq!(calls(&keys.statistics()), expected);
    assert_eq!(emulator.counters().verify_calls, 3);
}

#[tokio::test]
async fn a_health_check_that_outlasts_its_time_timed_out() {
    let emulator = emulator().await;
    let keys = patient(kinde(&emulator)).verification_timeout(SHORT).build().unwrap();
    emulator.set_fault(Endpoint::Verify, Some(Fault::Hang));
    assert!(keys.check().await.into_result().is_err());
    let sent = emulator.counters().verify_calls;
    eventually("the ended calls are counted", || {
        calls_to("health", &keys) == series([("health - timeout", sent)])
    })
    .await;
}

async fn renewals(emulator: &Emulator, secret: &str) -> (BTreeMap<String, u64>, [u64; 2]) {
    let credentials = MachineToMachine::new(emulator.client_id(), secret);
    let settings =
        KindeSettings::new(emulator.url()).machine_to_machine(credentials).audience(emulator.audience());
    let keys = patient(KindeVerifier::new(settings).unwrap()).build().unwrap();
    for secret in ["k_live_1", "k_live_2"] {
        let _answer = keys.verify(key(secret)).await;
    }
    let statistics = keys.statistics();
    let renewals =
        ["renewed", "failed"].map(|result| statistics.total("apikey.token.renewals", &[("result", result)]));
    (calls_to("token", &keys), renewals)
}

#[tokio::test]
async fn a_fetch_of_a_token_is_counted_once() {
    let emulator = emulator().await;
    assert_eq!(renewals(&emulator, emulator.client_secret()).await, (series([("token 200 -", 1)]), [1, 0]));
    assert_eq!(emulator.counters().token_calls, 1);
    let (calls, renewals) = renewals(&emulator, "another secret").await;
    let [(name, count)] = &calls.into_iter().collect::<Vec<_>>()[..] else { panic!("one series") };
    assert!(name.starts_with("token 4") && *count == 2, "{name}");
    assert_eq!((emulator.counters().token_calls, renewals), (3, [0, 2]));
}

#[tokio::test]
async fn a_fetch_that_needs_several_calls_is_one_renewal() {
    let emulator = emulator().await;
    emulator.script_faults(Endpoint::Token, vec![Some(Fault::Hang)]);
    let keys = authenticator(&emulator);
    let _answer = keys.verify(key("k_live_1")).await;
    let sent = emulator.counters().token_calls;
    assert!(sent >= 2, "a second try began");
    eventually("the call that was overtaken is counted", || {
        calls_to("token", &keys) == series([("token - cancelled", sent - 1), ("token 200 -", 1)])
    })
    .await;
    assert_eq!(keys.statistics().total("apikey.token.renewals", &[]), 1);
}

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
