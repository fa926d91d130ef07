//! What an authenticator counts.
//!
//! Every request counts its decision, so these counters are striped: each thread counts on its own, as long as there
//! are not more threads than stripes. Everything else is rare beside a call to Kinde.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tracing::Span;

use super::observer::{CallRecord, Event, Observer, VerificationRecord};
use super::statistics::{Histogram, Sample, SampleValue};
use super::vocabulary::{
    self, AnswerSource, BreakerState, DecisionOutcome, Endpoint, Metric, PurgedBy, TokenRenewal,
    VerificationResult,
};
use crate::denial_code::DenialCode;
use crate::thread_number::thread_number;

/// How many stripes there are. It is a power of two.
const STRIPES: usize = 16;
/// Accepted, anonymous, and one row for each code of a denial.
const ROWS: usize = 2 + DenialCode::ALL.len();
/// One column for each source, and one for a decision without one.
const COLUMNS: usize = 1 + AnswerSource::ALL.len();

/// The counters of one thread. Stripes are so far apart that no two threads write to one line of memory.
#[repr(align(128))]
struct Stripe([AtomicU64; ROWS * COLUMNS]);

impl Default for Stripe {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; ROWS * COLUMNS])
    }
}

/// Everything that an authenticator counts, and whom it tells.
#[derive(Default)]
pub(crate) struct Telemetry {
    decisions: Box<[Stripe; STRIPES]>,
    verifications: Mutex<BTreeMap<(VerificationResult, Option<&'static str>), Histogram>>,
    calls: Mutex<BTreeMap<CallLabels, Histogram>>,
    /// The host and the port that the calls go to.
    server: OnceLock<(String, u16)>,
    breaker_changes: [AtomicU64; BreakerState::ALL.len()],
    token_renewals: [AtomicU64; TokenRenewal::ALL.len()],
    purges: [AtomicU64; PurgedBy::ALL.len()],
    attempts_limited: AtomicU64,
    retries: AtomicU64,
    /// In the order of the label's values.
    webhooks: [AtomicU64; vocabulary::WEBHOOK_RESULT.values.len()],
    /// Events at which the observer panicked.
    events_lost: AtomicU64,
    observer: Option<Arc<dyn Observer>>,
    hears_every_decision: bool,
}

/// The endpoint, the status if there was a response, and what went wrong if something did.
type CallLabels = (Endpoint, Option<u16>, Option<Cow<'static, str>>);

impl Telemetry {
    pub(crate) fn told_to(observer: Option<Arc<dyn Observer>>) -> Self {
        let hears_every_decision = observer.as_ref().is_some_and(|observer| observer.hears_every_decision());
        Self { observer, hears_every_decision, ..Self::default() }
    }

    /// Counts an accepted request. Returns whether the observer wants to hear of it.
    #[inline]
    pub(crate) fn accepted(&self, source: AnswerSource) -> bool {
        self.count(0, Some(source));
        self.hears_every_decision
    }

    /// Counts a request that passes without a key. Returns whether the observer wants to hear of it.
    pub(crate) fn anonymous(&self) -> bool {
        self.count(1, None);
        self.hears_every_decision
    }

    /// Counts a denial. Returns whether there is an observer to hear of it.
    pub(crate) fn denied(&self, code: DenialCode, source: Option<AnswerSource>) -> bool {
        self.count(2 + code as usize, source);
        self.observer.is_some()
    }

    #[inline]
    fn count(&self, row: usize, source: Option<AnswerSource>) {
        let column = source.map_or(0, |source| 1 + source as usize);
        let stripe = self.decisions.get(thread_number() & (STRIPES - 1));
        if let Some(counter) = stripe.and_then(|stripe| stripe.0.get(row * COLUMNS + column)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether there is an observer.
    pub(crate) fn has_observer(&self) -> bool {
        self.observer.is_some()
    }

    /// Tells the observer. It must not be called under a lock, because the observer is the application's code.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        let Some(observer) = &self.observer else { return };
        // The caller may hold what others wait for, such as the outcome of a verification. So a panic must end here.
        if catch_unwind(AssertUnwindSafe(|| observer.observe(event))).is_err()
            && self.events_lost.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::error!(
                "observer: it panicked, so it lost an event; further ones are counted and not logged"
            );
        }
    }

    /// Notes it in the current span, too, which is that of the verification.
    pub(crate) fn verification_ended(&self, record: &VerificationRecord<'_>) {
        let span = Span::current();
        span.record("apikey.result", record.result.as_str());
        if let Some(key) = record.key {
            span.record("apikey.key_id", key.key_id());
        }
        if let Some(error_type) = record.error_type {
            span.record("error.type", error_type).record("otel.status_code", "ERROR");
        }
        let labels = (record.result, record.error_type);
        self.verifications.lock().entry(labels).or_default().add(record.took.as_secs_f64());
        self.tell(&Event::VerificationEnded(*record));
    }

    /// Only the first server counts.
    pub(super) fn calls_go_to(&self, address: &str, port: u16) {
        self.server.get_or_init(|| (address.to_owned(), port));
    }

    pub(super) fn called(
        &self,
        endpoint: Endpoint,
        status: Option<u16>,
        error_type: Option<Cow<'static, str>>,
        took: Duration,
    ) {
        let labels = (endpoint, status, error_type.clone());
        self.calls.lock().entry(labels).or_default().add(took.as_secs_f64());
        self.tell(&Event::CallEnded(CallRecord {
            endpoint,
            server: self.server.get().map(|(address, port)| (address.as_str(), *port)),
            status,
            error_type: error_type.as_deref(),
            took,
        }));
    }

    pub(crate) fn breaker_changed(&self, state: BreakerState) {
        count(&self.breaker_changes, state as usize);
        self.tell(&Event::BreakerChanged(state));
    }

    pub(super) fn token_renewal(&self, renewal: TokenRenewal) {
        count(&self.token_renewals, renewal as usize);
        self.tell(&Event::TokenRenewal(renewal));
    }

    /// `name` is what the purge names, if that is no secret.
    pub(crate) fn purged(&self, by: PurgedBy, name: Option<&str>, removed: usize) {
        count(&self.purges, by as usize);
        self.tell(&Event::Purged { by, name, removed });
    }

    pub(crate) fn limited(&self) {
        self.attempts_limited.fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(feature = "webhooks")]
    pub(crate) fn webhook(&self, result: &str) {
        if let Some(which) = vocabulary::WEBHOOK_RESULT.values.iter().position(|value| *value == result) {
            count(&self.webhooks, which);
        }
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// The decisions, of which those that never happen are left out.
    pub(crate) fn decisions(&self, samples: &mut Vec<Sample>) {
        let outcomes = [(DecisionOutcome::Accepted, None), (DecisionOutcome::Anonymous, None)];
        let denials = DenialCode::ALL.iter().map(|code| (DecisionOutcome::Denied, Some(*code)));
        for (row, (outcome, code)) in outcomes.into_iter().chain(denials).enumerate() {
            let sources = AnswerSource::ALL.iter().copied().map(Some);
            for (column, source) in [None].into_iter().chain(sources).enumerate() {
                let counters =
                    self.decisions.iter().filter_map(|stripe| stripe.0.get(row * COLUMNS + column));
                let total = counters.map(|counter| counter.load(Ordering::Relaxed)).sum();
                if total == 0 && !is_usual(outcome, code, source) {
                    continue;
                }
                let labels = [
                    Some((vocabulary::OUTCOME.name, Cow::Borrowed(outcome.as_str()))),
                    code.map(|code| (vocabulary::CODE.name, Cow::Borrowed(code.as_str()))),
                    source.map(|source| (vocabulary::SOURCE.name, Cow::Borrowed(source.as_str()))),
                ];
                let labels = labels.into_iter().flatten().collect();
                samples.push(Sample {
                    metric: &vocabulary::DECISIONS,
                    labels,
                    value: SampleValue::Counter(total),
                });
            }
        }
    }

    /// Everything else that is counted here.
    pub(crate) fn rest(&self, samples: &mut Vec<Sample>) {
        let mut verifications = self.verifications.lock().clone();
        for labels in USUAL_VERIFICATIONS {
            verifications.entry(*labels).or_default();
        }
        for ((result, error_type), histogram) in verifications {
            let labels = [
                Some((vocabulary::RESULT.name, Cow::Borrowed(result.as_str()))),
                error_type.map(|error| (vocabulary::ERROR_TYPE.name, Cow::Borrowed(error))),
            ];
            let labels = labels.into_iter().flatten().collect();
            let (metric, value) = (&vocabulary::VERIFICATION_DURATION, SampleValue::Histogram(histogram));
            samples.push(Sample { metric, labels, value });
        }
        let calls = self.calls.lock().clone();
        let server = self.server.get();
        for ((endpoint, status, error_type), histogram) in calls {
            let labels = [
                Some((vocabulary::ENDPOINT.name, Cow::Borrowed(endpoint.as_str()))),
                Some((vocabulary::METHOD.name, Cow::Borrowed(endpoint.method()))),
                server.map(|(address, _)| (vocabulary::SERVER_ADDRESS.name, Cow::Owned(address.clone()))),
                server.map(|(_, port)| (vocabulary::SERVER_PORT.name, Cow::Owned(port.to_string()))),
                status.map(|status| (vocabulary::STATUS.name, Cow::Owned(status.to_string()))),
                error_type.map(|error| (vocabulary::CALL_ERROR_TYPE.name, error)),
            ];
            let labels = labels.into_iter().flatten().collect();
            samples.push(Sample {
                metric: &vocabulary::CALLS,
                labels,
                value: SampleValue::Histogram(histogram),
            });
        }
        let texts = BreakerState::ALL.iter().map(|state| state.as_str());
        family(samples, &vocabulary::BREAKER_CHANGES, texts, &self.breaker_changes);
        let texts = TokenRenewal::ALL.iter().map(|renewal| renewal.as_str());
        family(samples, &vocabulary::TOKEN_RENEWALS, texts, &self.token_renewals);
        family(samples, &vocabulary::PURGES, PurgedBy::ALL.iter().map(|by| by.as_str()), &self.purges);
        samples.push(counter(&vocabulary::ATTEMPTS_LIMITED, self.attempts_limited.load(Ordering::Relaxed)));
        samples.push(counter(&vocabulary::RETRIES, self.retries.load(Ordering::Relaxed)));
        let texts = vocabulary::WEBHOOK_RESULT.values.iter().copied();
        family(samples, &vocabulary::WEBHOOKS, texts, &self.webhooks);
        let dropped = self.observer.as_ref().map_or(0, |observer| observer.dropped_events());
        let dropped = dropped.saturating_add(self.events_lost.load(Ordering::Relaxed));
        samples.push(counter(&vocabulary::EVENTS_DROPPED, dropped));
    }
}

/// A series is there from the start if it may come any time, because a rate needs the zero before the first one.
fn is_usual(outcome: DecisionOutcome, code: Option<DenialCode>, source: Option<AnswerSource>) -> bool {
    use AnswerSource::{Coalesced, Hit, Negative, Stale, Verified};
    match (outcome, code, source) {
        (DecisionOutcome::Anonymous, _, source) => source.is_none(),
        (DecisionOutcome::Accepted, _, source) => {
            matches!(source, Some(Hit | Stale | Coalesced | Verified))
        }
        (_, Some(DenialCode::MissingKey | DenialCode::InvalidFormat | DenialCode::MultipleKeys), source) => {
            source.is_none()
        }
        (
            _,
            Some(
                DenialCode::InvalidKey
                | DenialCode::KeyRevoked
                | DenialCode::KeyInactive
                | DenialCode::ApiMismatch,
            ),
            source,
        ) => matches!(source, Some(Negative | Coalesced | Verified)),
        (_, Some(DenialCode::InternalError | DenialCode::VerificationUnavailable), source) => {
            matches!(source, None | Some(Coalesced | Verified))
        }
        // A caller that waits for another one's verification makes no attempt, so it is never told of a limit.
        (_, Some(DenialCode::RateLimited), source) => matches!(source, None | Some(Verified)),
        (_, _, source) => matches!(source, Some(Hit | Stale | Coalesced | Verified)),
    }
}

/// See [`is_usual`].
const USUAL_VERIFICATIONS: &[(VerificationResult, Option<&str>)] = &[
    (VerificationResult::Accepted, None),
    (VerificationResult::Refused, None),
    (VerificationResult::Unjudged, Some("overload")),
    (VerificationResult::Unjudged, Some("outage")),
    (VerificationResult::Unjudged, Some("unjudged")),
    (VerificationResult::Unjudged, Some("crowded")),
    (VerificationResult::Misconfigured, Some("set_up")),
    (VerificationResult::Misconfigured, Some("service_refused")),
];

fn count(counters: &[AtomicU64], which: usize) {
    if let Some(counter) = counters.get(which) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn counter(metric: &'static Metric, value: u64) -> Sample {
    Sample { metric, labels: Vec::new(), value: SampleValue::Counter(value) }
}

pub(crate) fn gauge(metric: &'static Metric, value: u64) -> Sample {
    Sample { metric, labels: Vec::new(), value: SampleValue::Gauge(value) }
}

/// The samples of a counter with one label.
fn family(
    samples: &mut Vec<Sample>,
    metric: &'static Metric,
    texts: impl Iterator<Item = &'static str>,
    counters: &[AtomicU64],
) {
    let label = metric.labels.first().map_or("", |label| label.name);
    for (text, counter) in texts.zip(counters) {
        let value = SampleValue::Counter(counter.load(Ordering::Relaxed));
        samples.push(Sample { metric, labels: vec![(label, Cow::Borrowed(text))], value });
    }
}

/// What an operator sees of the fleet. `looks` are those that found an answer, missed, and failed.
pub(crate) fn fleet_samples(samples: &mut Vec<Sample>, is_linked: bool, waiting: u64, looks: [u64; 3]) {
    samples.push(gauge(&vocabulary::FLEET_LINKED, u64::from(is_linked)));
    for (result, count) in vocabulary::LOOKED.values.iter().zip(looks) {
        let labels = vec![(vocabulary::LOOKED.name, Cow::Borrowed(*result))];
        samples.push(Sample { metric: &vocabulary::FLEET_LOOKS, labels, value: SampleValue::Counter(count) });
    }
    samples.push(gauge(&vocabulary::FLEET_REMOVALS_WAITING, waiting));
}
