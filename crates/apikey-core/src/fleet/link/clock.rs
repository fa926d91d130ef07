//! The store's clock as this instance knows it. All ages of shared entries are told by it.
//!
//! A pull that was sent at `s` and answered at `r` with the store's time `k` says that the store's clock showed `k` at some
//! moment between the two. So at a moment `x` it shows between `k + (x - r)` and `k + (x - s)`, unless one of the two
//! clocks jumps.

use std::time::{Duration, Instant};

use crate::fleet::StoreTime;

struct Sample {
    store: StoreTime,
    sent: Instant,
    received: Instant,
    /// Since when no pull has found that one of the clocks jumped.
    agreed_since: Instant,
}

pub(super) struct StoreClock {
    tolerance: i128,
    /// How long an instance that has not noticed a jump may go on to stamp entries by the clock from before.
    lease: i128,
    sample: Option<Sample>,
    /// Entries that say to be from before this moment may be from before the clock was set back.
    floor: i128,
}

impl StoreClock {
    pub(super) fn new(tolerance: Duration, lease: Duration) -> Self {
        let [tolerance, lease] = [tolerance, lease].map(milliseconds);
        Self { tolerance, lease, sample: None, floor: i128::MIN }
    }

    /// Takes a pull's reading. Returns by how much more time has passed on the store's clock than on the own one since the
    /// last reading. It is zero if the clocks may agree.
    pub(super) fn read(&mut self, store: StoreTime, sent: Instant, received: Instant) -> Duration {
        let reading = i128::from(store.milliseconds);
        let mut ahead = 0;
        let mut agreed_since = received;
        if let Some(sample) = &self.sample {
            let (earliest, latest) = (sample.earliest(sent), sample.latest(received));
            if reading < earliest - self.tolerance {
                self.floor = self.floor.max(latest + self.lease + self.tolerance);
            } else if reading > latest + self.tolerance {
                ahead = reading - latest;
            } else {
                agreed_since = sample.agreed_since;
            }
        }
        self.sample = Some(Sample { store, sent, received, agreed_since });
        Duration::from_millis(u64::try_from(ahead).unwrap_or(0))
    }

    /// Whether a look that was sent and received at these moments may have found the store's clock like this.
    pub(super) fn expects(&self, store: StoreTime, sent: Instant, received: Instant) -> bool {
        let reading = i128::from(store.milliseconds);
        self.sample.as_ref().is_some_and(|sample| {
            let earliest = sample.earliest(sent) - self.tolerance;
            let latest = sample.latest(received) + self.tolerance;
            (earliest..=latest).contains(&reading)
        })
    }

    pub(super) fn is_above_floor(&self, store: StoreTime) -> bool {
        i128::from(store.milliseconds) >= self.floor
    }

    /// The store's time at this moment, or a little less.
    pub(super) fn stamp(&self, moment: Instant, must_agree: bool) -> Option<StoreTime> {
        let sample = self.sample.as_ref()?;
        if must_agree && moment < sample.agreed_since {
            return None;
        }
        let milliseconds = u64::try_from(sample.earliest(moment)).ok()?;
        Some(StoreTime { milliseconds })
    }
}

impl Sample {
    fn earliest(&self, moment: Instant) -> i128 {
        i128::from(self.store.milliseconds) + signed_milliseconds(moment, self.received)
    }

    fn latest(&self, moment: Instant) -> i128 {
        i128::from(self.store.milliseconds) + signed_milliseconds(moment, self.sent)
    }
}

/// From `from` to `to`.
fn signed_milliseconds(to: Instant, from: Instant) -> i128 {
    match to.checked_duration_since(from) {
        Some(passed) => milliseconds(passed),
        None => -milliseconds(from.saturating_duration_since(to)),
    }
}

fn milliseconds(span: Duration) -> i128 {
    i128::try_from(span.as_millis()).unwrap_or(i128::MAX)
}
