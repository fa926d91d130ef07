//! A snapshot of all counters.

use std::borrow::Cow;

use super::vocabulary::{DURATION_BUCKETS, Metric};

/// A snapshot of everything that an authenticator counts.
///
/// Counters begin with zero when the authenticator is built. [`Authenticator::statistics`](crate::Authenticator::statistics)
/// makes one. It takes no lock that a request with a cached key needs.
///
/// ```
/// # use apikey_core::Authenticator;
/// # fn example(authenticator: &Authenticator) {
/// let statistics = authenticator.statistics();
/// let denied = statistics.total("apikey.decisions", &[("outcome", "denied")]);
/// println!("{denied} requests were refused; {}", statistics.prometheus());
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    samples: Vec<Sample>,
}

/// The value of one metric with one set of labels.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// The metric.
    pub metric: &'static Metric,
    /// The labels that apply, in the order of the metric's own list. The names are OpenTelemetry's.
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    /// The value.
    pub value: SampleValue,
}

/// The value of a sample.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SampleValue {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge.
    Gauge(u64),
    /// Of a histogram.
    Histogram(Histogram),
}

/// Durations, counted by their length.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Histogram {
    /// How many durations fall into each bucket. The first bucket ends at the first of [`DURATION_BUCKETS`], and the last
    /// one, which is one more, has no end.
    pub counts: [u64; DURATION_BUCKETS.len() + 1],
    /// The sum of all durations, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// How many durations it counts.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn add(&mut self, seconds: f64) {
        let bucket = DURATION_BUCKETS.iter().take_while(|bound| seconds > **bound).count();
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += seconds;
    }
}

impl Statistics {
    pub(crate) fn new(samples: Vec<Sample>) -> Self {
        Self { samples }
    }

    /// All samples. Those of one metric stand together.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }

    /// The sum over all samples of this metric that have these labels. Of a histogram, it is the number of durations. 0
    /// if there is no such sample.
    #[must_use]
    pub fn total(&self, metric: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |sample: &Sample, (name, value): &(&str, &str)| {
            sample.labels.iter().any(|(label, held)| label == name && held == value)
        };
        let matching = self
            .samples
            .iter()
            .filter(|one| one.metric.name == metric && labels.iter().all(|label| has(one, label)));
        matching
            .map(|sample| match &sample.value {
                SampleValue::Counter(value) | SampleValue::Gauge(value) => *value,
                SampleValue::Histogram(histogram) => histogram.count(),
            })
            .sum()
    }
}
