//! The log: [`append`](apikey_core::fleet::FleetStore::append) and [`pull`](apikey_core::fleet::FleetStore::pull).
#![allow(missing_docs, clippy::missing_panics_doc)]

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use apikey_core::fleet::{FleetStore, Name, Pulled, Record, Tip};
use tokio::time::sleep;

use super::{HOUR, fresh, name};
use crate::store::subject::{StoreSubject, connected};

/// In how many rounds something is appended and pulled.
const ROUNDS: usize = 2_500;
/// How many tasks do so at the same time.
const TASKS: usize = 4;

fn record(sealed: impl AsRef<[u8]>) -> Record {
    Record { id: fresh(), origin: fresh(), sealed: sealed.as_ref().to_vec() }
}

fn records(pulled: &Pulled) -> Vec<Record> {
    pulled.records.iter().map(|(_, _, record)| record.clone()).collect()
}

/// All records from the beginning.
async fn everything(store: &dyn FleetStore, log: &Name) -> Vec<Record> {
    let mut shown = store.pull(log, None).await.expect("a pull succeeds");
    let mut all = records(&shown);
    while shown.more {
        let tip = tip(&shown);
        shown = store.pull(log, Some(&tip)).await.expect("a pull succeeds");
        all.extend(records(&shown));
    }
    all
}

/// The tip after a pull that shows something.
fn tip(pulled: &Pulled) -> Tip {
    pulled.records.last().expect("a pull that shows something").0.clone()
}

pub async fn an_empty_log_shows_nothing(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let shown = store.pull(&name(), None).await.unwrap();
    assert!(!shown.goes_on && !shown.more && shown.records.is_empty(), "{shown:?}");
}

pub async fn records_are_shown_in_their_order(subject: &impl StoreSubject) {
    let (one, other) = (connected(subject).await, connected(subject).await);
    let log = name();
    let all_bytes: Vec<u8> = (0..=255).collect();
    let appended: Vec<Record> = [&all_bytes[..], b"", b"c", b"d", b"e"].map(record).into();
    one.append(&log, &appended[..2], HOUR).await.unwrap();
    other.append(&log, &appended[2..3], HOUR).await.unwrap();
    one.append(&log, &appended[3..], HOUR).await.unwrap();
    let shown = other.pull(&log, None).await.unwrap();
    assert_eq!(records(&shown), appended);
    assert!(!shown.goes_on && !shown.more);
    assert!(shown.records.iter().all(|(tip, _, record)| tip.id == record.id));
}

pub async fn a_pull_shows_what_follows_the_tip(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (log, appended) = (name(), [b"a", b"b", b"c"].map(record));
    store.append(&log, &appended, HOUR).await.unwrap();
    let all = store.pull(&log, None).await.unwrap();
    for (at, (tip, _, _)) in all.records.iter().enumerate() {
        let shown = store.pull(&log, Some(tip)).await.unwrap();
        assert!(shown.goes_on && !shown.more);
        assert_eq!(records(&shown), appended[at + 1..]);
    }
}

pub async fn an_origin_is_appended_once(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (log, first) = (name(), record(b"first"));
    let again = || Record { id: fresh(), ..first.clone() };
    store.append(&log, &[first.clone(), again()], HOUR).await.unwrap();
    store.append(&log, &[again()], HOUR).await.unwrap();
    let others: Vec<Record> = (0..63).map(|_| record(b"other")).collect();
    store.append(&log, &others, HOUR).await.unwrap();
    store.append(&log, &[again()], HOUR).await.unwrap();
    assert_eq!(everything(&*store, &log).await, [&[first][..], &others].concat());
}

pub async fn a_tip_with_another_id_is_another_log(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (log, appended) = (name(), [b"a", b"b"].map(record));
    store.append(&log, &appended, HOUR).await.unwrap();
    let place = tip(&store.pull(&log, None).await.unwrap()).place;
    let shown = store.pull(&log, Some(&Tip { place, id: fresh() })).await.unwrap();
    assert!(!shown.goes_on);
    assert_eq!(records(&shown), appended);
}

pub async fn a_tip_that_is_gone_is_another_log(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (log, other_log, appended) = (name(), name(), [b"a", b"b"].map(record));
    store.append(&log, &appended, HOUR).await.unwrap();
    sleep(Duration::from_millis(5)).await;
    store.append(&other_log, &[record(b"elsewhere")], HOUR).await.unwrap();
    let elsewhere = tip(&store.pull(&other_log, None).await.unwrap());
    // Neither is a place that no store would give.
    for tip in [elsewhere, Tip { place: "nowhere".to_owned(), id: fresh() }] {
        let shown = store.pull(&log, Some(&tip)).await.unwrap();
        assert!(!shown.goes_on);
        assert_eq!(records(&shown), appended);
    }
    let shown = store.pull(&name(), Some(&Tip { place: "1-1".to_owned(), id: fresh() })).await.unwrap();
    assert!(!shown.goes_on && shown.records.is_empty());
}

pub async fn many_records_come_in_pages(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let log = name();
    let appended: Vec<Record> = (0..1_001_u32).map(|number| record(number.to_string())).collect();
    for some in appended.chunks(100) {
        store.append(&log, some, HOUR).await.unwrap();
    }
    let mut shown = store.pull(&log, None).await.unwrap();
    let mut all = records(&shown);
    while shown.more {
        let tip = tip(&shown);
        shown = store.pull(&log, Some(&tip)).await.unwrap();
        assert!(shown.goes_on && !shown.records.is_empty(), "more was promised");
        all.extend(records(&shown));
    }
    assert_eq!(all, appended);
}

/// An instance that is up to date has the newest of the old records for its tip. If that were dropped, too, every removal
/// after a quiet time would look like another log.
pub async fn old_records_are_dropped_but_not_the_newest_of_them(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (log, old, new) = (name(), [b"a", b"b"].map(record), record(b"c"));
    store.append(&log, &old, HOUR).await.unwrap();
    let up_to_date = tip(&store.pull(&log, None).await.unwrap());
    sleep(Duration::from_millis(300)).await;
    store.append(&log, from_ref(&new), Duration::from_millis(200)).await.unwrap();
    let shown = store.pull(&log, Some(&up_to_date)).await.unwrap();
    assert!(shown.goes_on);
    assert_eq!(records(&shown), from_ref(&new));
    assert_eq!(everything(&*store, &log).await, [old[1].clone(), new]);
}

/// Two clients append and pull at the same time.
pub async fn what_was_appended_is_in_every_later_pull(subject: &impl StoreSubject) {
    let log = name();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let (one, other) = (connected(subject).await, connected(subject).await);
        tasks.spawn(append_and_pull(one, other, log));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(connected(subject).await.pull(&log, None).await.map(|shown| shown.goes_on), Ok(false));
}

async fn append_and_pull(one: Arc<dyn FleetStore>, other: Arc<dyn FleetStore>, log: Name) {
    let mut last: Option<Tip> = None;
    for round in 0..ROUNDS {
        let appended = record(round.to_string());
        one.append(&log, from_ref(&appended), HOUR).await.unwrap();
        let mut is_shown = false;
        loop {
            let shown = other.pull(&log, last.as_ref()).await.unwrap();
            assert!(shown.goes_on || last.is_none(), "it is the same log");
            is_shown |= records(&shown).contains(&appended);
            last = shown.records.last().map(|(tip, _, _)| tip.clone()).or(last);
            if !shown.more {
                break;
            }
        }
        assert!(is_shown, "round {round}: a pull does not show what was appended before");
    }
}

pub async fn logs_have_names_of_their_own(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (one, other) = (name(), name());
    store.append(&one, &[record(b"one")], HOUR).await.unwrap();
    assert!(store.pull(&other, None).await.unwrap().records.is_empty());
}

pub async fn a_record_has_the_time_of_its_appending(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let log = name();
    let before = store.pull(&log, None).await.unwrap().now;
    store.append(&log, &[record(b"a")], HOUR).await.unwrap();
    let shown = store.pull(&log, None).await.unwrap();
    let (_, appended, _) = &shown.records[0];
    assert!(before <= *appended && *appended <= shown.now, "{before:?} {appended:?} {:?}", shown.now);
}

pub async fn a_run_keeps_its_name(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let log = name();
    let first = store.pull(&log, None).await.unwrap().run;
    store.append(&log, &[record(b"a")], HOUR).await.unwrap();
    assert!(!first.is_empty());
    assert_eq!(store.pull(&log, None).await.unwrap().run, first);
}

pub async fn a_record_of_8_kib_is_appended_and_a_larger_one_refused(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (log, largest) = (name(), record(vec![7; 8 * 1024]));
    store.append(&log, from_ref(&largest), HOUR).await.unwrap();
    assert!(store.append(&log, &[record(vec![7; 8 * 1024 + 1])], HOUR).await.is_err());
    assert_eq!(everything(&*store, &log).await, [largest]);
}
