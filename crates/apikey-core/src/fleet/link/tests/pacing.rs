//! When pulls are due.

use super::*;

#[test]
fn pulls_are_200_to_300_ms_apart() {
    let mut case = Case::linked();
    for _ in 0..200 {
        case.pull(true, &[]);
        let wait = case.link.pull_due_at().unwrap().duration_since(case.instant()).as_millis();
        assert!((200..=300).contains(&wait), "{wait}");
    }
}

#[test]
fn a_hint_brings_the_next_pull_forward_but_not_below_100_ms() {
    let mut case = Case::linked();
    case.link.hinted(case.instant());
    assert_eq!(case.link.pull_due_at(), Some(case.at(3_100)));
    case.pull(true, &[]);
    case.now += 150;
    case.link.hinted(case.instant());
    assert_eq!(case.link.pull_due_at(), Some(case.instant()));
}

#[test]
fn a_failed_pull_is_tried_again_after_at_most_250_ms() {
    let mut case = Case::linked();
    for _ in 0..10 {
        let number = case.link.begin_pull(case.instant()).number;
        assert!(case.link.pull_due_at().is_none(), "one at a time");
        case.now += 200;
        case.link.pull_failed(number, case.instant());
        let wait = case.link.pull_due_at().unwrap().duration_since(case.instant()).as_millis();
        assert!((100..=250).contains(&wait), "{wait}");
    }
}

/// A store that never comes to an end would be asked again at once, and for ever.
#[test]
fn pulls_pause_after_64_pages_that_end_nothing() {
    let mut case = Case::linked();
    case.pull(true, &[removal(2, KEY)]);
    // A removal that is to be told again must not bring pulls forward, either.
    case.pull(false, &[nothing(3)]);
    case.now += 250;
    let mut pauses = Vec::new();
    for page in 1..=200 {
        let page_with_more = Page { more: true, ..case.page(true, &[nothing(page)]) };
        case.pull_page(page_with_more);
        let wait = case.link.pull_due_at().unwrap().saturating_duration_since(case.instant()).as_millis();
        if wait > 0 {
            assert!(wait >= 200, "{wait}");
            pauses.push(page);
        }
    }
    assert_eq!(pauses, [64, 128, 192]);
}
