//! Whether an answer may serve, by when this instance was last known to be up to date.

use std::time::{Duration, Instant};

/// How long an answer may serve without news from the fleet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CurrencyLimits {
    /// How long a confirmation holds, counted from when the pull was sent.
    pub(crate) lease: Duration,
    /// How old an answer may be that a cut-off instance uses without asking Kinde. Never more than `cut_off`.
    pub(crate) reuse: Duration,
    /// How long after the last confirmation an answer may serve if Kinde can't answer, either.
    pub(crate) cut_off: Duration,
    /// How long a verification may take. Who waits for one gets its answer, even from a cut-off instance.
    pub(crate) verification: Duration,
}

impl CurrencyLimits {
    pub(crate) fn new(lease: Duration, reuse: Duration, cut_off: Duration, verification: Duration) -> Self {
        Self { lease, reuse: reuse.min(cut_off), cut_off, verification }
    }
}

/// What the fleet's news say about an answer. The time to live is a limit besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Currency {
    /// It may serve.
    Current,
    /// A removal may have been missed. Ask Kinde. The answer may serve only if Kinde can't answer.
    Unconfirmed,
    /// It may not serve.
    Outdated,
}

/// What may be done at `now` with an answer that was asked for at `asked`, if `confirmed` is when the last pull was sent
/// that proved this instance up to date.
pub(crate) fn currency(
    asked: Instant,
    confirmed: Option<Instant>,
    now: Instant,
    limits: &CurrencyLimits,
) -> Currency {
    let within = |since: Instant, limit| now.saturating_duration_since(since) < limit;
    let confirmed_within = |limit| confirmed.is_some_and(|confirmed| within(confirmed, limit));
    if confirmed_within(limits.lease) || within(asked, limits.reuse) {
        Currency::Current
    } else if confirmed_within(limits.cut_off) || within(asked, limits.cut_off) {
        Currency::Unconfirmed
    } else {
        Currency::Outdated
    }
}

/// Whether an answer that just came from Kinde may serve those who wait for it. If not, ask again. The process may have
/// stood still while the answer was on its way, so that removals were missed.
pub(crate) fn may_land(
    asked: Instant,
    confirmed: Option<Instant>,
    now: Instant,
    limits: &CurrencyLimits,
) -> bool {
    let longest = limits.lease.max(limits.cut_off).max(limits.verification);
    let is_young = now.saturating_duration_since(asked) < longest;
    is_young || currency(asked, confirmed, now, limits) == Currency::Current
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> CurrencyLimits {
        CurrencyLimits::new(Duration::from_millis(900), 10 * SECOND, 60 * SECOND, 3 * SECOND)
    }

    /// The currency at 1,000 s of an answer asked for at `asked`, and a confirmation at `confirmed`, in seconds.
    fn at_1000(asked: f64, confirmed: Option<f64>) -> Currency {
        let zero = Instant::now();
        let at = |seconds| zero + Duration::from_secs_f64(seconds);
        currency(at(asked), confirmed.map(at), at(1000.0), &limits())
    }

    #[test]
    fn a_linked_instance_uses_every_answer() {
        assert_eq!(at_1000(1.0, Some(999.2)), Currency::Current);
        assert_ne!(at_1000(1.0, Some(999.1)), Currency::Current, "the lease has ended");
    }

    #[test]
    fn a_cut_off_instance_reuses_an_answer_for_10_s() {
        assert_eq!(at_1000(990.5, Some(950.0)), Currency::Current);
        assert_eq!(at_1000(990.0, Some(950.0)), Currency::Unconfirmed);
        assert_eq!(at_1000(990.5, None), Currency::Current, "it was never linked");
    }

    #[test]
    fn an_unconfirmed_answer_ends_60_s_after_the_later_of_both() {
        assert_eq!(at_1000(1.0, Some(940.5)), Currency::Unconfirmed);
        assert_eq!(at_1000(1.0, Some(940.0)), Currency::Outdated);
        assert_eq!(at_1000(940.5, Some(1.0)), Currency::Unconfirmed);
        assert_eq!(at_1000(940.0, None), Currency::Outdated);
    }

    #[test]
    fn without_a_cut_off_time_only_linked_instances_use_answers() {
        let limits = CurrencyLimits::new(SECOND, 10 * SECOND, Duration::ZERO, SECOND);
        let now = Instant::now();
        assert_eq!(currency(now, None, now, &limits), Currency::Outdated);
        assert_eq!(currency(now, Some(now), now, &limits), Currency::Current);
    }

    #[test]
    fn an_answer_that_was_too_long_on_its_way_does_not_land() {
        let limits = CurrencyLimits::new(SECOND, 10 * SECOND, Duration::ZERO, 3 * SECOND);
        let asked = Instant::now();
        let lands_after = |age, confirmed| may_land(asked, confirmed, asked + age, &limits);
        assert!(lands_after(3 * SECOND - Duration::from_millis(1), None), "a verification may take 3 s");
        assert!(!lands_after(3 * SECOND, None));
        assert!(lands_after(3 * SECOND, Some(asked + 3 * SECOND)), "it is linked");
    }

    proptest! {
        #[test]
        fn an_answer_never_gets_better_with_time(
            asked in 0_u64..200_000, confirmed in proptest::option::of(0_u64..200_000), now in 0_u64..200_000, later in 0_u64..100_000,
        ) {
            let zero = Instant::now();
            let at = |milliseconds| zero + Duration::from_millis(milliseconds);
            let rank = |now| match currency(at(asked), confirmed.map(at), at(now), &limits()) {
                Currency::Current => 0,
                Currency::Unconfirmed => 1,
                Currency::Outdated => 2,
            };
            prop_assert!(rank(now) <= rank(now + later));
        }
    }
}
