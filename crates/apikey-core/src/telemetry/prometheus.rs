//! The text that Prometheus scrapes.

use std::fmt::{self, Write as _};

use super::statistics::{Histogram, Sample, SampleValue, Statistics};
use super::vocabulary::{DURATION_BUCKETS, MetricKind};

impl Statistics {
    /// The value of the header `Content-Type` if a server answers with [`prometheus`](Self::prometheus).
    pub const PROMETHEUS_MEDIA_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// The snapshot as the text that Prometheus scrapes (exposition format 0.0.4).
    ///
    /// Serve it on a listener that only Prometheus reaches. It holds no key, key id, owner or client.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        // Writing to a string never fails.
        let _never_fails = write(&mut text, self);
        text
    }
}

fn write(text: &mut String, statistics: &Statistics) -> fmt::Result {
    let mut latest = None;
    for sample in statistics.samples() {
        let metric = sample.metric;
        if latest != Some(metric.name) {
            latest = Some(metric.name);
            let kind = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Histogram => "histogram",
            };
            writeln!(text, "# HELP {} {}", metric.prometheus, metric.help)?;
            writeln!(text, "# TYPE {} {kind}", metric.prometheus)?;
        }
        match &sample.value {
            SampleValue::Counter(value) | SampleValue::Gauge(value) => {
                text.push_str(metric.prometheus);
                write_labels(text, sample, None)?;
                writeln!(text, " {value}")?;
            }
            SampleValue::Histogram(histogram) => write_histogram(text, sample, histogram)?,
        }
    }
    Ok(())
}

fn write_histogram(text: &mut String, sample: &Sample, histogram: &Histogram) -> fmt::Result {
    let name = sample.metric.prometheus;
    let mut below = 0;
    let bounds = DURATION_BUCKETS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(histogram.counts) {
        below += count;
        write!(text, "{name}_bucket")?;
        write_labels(text, sample, Some(&bound))?;
        writeln!(text, " {below}")?;
    }
    write!(text, "{name}_sum")?;
    write_labels(text, sample, None)?;
    writeln!(text, " {}", histogram.sum)?;
    write!(text, "{name}_count")?;
    write_labels(text, sample, None)?;
    writeln!(text, " {below}")
}

/// Only the name of a server may need escaping, because a verifier of the application may name it. All else comes from the
/// vocabulary.
fn write_labels(text: &mut String, sample: &Sample, bound: Option<&str>) -> fmt::Result {
    let labels = sample.labels.iter().map(|(name, value)| (name.replace('.', "_"), &**value));
    let bound = bound.map(|bound| ("le".to_owned(), bound));
    let mut before = '{';
    for (name, value) in labels.chain(bound) {
        let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
        write!(text, "{before}{name}=\"{value}\"")?;
        before = ',';
    }
    if before == ',' {
        text.push('}');
    }
    Ok(())
}
