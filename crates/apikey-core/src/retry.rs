//! When a failed call is tried again. Each verification has one retry of its own. Further retries come from a
//! budget that all verifications share, so that retries never multiply the load of an outage.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How many retries one question has after an outage.
const MOST_AFTER_OUTAGE: u32 = 2;
/// The wait before a retry is drawn between zero and a bound (full jitter). This is the first bound. It doubles
/// with each retry.
const FIRST_BOUND: Duration = Duration::from_millis(50);
/// Each verification earns a tenth of a retry.
const EARNED: u32 = 1;
const COST: u32 = 10;
/// How many retries can be saved up. If more calls than this may be under way, it is one for each of them.
const LEAST_SAVED: u32 = 10;

/// The retries that all verifications share, beyond the one that each has of its own.
pub(crate) struct RetryBudget {
    saved: AtomicU32,
    most: u32,
}

/// The retries that one verification has taken, and whether it has made a call.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    taken: u32,
    after_outage: u32,
    has_called: bool,
}

impl RetryBudget {
    pub(crate) fn new(max_in_flight: usize) -> Self {
        let most = u32::try_from(max_in_flight).unwrap_or(u32::MAX).max(LEAST_SAVED).saturating_mul(COST);
        Self { saved: AtomicU32::new(most), most }
    }

    /// Notes that a verification begins.
    pub(crate) fn earn(&self) {
        let earn = |saved: u32| Some(saved.saturating_add(EARNED).min(self.most));
        let _never_fails = self.saved.fetch_update(Ordering::AcqRel, Ordering::Acquire, earn);
    }

    /// How many retries are left.
    pub(crate) fn left(&self) -> u64 {
        u64::from(self.saved.load(Ordering::Relaxed) / COST)
    }

    fn spend(&self) -> bool {
        self.saved.fetch_update(Ordering::AcqRel, Ordering::Acquire, |saved| saved.checked_sub(COST)).is_ok()
    }
}

impl Allowance {
    /// Takes one retry, if there is one left.
    pub(crate) fn take(&mut self, budget: &RetryBudget) -> bool {
        let is_allowed = self.taken == 0 || budget.spend();
        self.taken += u32::from(is_allowed);
        is_allowed
    }

    /// Notes a call. Returns whether there was one before.
    pub(crate) fn is_another_call(&mut self) -> bool {
        std::mem::replace(&mut self.has_called, true)
    }

    /// How long to wait before the next retry after an outage. `None` if there is no further retry. `random` is
    /// uniform in `0.0..1.0`.
    pub(crate) fn wait_after_outage(&mut self, random: f64) -> Option<Duration> {
        if self.after_outage >= MOST_AFTER_OUTAGE {
            return None;
        }
        let bound = FIRST_BOUND * 2_u32.saturating_pow(self.after_outage);
        self.after_outage += 1;
        Some(bound.mul_f64(random.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verification_has_one_retry_of_its_own() {
        let budget = RetryBudget::new(64);
        for _ in 0..10_000 {
            assert!(Allowance::default().take(&budget));
        }
    }

    #[test]
    fn further_retries_are_a_tenth_of_the_verifications_at_most() {
        let budget = RetryBudget::new(1);
        let verifications = 1000;
        let mut further = 0;
        for _ in 0..verifications {
            budget.earn();
            let mut allowance = Allowance::default();
            assert!(allowance.take(&budget));
            further += (0..10).take_while(|_| allowance.take(&budget)).count();
        }
        assert!((verifications / 10..=10 + verifications / 10).contains(&further), "{further}");
    }

    #[test]
    fn as_many_can_be_saved_up_as_calls_may_be_under_way() {
        for (max_in_flight, saved) in [(1, 10), (10, 10), (64, 64), (1000, 1000)] {
            let budget = RetryBudget::new(max_in_flight);
            for _ in 0..2 {
                let mut allowance = Allowance { taken: 1, ..Allowance::default() };
                assert_eq!((0..2000).take_while(|_| allowance.take(&budget)).count(), saved);
                (0..20_000).for_each(|_| budget.earn());
            }
        }
    }

    #[test]
    fn the_bound_of_the_waits_doubles_and_waits_are_drawn_below_it() {
        for random in [0.0, 0.5, 1.0] {
            let mut allowance = Allowance::default();
            assert_eq!(allowance.wait_after_outage(random), Some(FIRST_BOUND.mul_f64(random)));
            assert_eq!(allowance.wait_after_outage(random), Some((2 * FIRST_BOUND).mul_f64(random)));
            assert_eq!(allowance.wait_after_outage(random), None);
        }
    }
}
