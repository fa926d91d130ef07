//! One call to Kinde, as an operator sees it.

use tokio::time::Instant;

use crate::telemetry::calls::next_call;
use crate::telemetry::{Endpoint, Recorder};

/// A call that is under way. When this is dropped, the call has ended, however it did: it is counted.
pub(super) struct NotedCall {
    recorder: Option<Recorder>,
    endpoint: Endpoint,
    began: Instant,
    /// Nobody waits for the call after this moment.
    deadline: Option<Instant>,
    status: Option<u16>,
    is_usable: bool,
    error_type: Option<&'static str>,
}

impl NotedCall {
    pub(super) fn begin(recorder: Option<&Recorder>, endpoint: Endpoint) -> Self {
        let (_, deadline) = next_call();
        Self {
            recorder: recorder.cloned(),
            endpoint,
            began: Instant::now(),
            deadline,
            status: None,
            is_usable: false,
            error_type: None,
        }
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
        let Some(recorder) = &self.recorder else { return };
        match self.status {
            Some(status) => recorder.answered(self.endpoint, status, self.is_usable, took),
            None => recorder.unanswered(self.endpoint, self.why_unanswered(), took),
        }
    }
}
