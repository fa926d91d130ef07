//! The store's clock as this instance knows it. All ages of shared entries are told by it.
//!
//! A pull that was sent at `s` and answered at `r` with the store's time `k` says that the store's clock showed `k` at some
//! moment between the two. So at a moment `x` it shows between `k + (x - r)` and `k + (x - s)`, unless one of the two
//! clocks jumps.
//!
//! Nobody may stretch the life of entries by slowing the store's clock. So a reading is held not only to the one before it, but
//! to all since the clock was last set back: however small its steps are, they may not add up to more than the tolerance and
//! [`DRIFT`].

use std::time::{Duration, Instant};

use crate::fleet::StoreTime;

/// A clock may lose one part in this many, or 0.2 %, on another one. NTP slows or speeds up each of the two by 0.05 %.
const DRIFT: i128 = 500;

#[derive(Clone, Copy)]
struct Sample {
    store: StoreTime,
    sent: Instant,
    received: Instant,
}

struct Seen {
    latest: Sample,
    /// Of all samples since the clock was last set back, the one that demands the most of the next.
    strictest: Sample,
    /// Since when no pull has found that one of the clocks jumped.
    agreed_since: Instant,
}

pub(super) struct StoreClock {
    tolerance: i128,
    /// How long an instance that has not noticed a jump may go on to stamp entries by the clock from before.
    lease: i128,
    seen: Option<Seen>,
    /// Entries that say to be from before this moment may be from before the clock was set back.
    floor: i128,
}

impl StoreClock {
    pub(super) fn new(tolerance: Duration, lease: Duration) -> Self {
        let [tolerance, lease] = [tolerance, lease].map(milliseconds);
        Self { tolerance, lease, seen: None, floor: i128::MIN }
    }

    /// Takes a pull's reading. Returns by how much more time has passed on the store's clock than on the own one since the
    /// last reading. It is zero if the clocks may agree.
    pub(super) fn read(&mut self, store: StoreTime, sent: Instant, received: Instant) -> Duration {
        let reading = i128::from(store.milliseconds);
        let latest = Sample { store, sent, received };
        let mut seen = Seen { latest, strictest: latest, agreed_since: received };
        let mut ahead = 0;
        if let Some(before) = &self.seen {
            let most = before.latest.latest(received);
            if reading < before.strictest.least(sent) - self.tolerance {
                let most = most.max(before.strictest.latest(received));
                self.floor = self.floor.max(most + self.lease + self.tolerance);
            } else {
                if before.strictest.least(received) > reading {
                    seen.strictest = before.strictest;
                }
                if reading > most + self.tolerance {
                    ahead = reading - most;
                } else {
                    seen.agreed_since = before.agreed_since;
                }
            }
        }
        self.seen = Some(seen);
        Duration::from_millis(u64::try_from(ahead).unwrap_or(0))
    }

    /// Whether a look that was sent and received at these moments may have found the store's clock like this.
    pub(super) fn expects(&self, store: StoreTime, sent: Instant, received: Instant) -> bool {
        let reading = i128::from(store.milliseconds);
        self.seen.as_ref().is_some_and(|seen| {
            let least = seen.strictest.least(sent) - self.tolerance;
            let most = seen.latest.latest(received) + self.tolerance;
            (least..=most).contains(&reading)
        })
    }

    pub(super) fn is_above_floor(&self, store: StoreTime) -> bool {
        i128::from(store.milliseconds) >= self.floor
    }

    /// The store's time at this moment, or a little less.
    pub(super) fn stamp(&self, moment: Instant, must_agree: bool) -> Option<StoreTime> {
        let seen = self.seen.as_ref()?;
        if must_agree && moment < seen.agreed_since {
            return None;
        }
        let milliseconds = u64::try_from(seen.latest.earliest(moment)).ok()?;
        Some(StoreTime { milliseconds })
    }
}

impl Sample {
    fn earliest(&self, moment: Instant) -> i128 {
        i128::from(self.store.milliseconds) + signed_milliseconds(moment, self.received)
    }

    /// What a clock that loses as much as it may has to show at this moment.
    fn least(&self, moment: Instant) -> i128 {
        let passed = signed_milliseconds(moment, self.received);
        self.earliest(moment) - passed.max(0) / DRIFT
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
