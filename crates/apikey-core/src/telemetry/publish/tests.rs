use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

use crate::telemetry::MetricKind;
use crate::{
    Authenticator, Judgement, METRICS, PlainRequest, Policy, PresentedKey, Refusal, Verifier, VerifierError,
};

/// Keeps the latest number of each series, written as in Prometheus, and the descriptions.
#[derive(Clone, Default)]
struct Kept {
    numbers: Arc<Mutex<BTreeMap<String, u64>>>,
    descriptions: Arc<Mutex<BTreeMap<String, Description>>>,
}

type Description = (Option<Unit>, String);

struct Series(Kept, String);

impl CounterFn for Series {
    fn increment(&self, _: u64) {
        panic!("a snapshot has totals");
    }

    fn absolute(&self, value: u64) {
        self.0.numbers.lock().unwrap().insert(self.1.clone(), value);
    }
}

impl GaugeFn for Series {
    fn increment(&self, _: f64) {
        panic!("a snapshot has levels");
    }

    fn decrement(&self, _: f64) {
        panic!("a snapshot has levels");
    }

    fn set(&self, value: f64) {
        self.absolute(value as u64);
    }
}

impl Kept {
    fn describe(&self, name: &KeyName, unit: Option<Unit>, help: &SharedString) {
        let described = (unit, help.to_string());
        let before = self.descriptions.lock().unwrap().insert(name.as_str().to_owned(), described);
        assert_eq!(before, None, "{name:?} is described twice");
    }

    fn series(&self, key: &Key) -> Arc<Series> {
        let labels: Vec<_> =
            key.labels().map(|label| format!("{}=\"{}\"", label.key(), label.value())).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        Arc::new(Series(self.clone(), format!("{}{labels}", key.name())))
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&key, unit, &help);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe(&key, unit, &help);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("histograms are left out");
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.series(key).into()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.series(key).into()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("histograms are left out");
    }
}

struct Nobody;

#[crate::async_trait]
impl Verifier for Nobody {
    async fn verify(&self, _: &PresentedKey) -> Result<Judgement, VerifierError> {
        Ok(Judgement::refused(Refusal::Invalid))
    }
}

#[tokio::test]
async fn a_recorder_gets_the_numbers_that_prometheus_gets() {
    let keys: Authenticator = Authenticator::builder(Nobody).build().unwrap();
    for key in [None, Some("k1"), Some("k2")] {
        let request = key.map_or_else(PlainRequest::new, |key| {
            PlainRequest::new().with_header("authorization", format!("Bearer {key}"))
        });
        let attempt = keys.begin(&request);
        keys.gate(&Policy::any_key()).decide(attempt, &request, drop).wait().await.unwrap_err();
    }
    let (kept, statistics) = (Kept::default(), keys.statistics());
    metrics::with_local_recorder(&kept, || statistics.publish());

    let numbers = kept.numbers.lock().unwrap();
    let refused = r#"apikey_decisions_total{outcome="denied",code="INVALID_KEY",source="verified"}"#;
    assert_eq!(numbers[refused], 2);
    let text = statistics.prometheus();
    let histograms = METRICS.iter().filter(|metric| metric.kind == MetricKind::Histogram);
    let histograms: Vec<_> = histograms.map(|metric| metric.prometheus).collect();
    let lines = text.lines().filter(|line| {
        !line.starts_with('#') && !histograms.iter().any(|histogram| line.starts_with(histogram))
    });
    let expected: BTreeMap<_, _> = lines.map(|line| line.rsplit_once(' ').unwrap()).collect();
    let found = numbers.iter().map(|(series, number)| (&**series, number.to_string()));
    assert_eq!(
        found.collect::<Vec<_>>(),
        expected.into_iter().map(|(s, n)| (s, n.to_owned())).collect::<Vec<_>>()
    );
    let descriptions = kept.descriptions.lock().unwrap();
    assert_eq!(descriptions.len(), METRICS.len() - histograms.len());
    for metric in METRICS.iter().filter(|metric| metric.kind != MetricKind::Histogram) {
        assert_eq!(descriptions[metric.prometheus], (Some(Unit::Count), metric.help.to_owned()));
    }
}
