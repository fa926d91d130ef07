//! Every decision is counted once, by its outcome, its code and where its answer came from. Observers hear what they
//! asked for. Nothing that names a key, an owner or a client is in a metric.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use apikey_core::{
    AttemptLimit, Authenticator, Endpoint, Event, Judgement, METRICS, ManualClock, MetricKind, Observer,
    PlainRequest, Policy, PresentedKey, Recorder, Refusal, Sample, SampleValue, Statistics, Verification,
    Verifier, VerifierError,
};
use proptest::prelude::*;

use crate::support::{Fake, Said, patient};

const TTL: Duration = Duration::from_secs(100);

/// Accepts `good…`, refuses `bad…`, and can't judge `odd…`. The organization of a good key is `org_canary`.
fn judge(key: String) -> Said {
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

fn request(key: Option<&str>) -> PlainRequest {
    let request = PlainRequest::new().with_peer("192.0.2.77".parse().unwrap());
    match key {
        Some(key) => request.with_header("authorization", format!("Bearer {key}")),
        None => request,
    }
}

/// Lets the gate decide, and returns the labels under which the decision must be counted.
async fn decide(
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

#[test]
fn a_number_that_is_no_status_makes_no_series() {
    struct Odd;
    #[async_trait::async_trait]
    impl Verifier for Odd {
        async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
            Err(VerifierError::unjudged("odd"))
        }
        fn use_recorder(&self, recorder: Recorder) {
            for status in 0..1000 {
                recorder.called(Endpoint::Verify, Some(status), None, TTL);
            }
        }
    }
    let statistics = patient(Odd).build().unwrap().statistics();
    let calls = statistics.samples().filter(|sample| sample.metric.name == "http.client.request.duration");
    assert_eq!(calls.count(), 501);
    assert_eq!(statistics.total("http.client.request.duration", &[]), 1000);
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

/// Writes down what it hears.
#[derive(Default)]
struct Diary {
    all: bool,
    heard: Mutex<Vec<String>>,
}

impl Observer for Diary {
    fn observe(&self, event: &Event<'_>) {
        let line = match event {
            Event::Decided(decision) => format!(
                "{} {} {} {} {} {}",
                decision.outcome.as_str(),
                decision.code.map_or("-", |code| code.as_str()),
                decision.source.map_or("-", |source| source.as_str()),
                decision.key.map_or("-", Verification::key_id),
                decision.request_id.unwrap_or("-"),
                decision.client.unwrap_or("-"),
            ),
            Event::VerificationEnded(verification) => format!("verified {}", verification.result.as_str()),
            Event::Purged { by, name, removed, .. } => {
                format!("purged {} {} {removed}", by.as_str(), name.unwrap_or("-"))
            }
            other => format!("{other:?}"),
        };
        self.heard.lock().unwrap().push(line);
    }

    fn hears_every_decision(&self) -> bool {
        self.all
    }
}

async fn heard(all: bool) -> Vec<String> {
    let diary = Arc::new(Diary { all, ..Diary::default() });
    let keys = patient(Fake::new(judge).0).observer(Arc::clone(&diary) as _).build().unwrap();
    let traced = request(Some("good1"))
        .with_header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .with_header("x-request-id", "request-1");
    for request in [traced, request(Some("good1")).with_header("x-request-id", "request-2")] {
        decide(&keys, &Policy::any_key(), &request).await;
    }
    decide(&keys, &Policy::scope("admin"), &request(Some("good1"))).await;
    decide(&keys, &Policy::any_key(), &request(None)).await;
    keys.remove("good1").unwrap();
    diary.heard.lock().unwrap().clone()
}

#[tokio::test]
async fn an_observer_hears_denials_and_rare_events() {
    assert_eq!(
        heard(false).await,
        [
            "verified accepted",
            "denied INSUFFICIENT_SCOPE hit id_canary_good1 - 192.0.2.77",
            "denied MISSING_KEY - - - 192.0.2.77",
            "purged key - 1",
        ]
    );
}

#[tokio::test]
async fn an_observer_that_asks_for_it_hears_every_decision() {
    assert_eq!(
        heard(true).await,
        [
            "verified accepted",
            "accepted - verified id_canary_good1 4bf92f3577b34da6a3ce929d0e0e4736 192.0.2.77",
            "accepted - hit id_canary_good1 request-2 192.0.2.77",
            "denied INSUFFICIENT_SCOPE hit id_canary_good1 - 192.0.2.77",
            "denied MISSING_KEY - - - 192.0.2.77",
            "purged key - 1",
        ]
    );
}

#[tokio::test]
async fn an_observer_that_panics_harms_no_request() {
    struct Faulty;
    impl Observer for Faulty {
        fn observe(&self, _: &Event<'_>) {
            panic!("this observer has a bug");
        }
        fn hears_every_decision(&self) -> bool {
            true
        }
    }
    let keys = patient(Fake::new(judge).0).observer(Arc::new(Faulty)).build().unwrap();
    for _ in 0..2 {
        let decided = decide(&keys, &Policy::any_key(), &request(Some("good1"))).await;
        assert_eq!(decided[0], ("outcome", "accepted".to_owned()));
    }
    keys.clear();
    // One verification, two decisions, one purge.
    assert_eq!(keys.statistics().total("apikey.events.dropped", &[]), 4);
}

#[tokio::test]
async fn an_id_that_no_log_should_repeat_is_left_out() {
    let diary = Arc::new(Diary::default());
    let keys = patient(Fake::new(judge).0).observer(Arc::clone(&diary) as _).build().unwrap();
    let long = "x".repeat(129);
    for id in ["two words", "a\u{7f}", long.as_str(), ""] {
        decide(&keys, &Policy::any_key(), &request(None).with_header("x-request-id", id)).await;
    }
    let twice = request(None).with_header("x-request-id", "one").with_header("x-request-id", "two");
    decide(&keys, &Policy::any_key(), &twice).await;
    for traceparent in ["00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4BF9-1-01", "garbage"]
    {
        decide(&keys, &Policy::any_key(), &request(None).with_header("traceparent", traceparent)).await;
    }
    let heard = diary.heard.lock().unwrap().clone();
    assert_eq!(heard, ["denied MISSING_KEY - - - 192.0.2.77"; 8]);
}

/// How long each verification took that ended.
#[derive(Default)]
struct Durations(Mutex<Vec<Duration>>);

impl Observer for Durations {
    fn observe(&self, event: &Event<'_>) {
        if let Event::VerificationEnded(record) = event {
            self.0.lock().unwrap().push(record.took);
        }
    }
}

#[tokio::test]
async fn a_lost_verification_lasted_until_it_was_lost() {
    const WORKED: Duration = Duration::from_millis(30);
    let panics = |_| -> Said {
        Box::pin(async {
            tokio::time::sleep(WORKED).await;
            panic!("this verifier has a bug")
        })
    };
    let durations = Arc::<Durations>::default();
    let keys = patient(Fake::new(panics).0).observer(Arc::clone(&durations) as _).build().unwrap();
    assert!(keys.verify(PresentedKey::parse("good1").unwrap()).await.is_err());
    let heard = durations.0.lock().unwrap().clone();
    assert!(heard.len() == 1 && heard[0] >= WORKED, "{heard:?}");
}
