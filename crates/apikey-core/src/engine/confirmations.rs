//! When this instance was last known to have heard of every removal that its fleet had made.
//!
//! Instances that share a log of removals read it several times a second. A reading that shows nothing new confirms
//! every answer from before the moment at which it was sent. Without a fleet everything counts as confirmed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::cached_key::{Freshness, Lifetime};
use super::currency::{Currency, CurrencyLimits, currency, may_land};

/// For how long after the sending of a reading an instance counts as linked.
pub(crate) const LEASE: Duration = Duration::from_millis(900);

/// What an instance does with its answers while it is cut off from the fleet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CutOff {
    /// An answer that is younger serves as if the instance were linked.
    pub(crate) reused_for: Duration,
    /// An older one serves only if Kinde can't answer, and only for this long after it was asked for or confirmed.
    pub(crate) serves_for: Duration,
    /// How long a verification may take.
    pub(crate) verification: Duration,
    /// A random number of this instance.
    pub(crate) seed: u64,
}

pub(super) struct Confirmations {
    /// In nanoseconds since the cache's beginning. 0 before the first confirmation, and all ones without a fleet.
    linked_until: AtomicU64,
    limits: CurrencyLimits,
}

impl Confirmations {
    /// `None`: there is no fleet.
    pub(super) fn new(cut_off: Option<CutOff>) -> Self {
        let linked_until = AtomicU64::new(if cut_off.is_some() { 0 } else { u64::MAX });
        let [reuse, serves, verification] = cut_off.map_or([Duration::ZERO; 3], |cut_off| {
            let CutOff { reused_for, serves_for, verification, .. } = cut_off;
            [reused_for, serves_for, verification]
        });
        Self { linked_until, limits: CurrencyLimits::new(LEASE, reuse, serves, verification) }
    }

    /// Whether every removal that the log got a lease ago has been applied here.
    pub(super) fn is_linked(&self, moment: u64) -> bool {
        moment < self.linked_until.load(Ordering::Acquire)
    }

    /// Everything that was in the log at this moment has been applied.
    #[cfg(any(test, feature = "fleet"))]
    pub(super) fn confirm(&self, moment: u64) {
        let lease = super::cached_key::nanoseconds(LEASE);
        let until = moment.saturating_add(lease);
        self.linked_until.fetch_max(until, Ordering::Release);
    }

    fn latest(&self, lifetime: &Lifetime) -> Option<Instant> {
        let until = Duration::from_nanos(self.linked_until.load(Ordering::Acquire));
        lifetime.beginning.checked_add(until.checked_sub(LEASE)?)
    }

    /// How an answer may serve, if its own times say `freshness`. `stale_if_error` does not apply to a cut-off instance.
    pub(super) fn bound(
        &self,
        freshness: Freshness,
        asked_at: Instant,
        now: Instant,
        lifetime: &Lifetime,
    ) -> Freshness {
        if self.is_linked(lifetime.moment(now)) {
            return freshness;
        }
        match currency(asked_at, self.latest(lifetime), now, &self.limits) {
            Currency::Current if freshness == Freshness::Fresh => Freshness::Fresh,
            Currency::Unconfirmed if freshness == Freshness::Fresh => Freshness::Stale,
            _ => Freshness::Expired,
        }
    }

    /// Whether an answer that Kinde gave now may serve those who wait for it.
    pub(super) fn may_land(&self, asked_at: Instant, now: Instant, lifetime: &Lifetime) -> bool {
        self.is_linked(lifetime.moment(now)) || may_land(asked_at, self.latest(lifetime), now, &self.limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cached_key::nanoseconds;
    use proptest::prelude::*;

    const CUT_OFF: CutOff = CutOff {
        reused_for: Duration::from_secs(10),
        serves_for: Duration::from_secs(60),
        verification: Duration::from_secs(3),
        seed: 0,
    };

    fn lifetime() -> Lifetime {
        let (time_to_live, stale_if_error) = (Duration::from_secs(1000), Duration::ZERO);
        Lifetime { beginning: Instant::now(), time_to_live, stale_if_error, spread: None }
    }

    #[test]
    fn without_a_fleet_every_answer_is_confirmed() {
        let (confirmations, lifetime) = (Confirmations::new(None), lifetime());
        let late = lifetime.beginning + Duration::from_secs(1_000_000);
        for freshness in [Freshness::Fresh, Freshness::Stale, Freshness::Expired] {
            assert_eq!(confirmations.bound(freshness, lifetime.beginning, late, &lifetime), freshness);
        }
        assert!(confirmations.may_land(lifetime.beginning, late, &lifetime));
    }

    #[test]
    fn an_instance_that_never_read_the_log_is_cut_off() {
        let (confirmations, lifetime) = (Confirmations::new(Some(CUT_OFF)), lifetime());
        let now = lifetime.beginning;
        assert!(!confirmations.is_linked(0));
        assert_eq!(confirmations.bound(Freshness::Stale, now, now, &lifetime), Freshness::Expired);
    }

    proptest! {
        #[test]
        fn a_cut_off_instance_keeps_its_bounds(
            confirmed in 0_u64..100_000,
            later in 0_u64..200_000,
            age in 0_u64..300_000,
        ) {
            let milliseconds = Duration::from_millis;
            let (confirmations, mut lifetime) = (Confirmations::new(Some(CUT_OFF)), lifetime());
            lifetime.beginning += milliseconds(300_000);
            confirmations.confirm(nanoseconds(milliseconds(confirmed)));
            // An older confirmation takes nothing back.
            confirmations.confirm(nanoseconds(milliseconds(confirmed / 2)));
            let now = lifetime.beginning + milliseconds(confirmed + later);
            let asked_at = now - milliseconds(age);
            let found = confirmations.bound(Freshness::Fresh, asked_at, now, &lifetime);
            let expected = if later < 900 || age < 10_000 {
                Freshness::Fresh
            } else if age < 60_000 || later < 60_000 {
                Freshness::Stale
            } else {
                Freshness::Expired
            };
            prop_assert_eq!(found, expected);
            let stale = confirmations.bound(Freshness::Stale, asked_at, now, &lifetime);
            prop_assert_eq!(stale, if later < 900 { Freshness::Stale } else { Freshness::Expired });
        }
    }
}
