//! How many calls may be under way at once. The number starts at the configured bound. Overload halves it, at most once per usual
//! time of a call and never below what succeeded in that time. Each round of successes adds one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Assumed for the usual time of a call until one has succeeded.
const USUAL_AT_FIRST: Duration = Duration::from_millis(100);
/// The latest call counts for one part in so many of the usual time.
const WEIGHT: u32 = 8;

pub(super) struct Places {
    count: usize,
    most: usize,
    usual: Option<Duration>,
    halved_at: Option<Instant>,
    /// The latest successes, no older than the usual time of a call.
    successes: VecDeque<Instant>,
    round: usize,
}

/// What a place was used for, when it is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Used {
    /// A key was judged, in this time.
    Judged(Duration),
    Overloaded,
    Otherwise,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        let successes = VecDeque::new();
        Self { count: most, most, usual: None, halved_at: None, successes, round: 0 }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The usual time of a call.
    pub(super) fn usual(&self) -> Duration {
        self.usual.unwrap_or(USUAL_AT_FIRST)
    }

    /// Takes in what came of a call.
    pub(super) fn adapt(&mut self, used: Used, now: Instant) {
        match used {
            Used::Judged(took) => self.succeeded(took, now),
            Used::Overloaded => self.overloaded(now),
            Used::Otherwise => {}
        }
    }

    fn succeeded(&mut self, took: Duration, now: Instant) {
        let usual = self.usual.map_or(took, |usual| (usual * (WEIGHT - 1) + took) / WEIGHT);
        self.usual = Some(usual);
        self.successes.push_back(now);
        forget_before(&mut self.successes, now, usual);
        self.round += 1;
        if self.round >= self.count {
            self.round = 0;
            self.count = (self.count + 1).min(self.most);
        }
    }

    fn overloaded(&mut self, now: Instant) {
        let usual = self.usual();
        if self.halved_at.is_some_and(|at| now.saturating_duration_since(at) < usual) {
            return;
        }
        forget_before(&mut self.successes, now, usual);
        self.halved_at = Some(now);
        self.round = 0;
        self.count = (self.count / 2).max(self.successes.len()).clamp(1, self.count);
    }
}

/// Takes out the moments that are longer ago than the span.
pub(super) fn forget_before(moments: &mut VecDeque<Instant>, now: Instant, span: Duration) {
    while moments.front().is_some_and(|at| now.saturating_duration_since(*at) > span) {
        moments.pop_front();
    }
}
