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

    /// Says where the calls go, as an IP address or a host's name without brackets. Call it once, before the first call.
    pub fn calls_go_to(&self, address: &str, port: u16) {
        self.0.calls_go_to(address, port);
    }

    /// Notes a call. `status` is that of the response, if its head came. `error_type` is one of
    ///
    /// - `connection`: there was no connection, or it broke,
    /// - `timeout`: the response, or the rest of it, did not come in time,
    /// - `cancelled`: nobody waited for the response any longer,
    /// - `response`: the response came to its end, and is of no use.
    ///
    /// If the status is at least 400, it counts as the type of the error instead. A number that is no status of HTTP
    /// counts as no status. A call with neither a status nor a type of error counts as `response`.
    pub fn called(
        &self,
        endpoint: Endpoint,
        status: Option<u16>,
        error_type: Option<&'static str>,
        took: Duration,
    ) {
        let (status, error_type) = labels_of_a_call(status, error_type);
        self.0.called(endpoint, status, error_type, took);
    }

    /// Notes that this service's own token was fetched, or could not be fetched.
    pub fn token_renewal(&self, renewal: TokenRenewal) {
        self.0.token_renewal(renewal);
    }
}

/// The status of an error is its type (OpenTelemetry's semantic conventions for HTTP).
pub(crate) fn labels_of_a_call(
    status: Option<u16>,
    error_type: Option<&'static str>,
) -> (Option<u16>, Option<Cow<'static, str>>) {
    match status {
        // A broken proxy may answer with any number. Each would make a series of its own.
        Some(status) if !(100..600).contains(&status) => (None, Some(Cow::Borrowed("response"))),
        Some(400..) => (status, status.map(|status| Cow::Owned(status.to_string()))),
        Some(_) => (status, error_type.map(Cow::Borrowed)),
        // Without a response it was no success.
        None => (None, Some(Cow::Borrowed(error_type.unwrap_or("response")))),
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Recorder(..)")
    }
}
