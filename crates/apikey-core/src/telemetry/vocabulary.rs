//! The names of everything that this library lets an operator see: metrics, their labels, and fields of spans and
//! events. The exporters, the documentation, the dashboard and the alert rules take them from here.
//!
//! Names and values of labels change only with a new major version.

use crate::denial_code::DenialCode;

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// It only grows, from zero at the start of the process.
    Counter,
    /// It is a level that goes up and down.
    Gauge,
    /// It counts durations by their length.
    Histogram,
}

/// The unit of a metric, as OpenTelemetry writes it (UCUM).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricUnit {
    /// A number of things.
    One,
    /// Seconds.
    Seconds,
}

/// A label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Label {
    /// The name in OpenTelemetry.
    pub name: &'static str,
    /// All values. Empty for the HTTP status, and for Kinde's host and port, which the settings name.
    pub values: &'static [&'static str],
}

/// A metric.
///
/// ```
/// use apikey_core::METRICS;
///
/// let decisions = METRICS.iter().find(|metric| metric.name == "apikey.decisions").unwrap();
/// assert_eq!(decisions.prometheus, "apikey_decisions_total");
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Metric {
    /// The name in OpenTelemetry.
    pub name: &'static str,
    /// The name in Prometheus.
    pub prometheus: &'static str,
    /// What kind of number it is.
    pub kind: MetricKind,
    /// Its unit.
    pub unit: MetricUnit,
    /// What it tells, in one sentence.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [Label],
}

/// The upper bounds of the buckets of every histogram, in seconds. They are those that OpenTelemetry advises for
/// `http.client.request.duration`.
pub const DURATION_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// How a decision ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecisionOutcome {
    /// The request may pass, and presents a key.
    Accepted,
    /// The request may not pass.
    Denied,
    /// The request may pass, and presents no key.
    Anonymous,
}

/// Where the answer behind a decision comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnswerSource {
    /// The cache had a fresh answer.
    Hit,
    /// The cache had an answer past its time to live, which serves while Kinde can't answer.
    Stale,
    /// Kinde refused the key a moment ago, and the refusal is remembered.
    Negative,
    /// Another request had started a verification of the same key, and this one waited for it.
    Coalesced,
    /// This request started the verification.
    Verified,
    /// Another instance of the fleet had verified the key.
    Shared,
}

/// How a verification ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VerificationResult {
    /// The key is valid and active.
    Accepted,
    /// The key must not be let in.
    Refused,
    /// The key was not judged, because Kinde could not answer or was not asked.
    Unjudged,
    /// The key was not judged, because this service is set up wrong.
    Misconfigured,
}

/// What a purge names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PurgedBy {
    /// A key.
    Key,
    /// The id of a key.
    KeyId,
    /// A user.
    User,
    /// An organization.
    Organization,
    /// Nothing: every key is forgotten.
    Everything,
    /// Nothing: Kinde accepted a newer secret of the same key.
    Rotation,
}

/// The state of the circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Keys are sent.
    Closed,
    /// No key is sent until a health check succeeds.
    Open,
    /// No key is sent until a moment that Kinde named.
    Paused,
}

/// How the renewal of this service's own token ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenRenewal {
    /// There is a new token.
    Renewed,
    /// There is none.
    Failed,
}

/// What a call to Kinde asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Endpoint {
    /// About a caller's key.
    Verify,
    /// For a token.
    Token,
    /// About a made-up key, to learn whether verifying works.
    Health,
    /// For the public keys with which Kinde signs webhooks.
    KeySet,
    /// About the APIs that a verified key is for.
    ApiKey,
}

/// Gives each value of an enum its text, in one place.
macro_rules! texts {
    ($($type:ident { $($value:ident: $text:literal),* $(,)? })*) => {$(
        impl $type {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$value),*];
            const TEXTS: &'static [&'static str] = &[$($text),*];

            /// The text in labels and fields.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text),* }
            }
        }
    )*};
}

texts! {
    DecisionOutcome { Accepted: "accepted", Denied: "denied", Anonymous: "anonymous" }
    AnswerSource { Hit: "hit", Stale: "stale", Negative: "negative", Coalesced: "coalesced", Verified: "verified", Shared: "shared" }
    VerificationResult {
        Accepted: "accepted", Refused: "refused", Unjudged: "unjudged", Misconfigured: "misconfigured",
    }
    PurgedBy {
        Key: "key", KeyId: "key_id", User: "user", Organization: "organization", Everything: "everything",
        Rotation: "rotation",
    }
    BreakerState { Closed: "closed", Open: "open", Paused: "paused" }
    TokenRenewal { Renewed: "renewed", Failed: "failed" }
    Endpoint { Verify: "verify", Token: "token", Health: "health", KeySet: "jwks", ApiKey: "api_key" }
}

impl Endpoint {
    /// The method of the call.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::KeySet | Self::ApiKey => "GET",
            Self::Verify | Self::Token | Self::Health => "POST",
        }
    }
}

const CODES: [&str; DenialCode::ALL.len()] = {
    let mut codes = [""; DenialCode::ALL.len()];
    let (mut rest, mut from): (&mut [&str], &[DenialCode]) = (&mut codes, DenialCode::ALL);
    while let ([code, later @ ..], [next, others @ ..]) = (rest, from) {
        *code = next.as_str();
        (rest, from) = (later, others);
    }
    codes
};

pub(crate) const OUTCOME: Label = Label { name: "outcome", values: DecisionOutcome::TEXTS };
/// Only a denial has a code.
pub(crate) const CODE: Label = Label { name: "code", values: &CODES };
/// A decision without a look at any answer has no source.
pub(crate) const SOURCE: Label = Label { name: "source", values: AnswerSource::TEXTS };
pub(crate) const RESULT: Label = Label { name: "result", values: VerificationResult::TEXTS };
/// Only what was not judged has one.
pub(crate) const ERROR_TYPE: Label = Label {
    name: "error.type",
    values: &[
        "overload",
        "outage",
        "unjudged",
        "set_up",
        "service_refused",
        "crowded",
        "paused",
        "limited",
        "void",
        "ended",
        "panic",
    ],
};
pub(crate) const ENDPOINT: Label = Label { name: "apikey.endpoint", values: Endpoint::TEXTS };
pub(crate) const METHOD: Label = Label { name: "http.request.method", values: &["POST", "GET"] };
/// Only a call with a response has one.
pub(crate) const STATUS: Label = Label { name: "http.response.status_code", values: &[] };
/// Only a failed call has one. It is the status, if that is at least 400 (OpenTelemetry's semantic conventions).
pub(crate) const CALL_ERROR_TYPE: Label =
    Label { name: "error.type", values: &["connection", "timeout", "response", "cancelled"] };
/// Kinde's host. It is always the same.
pub(crate) const SERVER_ADDRESS: Label = Label { name: "server.address", values: &[] };
/// Kinde's port.
pub(crate) const SERVER_PORT: Label = Label { name: "server.port", values: &[] };
pub(crate) const STATE: Label = Label { name: "state", values: BreakerState::TEXTS };
pub(crate) const RENEWAL: Label = Label { name: "result", values: TokenRenewal::TEXTS };
/// How a look into the fleet's store ended.
pub(crate) const LOOKED: Label = Label { name: "result", values: &["found", "missed", "failed"] };
/// What became of a webhook.
pub(crate) const WEBHOOK_RESULT: Label =
    Label { name: "result", values: &["removed", "repeated", "ignored", "refused", "unavailable"] };
pub(crate) const BY: Label = Label { name: "by", values: PurgedBy::TEXTS };

macro_rules! metrics {
    ($($constant:ident: $kind:ident $unit:ident $name:literal $prometheus:literal [$($label:ident),*] $help:literal;)*) => {
        $(
            pub(crate) static $constant: Metric = Metric {
                name: $name,
                prometheus: $prometheus,
                kind: MetricKind::$kind,
                unit: MetricUnit::$unit,
                help: $help,
                labels: &[$($label),*],
            };
        )*

        /// Every metric of this library.
        pub static METRICS: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    DECISIONS: Counter One "apikey.decisions" "apikey_decisions_total" [OUTCOME, CODE, SOURCE]
        "Decisions about requests.";
    VERIFICATION_DURATION: Histogram Seconds "apikey.verification.duration" "apikey_verification_duration_seconds"
        [RESULT, ERROR_TYPE] "How long verifications took, from the request that started one to its outcome.";
    CALLS: Histogram Seconds "http.client.request.duration" "http_client_request_duration_seconds"
        [ENDPOINT, METHOD, SERVER_ADDRESS, SERVER_PORT, STATUS, CALL_ERROR_TYPE] "How long calls to Kinde took.";
    VERIFICATIONS_IN_FLIGHT: Gauge One "apikey.verifications.in_flight" "apikey_verifications_in_flight" []
        "Verifications that have a place among the calls to Kinde.";
    VERIFICATIONS_LIMIT: Gauge One "apikey.verifications.limit" "apikey_verifications_limit" []
        "How many verifications may have a place at once now. Overload lowers it.";
    CALLERS_WAITING: Gauge One "apikey.callers.waiting" "apikey_callers_waiting" []
        "Requests that wait for a verification that another request started.";
    CACHE_ENTRIES: Gauge One "apikey.cache.entries" "apikey_cache_entries" []
        "Accepted keys in the cache.";
    CACHE_CAPACITY: Gauge One "apikey.cache.capacity" "apikey_cache_capacity" []
        "How many accepted keys the cache may hold.";
    CACHE_EVICTIONS: Counter One "apikey.cache.evictions" "apikey_cache_evictions_total" []
        "Accepted keys that left the cache to make room for others, although the answers about them were fresh.";
    BREAKER_STATE: Gauge One "apikey.breaker.state" "apikey_breaker_state" [STATE]
        "1 for the state in which the circuit breaker is, 0 for the others.";
    BREAKER_CHANGES: Counter One "apikey.breaker.changes" "apikey_breaker_changes_total" [STATE]
        "How often the circuit breaker changed to this state.";
    TOKEN_RENEWALS: Counter One "apikey.token.renewals" "apikey_token_renewals_total" [RENEWAL]
        "Fetches of this service's own token.";
    ATTEMPTS_LIMITED: Counter One "apikey.attempts.limited" "apikey_attempts_limited_total" []
        "Requests of clients that had used up their attempts.";
    CLIENTS_REMEMBERED: Gauge One "apikey.clients.remembered" "apikey_clients_remembered" []
        "Clients that the limit of attempts remembers, about. Those that made no attempt lately count, too.";
    PURGES: Counter One "apikey.purges" "apikey_purges_total" [BY]
        "Purges of the cache.";
    RETRIES: Counter One "apikey.retries" "apikey_retries_total" []
        "Calls of the verifier beyond the first one of a verification.";
    RETRY_BUDGET: Gauge One "apikey.retry.budget" "apikey_retry_budget" []
        "Retries that are left in the budget that all verifications share.";
    FLEET_LINKED: Gauge One "apikey.fleet.linked" "apikey_fleet_linked" []
        "1 if this instance hears of every removal that its fleet makes, or has no fleet. 0 if it is cut off.";
    FLEET_LOOKS: Counter One "apikey.fleet.looks" "apikey_fleet_looks_total" [LOOKED]
        "Looks into the fleet's store for another instance's answer.";
    FLEET_REMOVALS_WAITING: Gauge One "apikey.fleet.removals.waiting" "apikey_fleet_removals_waiting" []
        "Removals that the fleet's store is not known to have yet.";
    WEBHOOKS: Counter One "apikey.webhooks" "apikey_webhooks_total" [WEBHOOK_RESULT]
        "Webhooks of Kinde's, by what became of them.";
    EVENTS_DROPPED: Counter One "apikey.events.dropped" "apikey_events_dropped_total" []
        "Events that an observer could not take in time.";
}

/// A field of a span or an event.
#[derive(Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SpanField {
    /// The name in `tracing` and in OpenTelemetry.
    pub name: &'static str,
    /// What it tells, in one sentence.
    pub help: &'static str,
}

macro_rules! fields {
    ($($name:literal $help:literal;)*) => {
        /// Every field that this library records in spans and events. The spans are `apikey.verification`, inside it one
        /// `POST` for each call to Kinde, and `apikey.token` for a fetch of this service's own token. A `GET` asks for which
        /// APIs a key is, or fetches the keys for webhooks. A span of the application gets `apikey.outcome`, `apikey.code`, `apikey.key_id`,
        /// `apikey.organization` and `apikey.user`, if it has declared them.
        ///
        /// ```
        /// use apikey_core::SPAN_FIELDS;
        ///
        /// assert!(SPAN_FIELDS.iter().any(|field| field.name == "apikey.key_id"));
        /// ```
        pub static SPAN_FIELDS: &[SpanField] = &[$(SpanField { name: $name, help: $help }),*];
    };
}

fields! {
    "apikey.outcome" "How the decision about the request ended: accepted, denied or anonymous.";
    "apikey.code" "The code of the denial.";
    "apikey.key_id" "The id of the key, if it was verified.";
    "apikey.organization" "The organization that owns the key, recorded only in a span of the application.";
    "apikey.user" "The user that owns the key, recorded only in a span of the application.";
    "apikey.result" "How the verification, or the fetch of the token, ended.";
    "apikey.endpoint" "What the call to Kinde asks: verify, token, health, jwks or api_key.";
    "error.type" "What went wrong, if something did; the status, if the response has one of at least 400.";
    "http.request.method" "The method of the call: GET for jwks and api_key, otherwise POST.";
    "http.request.resend_count" "How many calls with the same question came before, if there were any.";
    "http.response.status_code" "The status of the response, if there was one.";
    "server.address" "Kinde's host, as it is set up.";
    "server.port" "Kinde's port, as it is set up.";
    "url.full" "The URL of the call, which holds no secret.";
    "otel.kind" "Says to OpenTelemetry that the span is a client's.";
    "otel.name" "The name of the span in OpenTelemetry.";
    "otel.status_code" "ERROR, if something went wrong.";
}
