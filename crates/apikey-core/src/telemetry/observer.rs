//! Events for an application that listens.

use std::time::Duration;

use super::vocabulary::{
    AnswerSource, BreakerState, DecisionOutcome, Endpoint, PurgedBy, TokenRenewal, VerificationResult,
};
use crate::denial_code::DenialCode;
use crate::policy::Policy;
use crate::verification::Verification;

/// Hears what an authenticator does: for an audit log, or for an exporter.
///
/// [`observe`](Self::observe) is called on the thread that decides about a request. So it must not block. If it panics, the
/// event is lost and counted, and the request goes on. Hand the event to a bounded queue, count what the queue can't take, and say so in
/// [`dropped_events`](Self::dropped_events).
///
/// An event borrows what it tells. It never holds a key, a secret or a token.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use apikey_core::{Event, Observer};
///
/// #[derive(Default)]
/// struct Purges(AtomicU64);
///
/// impl Observer for Purges {
///     fn observe(&self, event: &Event<'_>) {
///         if let Event::Purged { .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Hears an event.
    fn observe(&self, event: &Event<'_>);

    /// Whether it hears accepted requests and those without a key, too. By default it hears only denials. It is asked once,
    /// when the authenticator is built.
    fn hears_every_decision(&self) -> bool {
        false
    }

    /// How many events it could not take, since it began. [`Statistics`](crate::Statistics) show it.
    fn dropped_events(&self) -> u64 {
        0
    }
}

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A gate decided about a request. Denials are always told, other decisions if
    /// [`hears_every_decision`](Observer::hears_every_decision).
    Decided(DecisionRecord<'a>),
    /// A verification ended. Requests that waited for it are decided after it.
    VerificationEnded(VerificationRecord<'a>),
    /// A call to Kinde ended, or was given up.
    CallEnded(CallRecord<'a>),
    /// The circuit breaker changed to this state.
    BreakerChanged(BreakerState),
    /// This service's own token was fetched, or could not be fetched.
    TokenRenewal(TokenRenewal),
    /// Cached keys were forgotten.
    #[non_exhaustive]
    Purged {
        /// What the purge names.
        by: PurgedBy,
        /// The key id, user or organization that it names. `None` for a key, because that is a secret.
        name: Option<&'a str>,
        /// How many keys left the cache.
        removed: usize,
    },
}

/// A decision about one request.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DecisionRecord<'a> {
    /// How it ended.
    pub outcome: DecisionOutcome,
    /// The code of the denial.
    pub code: Option<DenialCode>,
    /// Where the answer comes from, or from where it should have come. `None` if nothing was looked up or asked.
    pub source: Option<AnswerSource>,
    /// How old the answer about the key is, if there is one.
    pub age: Option<Duration>,
    /// What Kinde said about the key, if it was verified: its id, and its owner.
    pub key: Option<&'a Verification>,
    /// What the route asks for. `None` if code asked without a policy.
    pub policy: Option<&'a Policy>,
    /// The template of the matched route, if the framework tells it.
    pub route: Option<&'a str>,
    /// The trace id of the request's `traceparent` header (W3C Trace Context), or else its `x-request-id`. A caller chooses
    /// both. It has at most 128 characters, all of them visible ASCII.
    pub request_id: Option<&'a str>,
    /// The client that the request counts for, as text: an IPv4 address, or the prefix of an IPv6 address.
    pub client: Option<&'a str>,
}

/// A verification that ended.
///
/// An exporter that takes durations one by one, such as a recorder of the `metrics` crate, can be fed with it:
///
/// ```
/// use apikey_core::{Event, Observer};
///
/// struct Durations;
///
/// impl Observer for Durations {
///     fn observe(&self, event: &Event<'_>) {
///         if let Event::VerificationEnded(ended) = event {
///             let result = ended.result.as_str();
///             metrics::histogram!("apikey_verification_duration_seconds", "result" => result).record(ended.took);
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct VerificationRecord<'a> {
    /// How it ended.
    pub result: VerificationResult,
    /// What went wrong, if the key was not judged. The texts are those of the metric's label.
    pub error_type: Option<&'static str>,
    /// What Kinde said about the key, if it was accepted.
    pub key: Option<&'a Verification>,
    /// The time since the request that started it.
    pub took: Duration,
}

/// A call to Kinde that ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CallRecord<'a> {
    /// What it asked.
    pub endpoint: Endpoint,
    /// Kinde's host and port, if the verifier has named them.
    pub server: Option<(&'a str, u16)>,
    /// The status of the response, if there was one.
    pub status: Option<u16>,
    /// What went wrong, if something did. The texts are those of the metric's label.
    pub error_type: Option<&'a str>,
    /// The time that it took.
    pub took: Duration,
}
