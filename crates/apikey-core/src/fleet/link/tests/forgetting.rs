//! When an instance forgets everything.

use super::*;

#[test]
fn an_instance_that_fell_behind_forgets_everything() {
    let mut case = Case::linked();
    case.now += 60_000;
    assert!(!case.pull(false, &[nothing(5)]).forget_everything, "a minute is not too long");
    case.now += 60_001;
    assert!(!case.pull(true, &[]).forget_everything, "it has missed nothing");
    case.now += 60_001;
    assert!(case.pull(false, &[nothing(6)]).forget_everything);
}

#[test]
fn an_instance_whose_clock_stood_still_forgets_everything() {
    for (slept, goes_on, forgets) in [(9_000, true, false), (10_001, true, true), (61_000, false, true)] {
        let mut case = Case::linked();
        let mut page = case.page(goes_on, &[nothing(5)]);
        page.now.milliseconds += slept;
        assert_eq!(case.pull_page(page).forget_everything, forgets, "{slept}");
    }
}

#[test]
fn an_instance_that_was_never_linked_can_fall_behind() {
    let mut case = Case::new();
    case.now = 60_001;
    assert!(case.pull(false, &[nothing(1)]).forget_everything);
}
