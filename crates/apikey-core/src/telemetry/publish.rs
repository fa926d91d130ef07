//! Statistics for programs that export with the `metrics` crate.

use metrics::{Label, Unit};

use super::statistics::{SampleValue, Statistics};
use super::vocabulary::{Metric, MetricUnit};

impl Statistics {
    /// Tells the numbers to the recorder of the `metrics` crate that the application has installed. It needs this crate's
    /// feature `metrics`. Call it from a timer, for example every 10 s.
    ///
    /// Names and labels are those of [`prometheus`](Self::prometheus), so that the same dashboards fit. Publish one
    /// authenticator, because two would overwrite each other's numbers.
    ///
    /// It leaves out the histograms: a recorder takes durations one by one, and a snapshot has only how many there were of
    /// each length. An [`Observer`](crate::Observer) can record each verification and each call to Kinde when it ends:
    /// [`VerificationRecord`](crate::VerificationRecord) has an example.
    pub fn publish(&self) {
        let mut described = None;
        for sample in self.samples() {
            let Metric { prometheus: name, unit, help, .. } = *sample.metric;
            let is_new = described.replace(name) != Some(name);
            let unit = match unit {
                MetricUnit::One => Unit::Count,
                MetricUnit::Seconds => Unit::Seconds,
            };
            let labels = sample.labels.iter();
            let labels: Vec<Label> =
                labels.map(|(label, value)| Label::new(label.replace('.', "_"), value.clone())).collect();
            match &sample.value {
                SampleValue::Counter(value) => {
                    if is_new {
                        metrics::describe_counter!(name, unit, help);
                    }
                    metrics::counter!(name, labels).absolute(*value);
                }
                SampleValue::Gauge(value) => {
                    if is_new {
                        metrics::describe_gauge!(name, unit, help);
                    }
                    // A gauge counts things, far fewer than 2^53, so the number is exact.
                    metrics::gauge!(name, labels).set(*value as f64);
                }
                SampleValue::Histogram(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
