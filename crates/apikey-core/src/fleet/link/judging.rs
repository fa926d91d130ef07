//! Which entries an instance writes, and which it believes.

use std::time::{Duration, Instant};

use super::{Link, RecordId, Rule};
use crate::engine::Purge;
use crate::fleet::StoreTime;

/// What a look found, and what its seal says.
#[derive(Debug, Clone)]
pub(crate) struct Travelled {
    pub(crate) head: RecordId,
    pub(crate) asked_at: StoreTime,
    /// The store's time when it looked.
    pub(crate) store_now: StoreTime,
    pub(crate) sent: Instant,
    pub(crate) received: Instant,
}

impl Link {
    /// The newest record that this instance knows. Read it before Kinde is asked: it goes into the entry. `None` if the
    /// answer can't become one.
    pub(crate) fn head(&self) -> Option<RecordId> {
        self.unshown.is_none().then(|| self.memory.tip().map(|tip| tip.id)).flatten()
    }

    /// The store's time for an entry that was asked for at this moment, never later than the true one. `None` if the answer
    /// can't become an entry.
    pub(crate) fn stamp(&self, asked: Instant, now: Instant) -> Option<StoreTime> {
        let must_agree = self.is_on(Rule::StampInAgreement);
        self.is_linked(now).then(|| self.clock.stamp(asked, must_agree)).flatten()
    }

    /// When the entry was asked for on the own clock, never later than the truth. `None` if it can't be believed.
    /// `concerns` says whether a removal concerns the answer in it.
    pub(crate) fn judge(
        &self,
        entry: &Travelled,
        now: Instant,
        concerns: impl Fn(&Purge) -> bool,
    ) -> Option<Instant> {
        let Travelled { head, asked_at, store_now, sent, received } = *entry;
        let clock = &self.clock;
        let is_believed = self.is_linked(now)
            && self.unshown.is_none()
            && asked_at <= store_now
            && (clock.expects(store_now, sent, received) || !self.is_on(Rule::ClockOfLook))
            && (clock.is_above_floor(asked_at) || !self.is_on(Rule::FloorOfEntries))
            && (self.is_untouched_since(&head, &concerns) || !self.is_on(Rule::HeadOfEntry))
            && !(self.outbox.purges().any(concerns) && self.is_on(Rule::OutboxOfEntry));
        let age = Duration::from_millis(store_now.milliseconds.saturating_sub(asked_at.milliseconds));
        let age = age.saturating_add(self.settings.clock_tolerance);
        is_believed.then(|| sent.checked_sub(age)).flatten()
    }

    /// Whether the record is known, and no removal after it concerns the answer.
    fn is_untouched_since(&self, head: &RecordId, concerns: impl Fn(&Purge) -> bool) -> bool {
        self.memory.after(head).is_some_and(|mut later| !later.any(concerns))
    }
}
