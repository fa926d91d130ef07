//! How often something happened lately.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The moments at which something happened.
#[derive(Default)]
pub(super) struct Recent(VecDeque<Instant>);

impl Recent {
    /// Notes that it happens now, and forgets what happened longer ago than the span.
    pub(super) fn note(&mut self, span: Duration, now: Instant) {
        self.0.push_back(now);
        self.forget_before(span, now);
    }

    /// How often it happened within the span.
    pub(super) fn count(&mut self, span: Duration, now: Instant) -> usize {
        self.forget_before(span, now);
        self.0.len()
    }

    fn forget_before(&mut self, span: Duration, now: Instant) {
        while self.0.front().is_some_and(|at| now.saturating_duration_since(*at) > span) {
            self.0.pop_front();
        }
    }
}
