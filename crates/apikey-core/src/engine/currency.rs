//! Whether this instance would know by now that another one has removed a key.
//!
//! Instances that share a log of removals read it several times a second. A reading that shows nothing new confirms
//! every answer from before the moment at which it was sent. Without a fleet everything counts as confirmed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cached_key::{Freshness, nanoseconds};

/// For how long after the sending of a reading an instance counts as linked.
pub(crate) const LEASE: Duration = Duration::from_millis(900);

/// What an instance does with its answers while it is cut off from the fleet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CutOff {
    /// An answer that is younger serves as if the instance were linked.
    pub(crate) reused_for: Duration,
    /// An older one serves only if Kinde can't answer, and only for this long after it was asked for or confirmed.
    pub(crate) serves_for: Duration,
    /// A random number of this instance.
    pub(crate) seed: u64,
}

pub(super) struct Currency {
    /// In nanoseconds since the cache's beginning. All ones without a fleet.
    linked_until: AtomicU64,
    reused_for: u64,
    serves_for: u64,
}

impl Currency {
    /// `None`: there is no fleet.
    pub(super) fn new(cut_off: Option<CutOff>) -> Self {
        let [reused_for, serves_for] = cut_off.map_or([0; 2], |CutOff { reused_for, serves_for, .. }| {
            [reused_for, serves_for].map(nanoseconds)
        });
        let linked_until = if cut_off.is_some() { 0 } else { u64::MAX };
        Self { linked_until: AtomicU64::new(linked_until), reused_for, serves_for }
    }

    /// Whether every removal that the log got a lease ago has been applied here.
    pub(super) fn is_linked(&self, moment: u64) -> bool {
        moment < self.linked_until.load(Ordering::Acquire)
    }

    #[cfg(any(test, feature = "fleet"))]
    /// Everything that was in the log at this moment has been applied.
    pub(super) fn confirm(&self, moment: u64) {
        let until = moment.saturating_add(nanoseconds(LEASE));
        self.linked_until.fetch_max(until, Ordering::Release);
    }

    /// How an answer of this age may serve, if its own times say `freshness`.
    pub(super) fn bound(&self, freshness: Freshness, age: Duration, moment: u64) -> Freshness {
        let linked_until = self.linked_until.load(Ordering::Acquire);
        if moment < linked_until {
            return freshness;
        }
        let age = nanoseconds(age);
        let since_confirmed = moment.saturating_sub(linked_until).saturating_add(nanoseconds(LEASE));
        match freshness {
            Freshness::Fresh if age < self.reused_for => Freshness::Fresh,
            Freshness::Fresh if age.min(since_confirmed) < self.serves_for => Freshness::Stale,
            Freshness::Fresh | Freshness::Stale | Freshness::Expired => Freshness::Expired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CUT_OFF: CutOff =
        CutOff { reused_for: Duration::from_secs(10), serves_for: Duration::from_secs(60), seed: 0 };

    fn moment(duration: Duration) -> u64 {
        nanoseconds(duration)
    }

    #[test]
    fn without_a_fleet_every_answer_is_confirmed() {
        let currency = Currency::new(None);
        for freshness in [Freshness::Fresh, Freshness::Stale, Freshness::Expired] {
            assert_eq!(currency.bound(freshness, Duration::MAX, u64::MAX - 1), freshness);
        }
    }

    #[test]
    fn an_instance_that_never_read_the_log_is_cut_off() {
        let currency = Currency::new(Some(CUT_OFF));
        assert!(!currency.is_linked(0));
        assert_eq!(currency.bound(Freshness::Stale, Duration::ZERO, 0), Freshness::Expired);
    }

    proptest! {
        #[test]
        fn a_cut_off_instance_keeps_its_bounds(
            confirmed in 0_u64..100_000,
            later in 0_u64..200_000,
            age in 0_u64..300_000,
        ) {
            let milliseconds = Duration::from_millis;
            let currency = Currency::new(Some(CUT_OFF));
            currency.confirm(moment(milliseconds(confirmed)));
            // An older confirmation takes nothing back.
            currency.confirm(moment(milliseconds(confirmed / 2)));
            let now = moment(milliseconds(confirmed + later));
            let found = currency.bound(Freshness::Fresh, milliseconds(age), now);
            let expected = if later < 900 || age < 10_000 {
                Freshness::Fresh
            } else if age < 60_000 || later < 60_000 {
                Freshness::Stale
            } else {
                Freshness::Expired
            };
            prop_assert_eq!(found, expected);
            let stale = currency.bound(Freshness::Stale, milliseconds(age), now);
            prop_assert_eq!(stale, if later < 900 { Freshness::Stale } else { Freshness::Expired });
        }
    }
}
