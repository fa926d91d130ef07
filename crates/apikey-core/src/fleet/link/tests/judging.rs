//! Which entries are believed.

use super::*;

#[test]
fn an_entry_is_a_quarter_of_a_second_older_than_it_looks() {
    assert_eq!(Case::linked().judge(1, 2_000), Some(1_750));
}

#[test]
fn an_instance_that_is_cut_off_believes_no_entry() {
    let mut case = Case::linked();
    case.now += 900;
    assert_eq!(case.judge(1, 2_000), None);
    assert_eq!(case.link.stamp(case.instant(), case.instant()), None);
}

#[test]
fn an_entry_with_an_unknown_head_is_a_miss() {
    assert_eq!(Case::linked().judge(4, 2_000), None);
}

#[test]
fn a_removal_after_the_head_makes_an_entry_a_miss() {
    let mut case = Case::linked();
    case.pull(true, &[removal(2, KEY), removal(3, OTHER_KEY)]);
    let believed = [1, 2, 3].map(|head| case.judge(head, 2_000).is_some());
    assert_eq!(believed, [false, true, true]);
}

#[test]
fn a_removal_in_the_outbox_makes_an_entry_a_miss() {
    let mut case = Case::linked();
    case.link.purge([9; 16], of_key(OTHER_KEY));
    assert!(case.judge(1, 2_000).is_some());
    case.link.purge([8; 16], of_key(KEY));
    assert!(case.judge(1, 2_000).is_none());
}

#[test]
fn a_look_at_another_clock_than_the_last_pulls_is_a_miss() {
    let case = Case::linked();
    for (off, is_believed) in [(-251, false), (-250, true), (350, true), (351, false)] {
        let entry = Travelled {
            head: [1; 16],
            asked_at: StoreTime { milliseconds: 1_001_000 },
            store_now: StoreTime {
                milliseconds: case.store_now().milliseconds.checked_add_signed(off).unwrap(),
            },
            sent: case.instant(),
            received: case.at(case.now + 100),
        };
        assert_eq!(case.judge_entry(&entry).is_some(), is_believed, "{off}");
    }
}

#[test]
fn an_entry_from_the_future_is_a_miss() {
    assert_eq!(Case::linked().judge(1, 3_001), None);
}

#[test]
fn entries_from_before_the_clock_was_set_back_are_misses() {
    let mut case = Case::linked();
    let back = |case: &Case| StoreTime { milliseconds: case.store_now().milliseconds - 2_000 };
    for now in [3_250, 3_500, 4_000, 4_500, 5_000, 5_500, 6_000, 6_500, 7_000] {
        case.now = now;
        let page = Page { now: back(&case), ..case.page(true, &[]) };
        case.pull_page(page);
        let entry = |asked: u64| Travelled {
            head: [1; 16],
            asked_at: StoreTime { milliseconds: 1_000_000 + asked },
            store_now: back(&case),
            sent: case.instant(),
            received: case.instant(),
        };
        // An instance that did not notice yet may stamp an entry 0.9 s later.
        assert_eq!(case.judge_entry(&entry(3_250 + 900)), None, "{now}");
        let believed = case.judge_entry(&entry(now - 2_000)).is_some();
        assert_eq!(believed, now - 2_000 >= 3_250 + 900 + 250, "{now}");
    }
}

#[test]
fn a_stamp_is_never_later_than_the_truth() {
    let mut case = Case::linked();
    let number = case.link.begin_pull(case.instant()).number;
    let page = case.page(true, &[]);
    case.now += 150;
    case.link.pulled(number, page, case.instant());
    let stamp = case.link.stamp(case.at(3_100), case.instant());
    assert_eq!(stamp, Some(StoreTime { milliseconds: 1_000_000 + 3_100 - 150 }));
}

#[test]
fn a_moment_from_before_a_sleep_gets_no_stamp() {
    let mut case = Case::linked();
    let asked = case.instant();
    case.now += 100;
    let mut page = case.page(true, &[]);
    page.now.milliseconds += 5_000;
    case.pull_page(page);
    assert_eq!(case.link.stamp(asked, case.instant()), None);
    assert!(case.link.stamp(case.instant(), case.instant()).is_some());
}

#[test]
fn times_at_the_edge_of_the_range_are_harmless() {
    for now in [0, u64::MAX] {
        let mut case = Case::linked();
        let page = Page { now: StoreTime { milliseconds: now }, ..case.page(false, &[nothing(1)]) };
        case.pull_page(page);
        assert_eq!(case.judge(1, 1), None);
        case.pull(true, &[]);
        let _ = case.link.stamp(case.instant(), case.instant());
    }
}
