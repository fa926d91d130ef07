//! What adapters have in common beside decisions: the methods that read requests, the names that an application uses,
//! and the types that each adapter defines for itself.

mod handler;
mod refused_upload;
mod types;

pub use handler::{GuardedHandler, KeyAmong, KeyArgument, KeyPlace, OptionalKeyArgument, RouteRequirement};
pub use refused_upload::RefusedUpload;

use crate::attempt::{Attempt, State};
use crate::authenticator::Authenticator;
use crate::denial::Denial;
use crate::denial_code::DenialCode;
use crate::extract::CredentialSource;
use crate::request::RequestHead;

/// # For adapters
///
/// An adapter for a web framework calls these methods. An application does not need them.
impl Authenticator {
    /// Begins an attempt: extracts the key from a request and looks it up in the cache, without waiting. A
    /// [`gate`](Self::gate) decides about the attempt.
    pub fn begin(&self, request: &impl RequestHead) -> Attempt {
        match self.0.extraction.extract(request) {
            Ok(None) => self.0.attempt(State::Anonymous),
            Ok(Some(key)) => self.0.begin(key, &|| self.0.client_of(request)),
            Err(malformed) => Attempt::denied(self.0.style.malformed(malformed)),
        }
    }

    /// Whether the adapter must store this attempt in the request's [`Memo`](crate::Memo). Not needed on a cache hit:
    /// looking again gives the same result without a call.
    #[must_use]
    pub fn must_remember(&self, attempt: &Attempt) -> bool {
        attempt.is_pending() || self.removes_credential()
    }

    /// Whether the adapter must take the credential out of the request before the handler sees it: if
    /// [`remove_credential`](crate::AuthenticatorBuilder::remove_credential) is set, or if a location implies it
    /// ([`web_socket_protocol`](crate::CredentialSource::web_socket_protocol)).
    #[must_use]
    pub fn removes_credential(&self) -> bool {
        self.0.extraction.removes_credential()
    }

    /// The headers that the adapter must change in this request, in lower case, each with the one value that the handler
    /// must see instead. `None` if the handler must not see the header at all. Empty unless
    /// [`removes_credential`](Self::removes_credential).
    #[must_use]
    pub fn headers_without_credential(&self, request: &impl RequestHead) -> Vec<(&str, Option<Vec<u8>>)> {
        self.0.extraction.headers_without_credential(request)
    }

    /// The path and query that the handler must see instead of these. `None` if they stay as they are.
    #[must_use]
    pub fn target_without_credential(&self, path: &str, query: Option<&str>) -> Option<String> {
        let rest = self.0.extraction.query_without_credential(query?)?;
        Some(if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") })
    }

    /// A denial with this code, in this authenticator's words, for the documentation of an API. One that names scopes names
    /// `read:users`.
    #[must_use]
    pub fn sample_denial(&self, code: DenialCode) -> Denial {
        self.0.style.sample(code, self.0.options.attempt_limit.unwrap_or_default())
    }

    /// Where a request may present a key, in the order in which messages name the locations.
    #[must_use]
    pub fn credential_sources(&self) -> &[CredentialSource] {
        &self.0.options.extraction.sources
    }

    /// Whether a key may be in the query. An adapter that must copy the query to show it asks this first.
    #[must_use]
    pub fn reads_query(&self) -> bool {
        self.0.extraction.reads_query()
    }
}

/// Everything that an application names in any framework. Adapters re-export all of it. If an adapter defines an
/// `Authenticator` of its own, that one takes precedence over this one.
pub mod application {
    pub use crate::{
        AnyOf, AttemptLimit, Audience, Authenticator, AuthenticatorBuilder, ConfigError, CredentialSource,
        Denial, DenialBody, DenialCode, ForwardingHeader, Fresh, KindeOperation, OrganizationKey,
        PeerAddress, Policy, Removal, RouteOptions, TrustedProxies, TypedPolicy, UserKey, Verification,
        VerifiedKey, scopes,
    };
    // For a verifier of the application's own, and for tests of it.
    pub use crate::{
        Clock, Endpoint, FailureClass, FirstTry, Health, Judgement, MalformedKey, ManualClock, PresentedKey,
        Recorder, Refusal, SystemClock, Verdict, Verifier, VerifierError, async_trait,
    };
    // For observers, and for exporters of statistics.
    pub use crate::{
        AnswerSource, BreakerState, CallRecord, DURATION_BUCKETS, DecisionOutcome, DecisionRecord, Event,
        Histogram, Label, METRICS, Metric, MetricKind, MetricUnit, Observer, PurgedBy, SPAN_FIELDS, Sample,
        SampleValue, SpanField, Statistics, TokenRenewal, VerificationRecord, VerificationResult,
    };
    #[cfg(feature = "kinde")]
    pub use crate::{KindeSettings, KindeVerifier, MachineToMachine};
}
