//! One call to Kinde, as an operator sees it.

use reqwest::Url;
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use crate::telemetry::calls::next_call;
use crate::telemetry::{Endpoint, Recorder, error_type_of_response};

/// A call that is under way. When this is dropped, the call has ended, however it did: it is counted, and its span closes.
pub(super) struct NotedCall {
    recorder: Option<Recorder>,
    endpoint: Endpoint,
    span: Span,
    began: Instant,
    /// Nobody waits for the call after this moment.
    deadline: Option<Instant>,
    status: Option<u16>,
    is_usable: bool,
    error_type: Option<&'static str>,
}

impl NotedCall {
    /// Its span follows OpenTelemetry's semantic conventions for HTTP clients. Nothing in the URL is secret, because a
    /// domain with a user name, a password, a path or a query is refused.
    pub(super) fn begin(recorder: Option<&Recorder>, endpoint: Endpoint, url: &Url) -> Self {
        let (resends, deadline) = next_call();
        let span = tracing::info_span!(
            "POST",
            otel.name = "POST",
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = "POST",
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            server.address = url.host_str().map(|host| host.trim_matches(['[', ']'])),
            server.port = url.port_or_known_default().map(i64::from),
            url.full = url.as_str(),
            error.type = Empty,
            apikey.endpoint = endpoint.as_str(),
        );
        if resends > 0 {
            span.record("http.request.resend_count", i64::try_from(resends).unwrap_or(i64::MAX));
        }
        Self {
            recorder: recorder.cloned(),
            endpoint,
            span,
            began: Instant::now(),
            deadline,
            status: None,
            is_usable: false,
            error_type: None,
        }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Notes that the head of the response came.
    pub(super) fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// Notes that the response says what was asked.
    pub(super) fn was_usable(&mut self) {
        self.is_usable = true;
    }

    /// Notes that the call failed by `connection`, `timeout` or `response`.
    pub(super) fn failed(&mut self, error_type: &'static str) {
        self.error_type = Some(error_type);
    }

    /// Why there is no response.
    fn why_unanswered(&self) -> &'static str {
        let is_late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        self.error_type.unwrap_or(if is_late { "timeout" } else { "cancelled" })
    }
}

impl Drop for NotedCall {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let error_type = match self.status {
            Some(status) => {
                self.span.record("http.response.status_code", i64::from(status));
                if let Some(recorder) = &self.recorder {
                    recorder.answered(self.endpoint, status, self.is_usable, took);
                }
                error_type_of_response(status, self.is_usable)
            }
            None => {
                let why = self.why_unanswered();
                if let Some(recorder) = &self.recorder {
                    recorder.unanswered(self.endpoint, why, took);
                }
                Some(why.into())
            }
        };
        if let Some(error_type) = error_type {
            self.span.record("error.type", &*error_type).record("otel.status_code", "ERROR");
        }
    }
}
