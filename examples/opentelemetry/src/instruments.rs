//! The instruments of OpenTelemetry. Names, units, descriptions and buckets come from the vocabulary of `apikey`.

use apikey_axum::{
    Authenticator, DURATION_BUCKETS, Event, METRICS, Metric, MetricKind, MetricUnit, Observer, SampleValue,
};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Histogram, Meter};

/// Lets OpenTelemetry read counters and gauges from the authenticator's statistics.
pub fn export_statistics(meter: &Meter, keys: &Authenticator) {
    for metric in METRICS.iter().copied() {
        let keys = keys.clone();
        let observe = move |instrument: &dyn AsyncInstrument<u64>| observe(&keys, metric, instrument);
        match metric.kind {
            MetricKind::Counter => drop(
                meter
                    .u64_observable_counter(metric.name)
                    .with_description(metric.help)
                    .with_unit(unit(metric))
                    .with_callback(observe)
                    .build(),
            ),
            MetricKind::Gauge => drop(
                meter
                    .u64_observable_gauge(metric.name)
                    .with_description(metric.help)
                    .with_unit(unit(metric))
                    .with_callback(observe)
                    .build(),
            ),
            // `Durations` records them.
            _ => {}
        }
    }
}

fn observe(keys: &Authenticator, metric: &Metric, instrument: &dyn AsyncInstrument<u64>) {
    for sample in keys.statistics().samples().filter(|sample| sample.metric.name == metric.name) {
        let labels = sample.labels.iter().map(|(name, value)| KeyValue::new(*name, value.clone()));
        if let SampleValue::Counter(value) | SampleValue::Gauge(value) = sample.value {
            instrument.observe(value, &labels.collect::<Vec<_>>());
        }
    }
}

fn unit(metric: &Metric) -> &'static str {
    match metric.unit {
        MetricUnit::Seconds => "s",
        _ => "1",
    }
}

/// Records how long verifications and calls to Kinde take.
#[derive(Debug)]
pub struct Durations {
    verifications: Histogram<f64>,
    calls: Histogram<f64>,
}

impl Durations {
    /// Makes the histograms.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        let histogram = |name| {
            let metric = METRICS.iter().find(|metric| metric.name == name).expect("it is in the vocabulary");
            meter
                .f64_histogram(metric.name)
                .with_description(metric.help)
                .with_unit(unit(metric))
                .with_boundaries(DURATION_BUCKETS.to_vec())
                .build()
        };
        Self {
            verifications: histogram("apikey.verification.duration"),
            calls: histogram("http.client.request.duration"),
        }
    }
}

impl Observer for Durations {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::VerificationEnded(verification) => {
                let mut labels = vec![KeyValue::new("result", verification.result.as_str())];
                labels.extend(verification.error_type.map(|error| KeyValue::new("error.type", error)));
                self.verifications.record(verification.took.as_secs_f64(), &labels);
            }
            Event::CallEnded(call) => {
                let mut labels = vec![
                    KeyValue::new("apikey.endpoint", call.endpoint.as_str()),
                    KeyValue::new("http.request.method", "POST"),
                ];
                if let Some((address, port)) = call.server {
                    labels.push(KeyValue::new("server.address", address.to_owned()));
                    labels.push(KeyValue::new("server.port", i64::from(port)));
                }
                let status = call.status.map(i64::from);
                labels.extend(status.map(|status| KeyValue::new("http.response.status_code", status)));
                labels.extend(call.error_type.map(|error| KeyValue::new("error.type", error.to_owned())));
                self.calls.record(call.took.as_secs_f64(), &labels);
            }
            _ => {}
        }
    }
}
