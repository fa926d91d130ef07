//! When a pull confirms.

use super::*;

#[test]
fn a_confirmation_counts_from_the_sending_of_the_pull() {
    let mut case = Case::linked();
    case.now = 4_000;
    let sent = case.instant();
    let number = case.link.begin_pull(sent).number;
    case.now = 4_150;
    let pulled = case.link.pulled(number, case.page(true, &[]), case.instant());
    assert_eq!(pulled.confirmed, Some(sent));
    assert!(case.link.is_linked(case.at(4_899)));
    assert!(!case.link.is_linked(case.at(4_900)));
}

#[test]
fn a_late_answer_does_not_count() {
    let mut case = Case::linked();
    let number = case.link.begin_pull(case.instant()).number;
    case.now += 201;
    let pulled = case.link.pulled(number, case.page(true, &[removal(2, KEY)]), case.instant());
    assert!(pulled.apply.is_empty() && pulled.confirmed.is_none());
    assert_eq!(case.link.pull_due_at(), Some(case.instant() + Duration::from_millis(100)), "as a failure");
}

#[test]
fn the_answer_of_an_older_pull_does_not_count() {
    let mut case = Case::linked();
    let older = case.link.begin_pull(case.instant()).number;
    let newer = case.link.begin_pull(case.instant()).number;
    assert!(case.link.pulled(older, case.page(true, &[]), case.instant()).confirmed.is_none());
    assert!(case.link.pulled(newer, case.page(true, &[]), case.instant()).confirmed.is_some());
    assert!(case.link.pulled(newer, case.page(true, &[]), case.instant()).confirmed.is_none(), "twice");
}

#[test]
fn no_pull_confirms_for_2_s_after_another_run_was_seen() {
    let mut case = Case::linked();
    case.run = "second";
    case.now = 4_000;
    assert!(case.pull(true, &[]).confirmed.is_none());
    assert!(case.pull_until(5_999).confirmed.is_none());
    assert!(case.pull_until(6_000).confirmed.is_some());
}

#[test]
fn no_pull_confirms_for_2_s_after_another_log_was_seen() {
    let mut case = Case::linked();
    case.now = 4_000;
    assert!(case.pull(false, &[nothing(5)]).confirmed.is_none());
    assert!(case.pull_until(5_999).confirmed.is_none());
    assert!(case.pull_until(6_000).confirmed.is_some());
}

#[test]
fn a_quarantine_begins_anew_when_a_pull_fails() {
    let mut case = Case::linked();
    case.run = "second";
    case.pull(true, &[]);
    case.pull_until(4_900);
    let number = case.link.begin_pull(case.instant()).number;
    case.link.pull_failed(number, case.instant());
    assert!(case.pull_until(6_899).confirmed.is_none());
    assert!(case.pull_until(6_900).confirmed.is_some());
    let number = case.link.begin_pull(case.instant()).number;
    case.link.pull_failed(number, case.instant());
    assert!(case.pull(true, &[]).confirmed.is_some(), "it is over");
}

#[test]
fn a_quarantine_begins_anew_after_a_gap() {
    let mut case = Case::linked();
    case.run = "second";
    case.pull(true, &[]);
    case.now = 3_501;
    case.pull(true, &[]);
    assert!(case.pull_until(5_500).confirmed.is_none());
    assert!(case.pull_until(5_501).confirmed.is_some());
}

#[test]
fn an_empty_log_never_confirms_and_gets_a_record() {
    let mut case = Case::new();
    for now in [0, 2_500, 5_000] {
        case.now = now;
        assert!(case.pull(false, &[]).confirmed.is_none());
    }
    assert_eq!(case.append().1, [outbox::NOTHING[0]]);
}

#[test]
fn only_the_last_page_confirms_and_moves_the_head() {
    let mut case = Case::linked();
    case.run = "second";
    let page = Page { more: true, ..case.page(false, &[removal(5, KEY)]) };
    let pulled = case.pull_page(page);
    assert_eq!(pulled.apply, [of_key(KEY)], "a removal is applied at once");
    assert_eq!((case.link.head(), case.judge(5, 3_000)), (None, None));
    assert_eq!(case.link.pull_due_at(), Some(case.instant()), "the next page");
    for number in 6..20 {
        case.now += 200;
        let page = Page { more: true, ..case.page(true, &[nothing(number)]) };
        assert!(case.pull_page(page).confirmed.is_none());
    }
    assert!(case.pull(true, &[nothing(20)]).confirmed.is_some());
    assert_eq!(case.link.head(), Some([20; 16]));
}

#[test]
fn a_page_that_promises_more_and_brings_nothing_is_a_failure() {
    let mut case = Case::linked();
    let page = Page { more: true, ..case.page(true, &[]) };
    assert!(case.pull_page(page).confirmed.is_none());
    assert!(case.link.pull_due_at() > Some(case.instant()));
}
