//! When a failed verification is tried again: a few times, within the budget of one verification, and never so often
//! that retries multiply the load of an outage.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Retries after the first try.
const MOST_RETRIES: u32 = 2;
/// The bound of the first wait; it doubles with each retry. The wait is drawn between zero and the bound (full jitter).
const FIRST_BOUND: Duration = Duration::from_millis(50);
/// Every verification earns a tenth of a retry; so in an outage retries add a tenth to the load.
const EARNED: u32 = 1;
const COST: u32 = 10;
/// As many as ten retries can be saved up.
const MOST_SAVED: u32 = 10 * COST;

/// The budget of retries that all verifications share.
pub(crate) struct RetryBudget(AtomicU32);

impl RetryBudget {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(MOST_SAVED))
    }

    /// Tells that a verification begins.
    pub(crate) fn earn(&self) {
        let _never_fails = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |saved| Some((saved + EARNED).min(MOST_SAVED)));
    }

    /// How long to wait before the retry after so many earlier ones; `None` where there is to be none. `asked` is what
    /// the other side asked for, `left` the rest of the verification's own budget, `random` is uniform in `0.0..1.0`.
    pub(crate) fn next(
        &self,
        retries: u32,
        asked: Option<Duration>,
        left: Duration,
        random: f64,
    ) -> Option<Duration> {
        if retries >= MOST_RETRIES {
            return None;
        }
        let bound = FIRST_BOUND * 2_u32.saturating_pow(retries);
        let wait = bound.mul_f64(random.clamp(0.0, 1.0)).max(asked.unwrap_or_default());
        if wait >= left {
            return None;
        }
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |saved| saved.checked_sub(COST))
            .is_ok()
            .then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn an_outage_is_met_with_a_tenth_more_load_at_most() {
        let budget = RetryBudget::new();
        let verifications = 1000;
        let mut retries = 0;
        for _ in 0..verifications {
            budget.earn();
            for earlier in 0..10 {
                match budget.next(earlier, None, LONG, 0.5) {
                    Some(_) => retries += 1,
                    None => break,
                }
            }
        }
        assert!((verifications / 10..=10 + verifications / 10).contains(&retries), "{retries}");
    }

    #[test]
    fn ten_retries_can_be_saved_up_and_no_more() {
        let budget = RetryBudget::new();
        for _ in 0..2 {
            let retries = (0..100).filter(|_| budget.next(0, None, LONG, 0.5).is_some()).count();
            assert_eq!(retries, 10);
            (0..1000).for_each(|_| budget.earn());
        }
    }

    #[test]
    fn the_bound_of_the_waits_doubles_and_the_wait_is_drawn_below_it() {
        let wait = |retries, random| RetryBudget::new().next(retries, None, LONG, random);
        for (retries, bound) in [(0, FIRST_BOUND), (1, 2 * FIRST_BOUND)] {
            assert_eq!(wait(retries, 0.0), Some(Duration::ZERO));
            assert_eq!(wait(retries, 0.5), Some(bound / 2));
            assert_eq!(wait(retries, 1.0), Some(bound));
        }
    }

    proptest! {
        #[test]
        fn waits_honour_the_other_side_and_the_budget(
            retries in 0..5_u32, asked in prop::option::of(0..5000_u64), left in 0..5000_u64, random in 0.0..1.0_f64,
        ) {
            let (asked, left) = (asked.map(Duration::from_millis), Duration::from_millis(left));
            if let Some(wait) = RetryBudget::new().next(retries, asked, left, random) {
                prop_assert!(retries < MOST_RETRIES);
                prop_assert!(wait < left);
                prop_assert!(wait >= asked.unwrap_or_default());
                prop_assert!(wait <= asked.unwrap_or_default().max(FIRST_BOUND * 2));
            } else {
                prop_assert!(retries >= MOST_RETRIES || left <= FIRST_BOUND * 2 || asked.is_some_and(|asked| asked >= left));
            }
        }
    }
}
