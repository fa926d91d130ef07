//! One call to Kinde, as an operator sees it.

use reqwest::Url;
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use crate::telemetry::calls::next_call;
use crate::telemetry::{Endpoint, Recorder, labels_of_a_call};

/// A call that is under way. When this is dropped, the call has ended, however it did: it is counted, and its span closes.
pub(super) struct NotedCall {
    recorder: Option<Recorder>,
    endpoint: Endpoint,
    span: Span,
    began: Instant,
    /// Nobody waits for the call after this moment.
    deadline: Option<Instant>,
    status: Option<u16>,
    stage: Stage,
}

/// How far the call has come.
enum Stage {
    /// Its response has not come, or not to its end.
    UnderWay,
    /// It failed.
    Failed(&'static str),
    /// The response was read to its end, and says nothing of use.
    Read,
    /// The response says what was asked.
    Usable,
}

impl NotedCall {
    /// Its span follows OpenTelemetry's semantic conventions for HTTP clients. Nothing in the URL is secret, because a
    /// domain with a user name, a password, a path or a query is refused, and the id of a key is no secret.
    pub(super) fn begin(recorder: Option<&Recorder>, endpoint: Endpoint, url: &Url) -> Self {
        let (resends, deadline) = next_call(endpoint);
        // The name of a span is a literal.
        macro_rules! span {
            ($method:literal) => {
                tracing::info_span!(
                    $method,
                    otel.name = $method,
                    otel.kind = "client",
                    otel.status_code = Empty,
                    http.request.method = $method,
                    http.request.resend_count = Empty,
                    http.response.status_code = Empty,
                    server.address = address_of(url),
                    server.port = url.port_or_known_default().map(i64::from),
                    url.full = url.as_str(),
                    error.type = Empty,
                    apikey.endpoint = endpoint.as_str(),
                )
            };
        }
        let span = if endpoint.method() == "GET" { span!("GET") } else { span!("POST") };
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
            stage: Stage::UnderWay,
        }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Notes that the head of the response came.
    pub(super) fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// Notes that the response was read to its end.
    pub(super) fn was_read(&mut self) {
        self.stage = Stage::Read;
    }

    /// Notes that the response says what was asked.
    pub(super) fn was_usable(&mut self) {
        self.stage = Stage::Usable;
    }

    /// Notes that the call failed by `connection`, `timeout` or `response`.
    pub(super) fn failed(&mut self, error_type: &'static str) {
        self.stage = Stage::Failed(error_type);
    }

    fn error_type(&self) -> Option<&'static str> {
        match self.stage {
            Stage::Usable => None,
            Stage::Read => Some("response"),
            Stage::Failed(error_type) => Some(error_type),
            // The call was dropped.
            Stage::UnderWay if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                Some("timeout")
            }
            Stage::UnderWay => Some("cancelled"),
        }
    }
}

/// The host without the brackets of an IPv6 address.
pub(super) fn address_of(url: &Url) -> Option<&str> {
    url.host_str().map(|host| host.trim_matches(['[', ']']))
}

impl Drop for NotedCall {
    fn drop(&mut self) {
        let error_type = self.error_type();
        if let Some(recorder) = &self.recorder {
            recorder.called(self.endpoint, self.status, error_type, self.began.elapsed());
        }
        if let Some(status) = self.status {
            self.span.record("http.response.status_code", i64::from(status));
        }
        if let (_, Some(error_type)) = labels_of_a_call(self.status, error_type) {
            self.span.record("error.type", &*error_type).record("otel.status_code", "ERROR");
        }
    }
}
