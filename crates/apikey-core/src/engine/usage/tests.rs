use std::collections::HashSet;

use super::*;

/// A value that can be told from another one.
struct Value {
    number: u64,
    usage: Usage,
    copies: Copies<Value>,
}

impl Value {
    fn copy(&self) -> Self {
        Self { number: self.number, usage: self.usage.of_successor(), copies: Copies::default() }
    }
}

/// A value with the references that the cache holds. Nobody else uses it.
fn cached() -> [Arc<Value>; OF_THE_CACHE] {
    let value = Arc::new(Value { number: 7, usage: Usage::default(), copies: Copies::default() });
    [Arc::clone(&value), value]
}

fn hand_out(value: &Arc<Value>, spreading: &Spreading) -> Arc<Value> {
    super::hand_out(value, &value.usage, &value.copies, spreading, Value::copy)
}

/// Hands the value out to two requests at once, so often that it is copied if it may be.
fn use_from_two([value, _]: &[Arc<Value>; OF_THE_CACHE], spreading: &Spreading) {
    let _elsewhere = hand_out(value, spreading);
    for _ in 0..=SIGHTINGS {
        hand_out(value, spreading);
    }
}

fn is_spread([value, _]: &[Arc<Value>; OF_THE_CACHE]) -> bool {
    value.usage.is_spread.load(Ordering::Relaxed)
}

#[test]
fn a_value_is_copied_after_64_sightings_and_no_sooner() {
    let (kept, spreading) = (cached(), Spreading::over(2));
    for _ in 0..1000 {
        assert!(Arc::ptr_eq(&hand_out(&kept[0], &spreading), &kept[0]), "nobody else uses it");
    }
    let _elsewhere = hand_out(&kept[0], &spreading);
    for _ in 0..SIGHTINGS {
        assert!(Arc::ptr_eq(&hand_out(&kept[0], &spreading), &kept[0]));
        assert!(!is_spread(&kept));
    }
    hand_out(&kept[0], &spreading);
    let copy = hand_out(&kept[0], &spreading);
    assert!(!Arc::ptr_eq(&copy, &kept[0]));
    assert_eq!(copy.number, kept[0].number);
}

#[test]
fn a_processor_that_is_alone_needs_no_copies() {
    for copies in [1, 2, 4, MOST_COPIES] {
        let kept = cached();
        use_from_two(&kept, &Spreading::over(copies));
        assert_eq!(is_spread(&kept), copies > 1, "{copies}");
    }
}

#[test]
fn copies_are_bounded_and_their_number_is_a_power_of_two() {
    let copies = Spreading::over_the_processors().copies;
    assert!(copies.is_power_of_two() && copies <= MOST_COPIES, "{copies}");
}

/// Threads share a copy only if there are more threads than copies.
#[test]
fn threads_in_a_row_count_on_copies_of_their_own() {
    const COPIES: usize = 4;
    let (kept, spreading) = (cached(), Spreading::over(COPIES));
    use_from_two(&kept, &spreading);
    let seen_by_one = || {
        let [one, other] = [0, 1].map(|_| hand_out(&kept[0], &spreading));
        assert!(Arc::ptr_eq(&one, &other), "a thread keeps to its copy");
        assert!(!Arc::ptr_eq(&one, &kept[0]));
        assert_eq!(thread_number(), thread_number());
        (thread_number(), one)
    };
    let seen: Vec<_> = (0..4 * COPIES)
        .map(|_| std::thread::scope(|scope| scope.spawn(seen_by_one).join().unwrap()))
        .collect();
    let numbers: HashSet<_> = seen.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers.len(), seen.len(), "each thread has a number of its own");
    for (one, copy) in &seen {
        for (other, others) in &seen {
            assert_eq!(Arc::ptr_eq(copy, others), one % COPIES == other % COPIES, "{one}, {other}");
        }
    }
}

#[test]
fn only_256_values_are_copied_at_once() {
    let spreading = Spreading::over(2);
    let mut all: Vec<_> = (0..MOST_SPREAD).map(|_| cached()).collect();
    for kept in &all {
        use_from_two(kept, &spreading);
        assert!(is_spread(kept));
    }
    let one_more = cached();
    use_from_two(&one_more, &spreading);
    assert!(!is_spread(&one_more));
    all.pop();
    use_from_two(&one_more, &spreading);
    assert!(is_spread(&one_more), "the slot of an answer that is gone is free again");
}

#[test]
fn the_successor_of_a_value_in_use_is_in_use() {
    let (kept, spreading) = (cached(), Spreading::over(2));
    assert!(!kept[0].usage.of_successor().was_used());
    hand_out(&kept[0], &spreading);
    assert!(kept[0].usage.of_successor().was_used());
    assert!(kept[0].usage.was_used(), "as it was");
}

#[test]
fn a_value_was_used_once_for_all_its_uses() {
    let (kept, spreading) = (cached(), Spreading::over(2));
    for uses in [0, 1, 2, 1000] {
        for _ in 0..uses {
            hand_out(&kept[0], &spreading);
        }
        assert_eq!(kept[0].usage.was_used(), uses > 0);
        assert!(!kept[0].usage.was_used(), "since it was asked last");
    }
}
