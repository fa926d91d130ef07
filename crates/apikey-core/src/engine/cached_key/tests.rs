use super::*;
use proptest::prelude::*;

const NANOSECOND: Duration = Duration::from_nanos(1);

fn lifetime(time_to_live: Duration, stale_if_error: Duration) -> Lifetime {
    Lifetime { beginning: Instant::now(), time_to_live, stale_if_error, spread: None }
}

/// An answer about a key whose fingerprint has these bits in its upper half, asked for when its cache began.
fn answer_of(bits: u64, lifetime: &Lifetime, expires_at: Option<Instant>) -> CachedKey {
    let verification = Verification::active("id1");
    CachedKey::new(Fingerprint::of_halves(7, bits), verification, lifetime.beginning, expires_at, lifetime)
}

fn answer(bits: u64, time_to_live: Duration, stale_if_error: Duration) -> CachedKey {
    answer_of(bits, &lifetime(time_to_live, stale_if_error), None)
}

fn freshness(answer: &CachedKey, age: Duration) -> Freshness {
    answer.freshness(answer.asked_at() + age)
}

/// How long the answer is fresh, to the nanosecond.
fn fresh_for(answer: &CachedKey) -> Duration {
    let fresh_for = Duration::from_nanos(answer.fresh_for);
    assert_eq!(freshness(answer, fresh_for - NANOSECOND), Freshness::Fresh);
    assert_ne!(freshness(answer, fresh_for), Freshness::Fresh);
    fresh_for
}

fn span() -> impl Strategy<Value = Duration> {
    (1_u64..100_000_000_000).prop_map(Duration::from_micros)
}

proptest! {
    #[test]
    fn jitter_takes_a_tenth_at_most_and_equal_steps_of_it(bits: u64, time_to_live in span()) {
        let of = |bits| fresh_for(&answer(bits, time_to_live, Duration::ZERO));
        let steps = u64::from(JITTER_STEPS);
        prop_assert_eq!(of(0), time_to_live);
        prop_assert!(of(steps - 1) >= time_to_live - time_to_live / 10);
        prop_assert!(of(steps - 1) <= time_to_live - time_to_live / 11 + Duration::from_micros(2));
        prop_assert_eq!(of(bits), of(bits % steps));
        let one = of(0) - of(1);
        prop_assert_eq!(of(bits), time_to_live - one * u32::try_from(bits % steps).unwrap());
    }

    #[test]
    fn a_stale_answer_serves_until_both_times_are_over_exactly(
        bits: u64,
        time_to_live in span(),
        stale_if_error in span(),
    ) {
        let answer = answer(bits, time_to_live, stale_if_error);
        let end = time_to_live + stale_if_error;
        prop_assert_eq!(freshness(&answer, fresh_for(&answer)), Freshness::Stale);
        prop_assert_eq!(freshness(&answer, end - NANOSECOND), Freshness::Stale);
        prop_assert_eq!(freshness(&answer, end), Freshness::Expired);
    }

    #[test]
    fn what_is_off_never_serves(bits: u64, time in span()) {
        let never_stale = answer(bits, time, Duration::ZERO);
        prop_assert_eq!(freshness(&never_stale, fresh_for(&never_stale)), Freshness::Expired);
        let never_fresh = answer(bits, Duration::ZERO, time);
        prop_assert_eq!(freshness(&never_fresh, Duration::ZERO), Freshness::Expired);
    }

    #[test]
    fn one_caller_renews_in_the_last_twentieth_and_then_after_5_s(
        bits: u64,
        time_to_live in (200_000_000_u64..100_000_000_000).prop_map(Duration::from_micros),
        late in 0.0..0.4,
    ) {
        let lifetime = lifetime(time_to_live, Duration::ZERO);
        let answer = answer_of(bits, &lifetime, None);
        let fresh_for = fresh_for(&answer);
        let from = lifetime.beginning + fresh_for - fresh_for / 20;
        prop_assert!(!answer.claims_refresh(from - NANOSECOND, &lifetime));
        let claimed = from + (fresh_for / 20).mul_f64(late);
        prop_assert!(answer.copy().claims_refresh(from, &lifetime), "what is claimed of a copy is not claimed of this");
        prop_assert!(answer.claims_refresh(claimed, &lifetime));
        for answer in [&answer, &answer.copy()] {
            prop_assert!(!answer.claims_refresh(claimed, &lifetime));
            prop_assert!(!answer.claims_refresh(claimed + REFRESH_RETRY - NANOSECOND, &lifetime));
            prop_assert!(answer.claims_refresh(claimed + REFRESH_RETRY, &lifetime));
        }
    }

    #[test]
    fn a_quiet_answer_is_fresh_and_needs_no_renewal(
        bits: u64,
        ttl in span(),
        end in span(),
        older in prop_oneof![Just(Duration::ZERO), span()],
        ages in prop::collection::vec(0.0..1.2, 1..9),
    ) {
        let lifetime = lifetime(ttl, Duration::ZERO);
        let Some(asked_at) = lifetime.beginning.checked_sub(older) else { return Ok(()) };
        let key = Fingerprint::of_halves(7, bits);
        let answer = CachedKey::new(key, Verification::active("id1"), asked_at, Some(asked_at + end), &lifetime);
        for now in ages.into_iter().map(|age| asked_at + ttl.min(end).mul_f64(age)) {
            for answer in [&answer, &answer.copy()] {
                if answer.is_quiet(lifetime.moment(now)) {
                    prop_assert_eq!(answer.freshness(now), Freshness::Fresh);
                    prop_assert!(!answer.claims_refresh(now, &lifetime));
                }
            }
            answer.claims_refresh(now, &lifetime);
            prop_assert!(!answer.slept(NANOSECOND).is_quiet(lifetime.moment(now)));
        }
    }

    #[test]
    fn no_answer_serves_past_the_end_of_its_key(bits: u64, ttl in span(), stale in span(), end in span()) {
        let lifetime = lifetime(ttl, stale);
        let asked_at = lifetime.beginning;
        let expiring = |at| answer_of(bits, &lifetime, Some(at));
        let free = answer_of(bits, &lifetime, None).times();
        prop_assert_eq!(expiring(asked_at + end).times(), free.map(|time| time.min(end)));
        prop_assert_eq!(expiring(asked_at + ttl + stale).times(), free, "what ends later changes nothing");
        prop_assert_eq!(freshness(&expiring(asked_at + end), end), Freshness::Expired);
        prop_assert_eq!(expiring(asked_at).times(), [Duration::ZERO; 2]);
        prop_assert_eq!(expiring(asked_at.checked_sub(end).unwrap_or(asked_at)).times(), [Duration::ZERO; 2]);
        let renewed_from = fresh_for(&expiring(asked_at + end)).mul_f64(0.95) + Duration::from_micros(1);
        prop_assert!(expiring(asked_at + end).claims_refresh(asked_at + renewed_from, &lifetime));
    }

    #[test]
    fn an_answer_without_extension_serves_while_it_is_fresh(bits: u64, ttl in span(), stale in span()) {
        let extended = answer(bits, ttl, stale);
        let [fresh_for, _] = extended.times();
        let shorter = extended.without_extension().expect("it had one");
        prop_assert_eq!(shorter.times(), [fresh_for; 2]);
        prop_assert_eq!(shorter.asked_at(), extended.asked_at());
        prop_assert_eq!(&shorter.verification, &extended.verification);
        prop_assert!(shorter.without_extension().is_none());
        prop_assert!(answer(bits, ttl, Duration::ZERO).without_extension().is_none());
    }

    #[test]
    fn after_a_sleep_an_answer_is_stale_and_the_sleep_counts(
        bits: u64,
        ttl in span(),
        stale in span(),
        slept in span(),
    ) {
        let awake = answer(bits, ttl, stale);
        let asked_at = awake.asked_at();
        let once = awake.slept(slept);
        for (answer, slept) in [(&once, slept), (&once.slept(slept), 2 * slept)] {
            let left = (ttl + stale).saturating_sub(slept);
            let expected = if left.is_zero() { Freshness::Expired } else { Freshness::Stale };
            prop_assert_eq!(answer.freshness(asked_at), expected);
            prop_assert_eq!(answer.freshness(asked_at + left), Freshness::Expired);
            // The clock of the test machine may not go back far enough for both sleeps.
            prop_assert!(answer.age(asked_at) == slept || asked_at.checked_sub(slept).is_none());
        }
        let never_stale = answer(bits, ttl, Duration::ZERO).slept(slept);
        prop_assert_eq!(never_stale.freshness(asked_at), Freshness::Expired);
    }

    #[test]
    fn a_copy_serves_as_long_as_its_original(bits: u64, ttl in span(), stale in span(), age in span()) {
        let answer = answer(bits, ttl, stale);
        let copy = answer.copy();
        prop_assert_eq!(&copy.verification, &answer.verification);
        for age in [age, fresh_for(&answer), fresh_for(&answer) - NANOSECOND, ttl + stale] {
            let now = answer.asked_at() + age;
            prop_assert_eq!((copy.age(now), copy.freshness(now)), (answer.age(now), answer.freshness(now)));
        }
    }
}

#[test]
fn times_without_end_do_not_wrap_around() {
    let lifetime = lifetime(Duration::MAX / 4, Duration::MAX / 4);
    let (answer, later) = (answer_of(0, &lifetime, None), Duration::from_secs(1 << 30));
    assert_eq!(freshness(&answer, later), Freshness::Fresh);
    assert!(!answer.claims_refresh(lifetime.beginning + later, &lifetime));
    assert!(answer.is_quiet(lifetime.moment(lifetime.beginning + later)));
}

/// With more bytes before its end, a decision would read another line of memory more often.
#[test]
fn a_decision_reads_the_first_32_bytes_of_an_answer() {
    assert_eq!(std::mem::offset_of!(CachedKey, verification) + Verification::DECIDED_BY, 32);
}
