//! Where a verifier notes the calls that it makes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::counters::Telemetry;
use super::vocabulary::{Endpoint, TokenRenewal};

/// Where a [`Verifier`](crate::Verifier) notes the calls that it makes. It gets one in
/// [`use_recorder`](crate::Verifier::use_recorder). Clones note in the same place.
#[derive(Clone)]
pub struct Recorder(Arc<Telemetry>);

impl Recorder {
    pub(crate) fn new(telemetry: Arc<Telemetry>) -> Self {
        Self(telemetry)
    }

    /// Notes a call that got a response with this status. `is_usable` says whether the response could be read. A number
    /// that is no status of HTTP counts as no response.
    pub fn answered(&self, endpoint: Endpoint, status: u16, is_usable: bool, took: Duration) {
        // A broken proxy may answer with any number. Each would make a series of its own.
        if !(100..600).contains(&status) {
            return self.unanswered(endpoint, "response", took);
        }
        self.0.called(endpoint, Some(status), error_type_of_response(status, is_usable), took);
    }

    /// Notes a call without a response. `error_type` is one of `connection`, `timeout`, `response` and `cancelled`.
    pub fn unanswered(&self, endpoint: Endpoint, error_type: &'static str, took: Duration) {
        self.0.called(endpoint, None, Some(Cow::Borrowed(error_type)), took);
    }

    /// Notes that this service's own token was fetched, or could not be fetched.
    pub fn token_renewal(&self, renewal: TokenRenewal) {
        self.0.token_renewal(renewal);
    }
}

/// The status of an error is its type (OpenTelemetry's semantic conventions for HTTP).
pub(crate) fn error_type_of_response(status: u16, is_usable: bool) -> Option<Cow<'static, str>> {
    match status {
        400.. => Some(Cow::Owned(status.to_string())),
        _ if !is_usable => Some(Cow::Borrowed("response")),
        _ => None,
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Recorder(..)")
    }
}
