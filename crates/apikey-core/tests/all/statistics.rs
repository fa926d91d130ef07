//! Every decision is counted once, by its outcome, its code and where its answer came from. Nothing that names a key, an
//! owner or a client is in a metric.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use apikey_core::{
    AttemptLimit, Authenticator, Endpoint, Judgement, METRICS, ManualClock, MetricKind, PlainRequest, Policy,
    PresentedKey, Recorder, Refusal, Sample, SampleValue, Statistics, Verification, Verifier, VerifierError,
};
use proptest::prelude::*;

use crate::support::{Fake, Said, patient};

const TTL: Duration = Duration::from_secs(100);

/// Accepts `good…`, refuses `bad…`, and can't judge `odd…`. The organization of a good key is `org_canary`.
pub(crate) fn judge(key: String) -> Said {
    Box::pin(async move {
        match &*key {
            key if key.starts_with("good") => Ok(Judgement::accepted(
                Verification::active(format!("id_canary_{key}"))
                    .with_scopes(["read:users"])
                    .with_organization("org_canary")
                    .with_user("kp_canary"),
            )),
            key if key.starts_with("bad") => Ok(Judgement::refused(Refusal::Revoked)),
            _ => Err(VerifierError::unjudged("odd")),
        }
    })
}

pub(crate) fn request(key: Option<&str>) -> PlainRequest {
    let request = PlainRequest::new().with_peer("192.0.2.77".parse().unwrap());
    match key {
        Some(key) => request.with_header("authorization", format!("Bearer {key}")),
        None => request,
    }
}

/// Lets the gate decide, and returns the labels under which the decision must be counted.
pub(crate) async fn decide(
    keys: &Authenticator,
    policy: &Policy,
    request: &PlainRequest,
) -> Vec<(&'static str, String)> {
    let decided = keys.gate(policy).decide(keys.begin(request), request, |key| key).wait().await;
    match decided {
        Ok(key) => {
            vec![("outcome", "accepted".to_owned()), ("source", key.source().as_str().to_owned())]
        }
        Err(denial) => {
            vec![("outcome", "denied".to_owned()), ("code", denial.code().as_str().to_owned())]
        }
    }
}

fn total(statistics: &Statistics, labels: &[(&'static str, String)]) -> u64 {
    let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
    statistics.total("apikey.decisions", &labels)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_decision_is_counted_once_under_what_it_said(
        presented in prop::collection::vec(
            prop_oneof![
                Just(None),
                prop::sample::select(vec!["good1", "good2", "bad1", "bad2", "odd1", "two words"]).prop_map(Some),
            ],
            1..30,
        ),
        admin: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let keys = patient(Fake::new(judge).0)
                .negative_time_to_live(TTL)
                .attempt_limit(Some(AttemptLimit::new(3, TTL)))
                .build()
                .unwrap();
            let policy = if admin { Policy::scope("admin") } else { Policy::scope("read:users") };
            let mut expected: BTreeMap<_, u64> = BTreeMap::new();
            for key in &presented {
                *expected.entry(decide(&keys, &policy, &request(*key)).await).or_default() += 1;
            }
            let statistics = keys.statistics();
            for (labels, count) in &expected {
                assert_eq!(total(&statistics, labels), *count, "{labels:?}");
            }
            assert_eq!(statistics.total("apikey.decisions", &[]), presented.len() as u64);
        });
    }
}

#[tokio::test]
async fn each_source_is_told_from_the_others() {
    let clock = Arc::new(ManualClock::new());
    let keys = patient(Fake::new(judge).0)
        .clock(Arc::clone(&clock) as _)
        .negative_time_to_live(TTL)
        // No verification runs before this test waits.
        .verification_runtime(tokio::runtime::Handle::current())
        .build()
        .unwrap();
    let any = Policy::any_key();
    let sources = |keys: &Authenticator| {
        let statistics = keys.statistics();
        ["hit", "stale", "negative", "coalesced", "verified"]
            .map(|source| statistics.total("apikey.decisions", &[("source", source)]))
    };
    let good = request(Some("good1"));
    // Both begin before either has an answer, so the second one joins the first.
    let gate = keys.gate(&any);
    let first = gate.decide(keys.begin(&good), &good, |key| key);
    let second = gate.decide(keys.begin(&good), &good, |key| key);
    let (first, second) = tokio::join!(first.wait(), second.wait());
    assert_eq!(
        [first.unwrap().source().as_str(), second.unwrap().source().as_str()],
        ["verified", "coalesced"]
    );
    assert_eq!(sources(&keys), [0, 0, 0, 1, 1]);
    decide(&keys, &any, &good).await;
    assert_eq!(sources(&keys), [1, 0, 0, 1, 1]);
    for _ in 0..2 {
        decide(&keys, &any, &request(Some("bad1"))).await;
    }
    assert_eq!(sources(&keys), [1, 0, 1, 1, 2]);
    decide(&keys, &any, &request(None)).await;
    assert_eq!(sources(&keys), [1, 0, 1, 1, 2], "nothing was looked up");
    assert_eq!(keys.statistics().total("apikey.decisions", &[("code", "MISSING_KEY")]), 1);
}

#[tokio::test]
async fn verifications_purges_and_the_cache_are_counted() {
    let keys = patient(Fake::new(judge).0).cache_capacity(2).build().unwrap();
    let any = Policy::any_key();
    for key in ["good1", "good2", "good3", "bad1", "odd1"] {
        decide(&keys, &any, &request(Some(key))).await;
    }
    keys.remove("good3").unwrap();
    keys.remove_key_ids(["a", "b"]);
    keys.remove_organization("org_canary");
    keys.clear();
    let statistics = keys.statistics();
    let count = |metric, labels: &[(&str, &str)]| statistics.total(metric, labels);
    assert_eq!(count("apikey.verification.duration", &[("result", "accepted")]), 3);
    assert_eq!(count("apikey.verification.duration", &[("result", "refused")]), 1);
    assert_eq!(count("apikey.verification.duration", &[("error.type", "unjudged")]), 1);
    assert_eq!(count("apikey.cache.evictions", &[]), 1);
    assert_eq!(count("apikey.cache.capacity", &[]), 2);
    assert_eq!(count("apikey.cache.entries", &[]), 0);
    let purges = ["key", "key_id", "user", "organization", "everything", "rotation"];
    assert_eq!(purges.map(|by| count("apikey.purges", &[("by", by)])), [1, 2, 0, 1, 1, 0]);
    assert_eq!(count("apikey.breaker.state", &[("state", "closed")]), 1);
}

#[tokio::test]
async fn an_answer_that_a_purge_made_void_is_not_counted_as_accepted() {
    let place: Arc<OnceLock<Authenticator>> = Arc::default();
    let purging = Arc::clone(&place);
    let verify = move |key: String| -> Said {
        purging.get().expect("it is built").clear();
        judge(key)
    };
    let keys = patient(Fake::new(verify).0).build().unwrap();
    assert!(place.set(keys.clone()).is_ok());
    decide(&keys, &Policy::any_key(), &request(Some("good1"))).await;
    let ended = |labels: &[(&str, &str)]| keys.statistics().total("apikey.verification.duration", labels);
    assert_eq!(ended(&[("result", "accepted")]), 0);
    assert_eq!(ended(&[("result", "unjudged"), ("error.type", "void")]), 1);
    assert_eq!(keys.statistics().total("apikey.decisions", &[("code", "VERIFICATION_UNAVAILABLE")]), 1);
}

#[tokio::test]
async fn a_refusal_that_a_purge_made_void_is_not_counted_as_one() {
    let place: Arc<OnceLock<Authenticator>> = Arc::default();
    let purging = Arc::clone(&place);
    let verify = move |key: String| -> Said {
        purging.get().expect("it is built").remove(&key).expect("it is a key");
        judge(key)
    };
    let keys = patient(Fake::new(verify).0).build().unwrap();
    assert!(place.set(keys.clone()).is_ok());
    decide(&keys, &Policy::any_key(), &request(Some("bad1"))).await;
    let statistics = keys.statistics();
    let unjudged = &[("result", "unjudged"), ("error.type", "void")];
    assert_eq!(statistics.total("apikey.verification.duration", &[("result", "refused")]), 0);
    assert_eq!(statistics.total("apikey.verification.duration", unjudged), 1);
    assert_eq!(statistics.total("apikey.decisions", &[("code", "VERIFICATION_UNAVAILABLE")]), 1);
}

#[tokio::test]
async fn an_expired_answer_that_makes_room_is_no_eviction() {
    let clock = Arc::new(ManualClock::new());
    let keys = patient(Fake::new(judge).0)
        .clock(Arc::clone(&clock) as _)
        .cache_time_to_live(TTL)
        .cache_capacity(1)
        .build()
        .unwrap();
    let evictions = || keys.statistics().total("apikey.cache.evictions", &[]);
    decide(&keys, &Policy::any_key(), &request(Some("good1"))).await;
    clock.advance(TTL);
    decide(&keys, &Policy::any_key(), &request(Some("good2"))).await;
    assert_eq!(evictions(), 0);
    decide(&keys, &Policy::any_key(), &request(Some("good3"))).await;
    assert_eq!(evictions(), 1);
}

/// What an authenticator counts whose verifier notes these calls.
fn noted(note: fn(&Recorder)) -> Statistics {
    struct Noting(fn(&Recorder));
    #[async_trait::async_trait]
    impl Verifier for Noting {
        async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
            Err(VerifierError::unjudged("odd"))
        }
        fn use_recorder(&self, recorder: Recorder) {
            (self.0)(&recorder);
        }
    }
    patient(Noting(note)).build().unwrap().statistics()
}

#[test]
fn a_servers_name_breaks_no_line_of_the_text() {
    let text = noted(|recorder| {
        recorder.calls_go_to("a\"b\\c\nd", 1);
        recorder.called(Endpoint::Verify, Some(200), None, TTL);
    });
    let text = text.prometheus();
    assert!(text.contains(r#"server_address="a\"b\\c\nd",server_port="1""#), "{text}");
}

#[test]
fn a_number_that_is_no_status_makes_no_series() {
    let statistics = noted(|recorder| {
        for status in 0..1000 {
            recorder.called(Endpoint::Verify, Some(status), None, TTL);
        }
    });
    let calls = statistics.samples().filter(|sample| sample.metric.name == "http.client.request.duration");
    assert_eq!(calls.count(), 501);
    assert_eq!(statistics.total("http.client.request.duration", &[]), 1000);
}

#[test]
fn a_call_without_a_response_has_failed() {
    let statistics = noted(|recorder| recorder.called(Endpoint::Verify, None, None, TTL));
    let failed = [("error.type", "response")];
    assert_eq!(statistics.total("http.client.request.duration", &failed), 1);
}

/// Each line of the text is a sample of a known family, whose labels are on its list.
#[tokio::test]
async fn the_prometheus_text_is_of_the_vocabulary_and_names_nobody() {
    let keys = patient(Fake::new(judge).0).build().unwrap();
    for key in [Some("good1"), Some("good1"), Some("bad1"), Some("odd1"), None] {
        decide(&keys, &Policy::any_key(), &request(key)).await;
    }
    keys.remove_user("kp_canary");
    let statistics = keys.statistics();
    let text = statistics.prometheus();
    for metric in METRICS.iter().filter(|metric| metric.name != "http.client.request.duration") {
        assert_eq!(text.matches(&format!("# TYPE {} ", metric.prometheus)).count(), 1, "{}", metric.name);
    }
    let names: HashSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    for name in names {
        let is_of = |metric: &&&apikey_core::Metric| {
            let suffixes: &[&str] = match metric.kind {
                MetricKind::Histogram => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            suffixes.iter().any(|suffix| format!("{}{suffix}", metric.prometheus) == name)
        };
        assert!(METRICS.iter().any(|metric| is_of(&metric)), "{name}");
    }
    for Sample { metric, labels, .. } in statistics.samples() {
        for (name, value) in labels {
            let label = metric.labels.iter().find(|label| label.name == *name).expect("a label of the list");
            assert!(label.values.is_empty() || label.values.contains(&&**value), "{name}={value}");
        }
    }
    for canary in ["good1", "canary", "192.0.2.77", "bad1"] {
        assert!(!text.contains(canary), "{canary}");
    }
}

#[tokio::test]
async fn a_histogram_adds_up() {
    let keys = patient(Fake::new(judge).0).build().unwrap();
    decide(&keys, &Policy::any_key(), &request(Some("good1"))).await;
    let statistics = keys.statistics();
    let histograms = statistics.samples().filter_map(|sample| match &sample.value {
        SampleValue::Histogram(histogram) if histogram.count() > 0 => Some(histogram.clone()),
        _ => None,
    });
    let [histogram] = &histograms.collect::<Vec<_>>()[..] else { panic!("one verification") };
    assert_eq!(histogram.count(), 1);
    let text = statistics.prometheus();
    let line = "apikey_verification_duration_seconds_bucket{result=\"accepted\",le=\"+Inf\"} 1";
    assert!(text.lines().any(|found| found == line), "{text}");
}
