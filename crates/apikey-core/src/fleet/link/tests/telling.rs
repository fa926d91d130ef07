//! What the link tells the fleet.

use super::*;

#[test]
fn a_removal_stays_until_a_pull_shows_it() {
    let mut case = Case::linked();
    let ticket = case.link.purge([9; 16], of_key(KEY));
    let (number, origins) = case.append();
    assert_eq!((origins, case.link.acknowledged()), (vec![9], ticket - 1));
    case.link.appended(number);
    assert_eq!(case.link.acknowledged(), ticket);
    assert!(case.judge(1, 3_000).is_none(), "it still counts");
    assert!(case.append().1.is_empty(), "once is enough");
    case.pull(true, &[]);
    assert_eq!(case.append().1, [9], "the store has lost it");
    assert!(case.pull(true, &[removal(9, KEY)]).apply.is_empty(), "it was done here before");
    assert_eq!(case.link.outbox.len(), 0);
    assert_eq!(case.link.acknowledged(), ticket, "for ever");
}

#[test]
fn a_removal_waits_until_the_store_acknowledges_it() {
    let mut case = Case::linked();
    case.link.purge([9; 16], of_key(KEY));
    let (number, _) = case.append();
    assert_eq!(case.link.removals_waiting(), 1);
    case.link.appended(number);
    assert_eq!(case.link.removals_waiting(), 0);
    case.pull(true, &[]);
    assert_eq!(case.link.removals_waiting(), 1, "the store has lost it");
}

#[test]
fn a_pull_from_before_the_acknowledgement_proves_no_loss() {
    let mut case = Case::linked();
    case.link.purge([9; 16], of_key(KEY));
    let (append, _) = case.append();
    let pull = case.link.begin_pull(case.instant()).number;
    case.link.appended(append);
    case.link.pulled(pull, case.page(true, &[]), case.instant());
    assert!(case.append().1.is_empty());
}

#[test]
fn a_removal_that_a_pull_shows_is_acknowledged() {
    let mut case = Case::linked();
    let ticket = case.link.purge([9; 16], of_key(KEY));
    let (number, _) = case.append();
    case.link.append_failed(number, case.instant());
    case.pull(true, &[removal(9, KEY)]);
    assert_eq!(case.link.acknowledged(), ticket);
}

#[test]
fn a_failed_append_is_tried_again_after_100_to_250_ms() {
    let mut case = Case::linked();
    case.link.purge([9; 16], of_key(KEY));
    for wait in [100, 150, 200, 250, 250] {
        let append = case.link.begin_append();
        assert!(case.link.append_due_at(case.instant()).is_none(), "one at a time");
        case.link.append_failed(append.number, case.instant());
        case.now += wait;
        assert_eq!(case.link.append_due_at(case.instant()), Some(case.instant()));
    }
}

#[test]
fn every_try_has_an_id_of_its_own() {
    let mut case = Case::linked();
    case.link.purge([9; 16], of_key(KEY));
    let first = case.link.begin_append();
    case.link.append_failed(first.number, case.instant());
    let second = case.link.begin_append();
    assert_eq!(first.records[0].origin, second.records[0].origin);
    assert_ne!(first.records[0].id, second.records[0].id);
}

#[test]
fn at_most_50_records_are_appended_at_once_oldest_first() {
    let mut case = Case::linked();
    for number in (0..80).rev() {
        case.link.purge([number; 16], of_key(KEY));
    }
    let (number, origins) = case.append();
    assert_eq!(origins, (30..80).rev().collect::<Vec<_>>());
    case.link.appended(number);
    assert_eq!(case.link.acknowledged(), 50);
    assert_eq!(case.append().1, (0..30).rev().collect::<Vec<_>>());
}

#[test]
fn what_another_log_lacks_is_told_again_after_a_pause() {
    let mut case = Case::linked();
    assert_eq!(case.pull(true, &[removal(2, KEY), removal(3, OTHER_KEY)]).apply.len(), 2);
    case.run = "second";
    assert!(case.pull(false, &[removal(3, OTHER_KEY)]).apply.is_empty(), "known already");
    assert!(case.append().1.is_empty());
    let until = case.link.pull_due_at().unwrap();
    assert!(until <= case.instant() + Duration::from_millis(250));
    case.pull(true, &[]);
    assert!(case.append().1.is_empty(), "that pull was sent before the pause ended");
    case.now += 250;
    case.pull(true, &[]);
    assert_eq!(case.append().1, [2]);
}

#[test]
fn what_another_instance_told_again_is_not_told_twice() {
    let mut case = Case::linked();
    case.pull(true, &[removal(2, KEY)]);
    case.pull(false, &[nothing(5)]);
    case.now += 250;
    let again = Logged { tip: nothing(6).tip, ..removal(2, KEY) };
    assert!(case.pull(true, &[again]).apply.is_empty());
    assert!(case.append().1.is_empty());
}

#[test]
fn a_removal_that_is_too_old_is_not_told_again() {
    let mut case = Case::linked();
    case.pull(true, &[removal(2, KEY)]);
    case.now += 421_000;
    case.pull(false, &[nothing(5)]);
    assert_eq!(case.link.outbox.len(), 0);
}

#[test]
fn an_outbox_that_is_too_full_becomes_one_removal_of_everything() {
    let mut case = Case::with(|settings| settings.most_kept = 3);
    case.pull(false, &[nothing(1)]);
    let last = (10..14).map(|number| case.link.purge([number; 16], of_key(KEY))).last();
    let append = case.link.begin_append();
    assert_eq!(
        append.records.iter().map(|record| &record.purge).collect::<Vec<_>>(),
        [&Some(Purge::Everything)]
    );
    assert_eq!(case.link.acknowledged(), 0);
    case.link.appended(append.number);
    assert_eq!(Some(case.link.acknowledged()), last);
}

#[test]
fn a_memory_that_is_too_full_keeps_one_removal_of_everything() {
    let mut case = Case::with(|settings| settings.most_kept = 4);
    let records: Vec<_> = (1..=5).map(|number| removal(number, KEY)).collect();
    case.pull(false, &records);
    assert_eq!(case.link.memory.len(), 3, "everything, 4 and 5");
    case.pull(false, &records[3..]);
    assert!(case.link.outbox.purges().eq([&Purge::Everything]), "it stands for 1, 2 and 3");
}

/// A store that begins another log with each page, and never ends one.
#[test]
fn what_no_log_shows_becomes_one_removal_of_everything() {
    let mut case = Case::with(|settings| settings.most_kept = 4);
    for page in 0..20 {
        let records: Vec<_> = (1..=4).map(|number| removal(10 * page + number, KEY)).collect();
        let page = Page { more: true, ..case.page(false, &records) };
        case.pull_page(page);
        let unshown = case.link.unshown.as_ref().map_or(0, BTreeMap::len);
        assert!(unshown <= 4, "it keeps {unshown}");
    }
    case.pull(false, &[nothing(255)]);
    assert!(case.link.outbox.purges().any(|purge| *purge == Purge::Everything));
}
