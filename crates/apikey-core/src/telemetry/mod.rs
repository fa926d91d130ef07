//! What an operator can see of the decisions: counters, snapshots of them, and events for observers.

pub(crate) mod calls;
mod counters;
mod observer;
mod prometheus;
#[cfg(any(test, feature = "metrics"))]
mod publish;
mod recorder;
mod statistics;
pub(crate) mod vocabulary;

pub(crate) use counters::{Telemetry, counter, fleet_samples, gauge};
pub use observer::{CallRecord, DecisionRecord, Event, Observer, VerificationRecord};
pub use recorder::Recorder;
#[cfg(feature = "kinde")]
pub(crate) use recorder::labels_of_a_call;
pub use statistics::{Histogram, Sample, SampleValue, Statistics};
pub use vocabulary::{
    AnswerSource, BreakerState, DURATION_BUCKETS, DecisionOutcome, Endpoint, Label, METRICS, Metric,
    MetricKind, MetricUnit, PurgedBy, SPAN_FIELDS, SpanField, TokenRenewal, VerificationResult,
};

#[cfg(test)]
mod tests;
