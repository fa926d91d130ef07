//! Entries: [`look`](apikey_core::fleet::FleetStore::look) and [`keep`](apikey_core::fleet::FleetStore::keep).
#![allow(missing_docs, clippy::missing_panics_doc)]

use std::time::Duration;

use apikey_core::fleet::{Entry, FleetStore, Name, StoreTime};
use tokio::time::sleep;

use super::{HOUR, eventually, name};
use crate::store::subject::{StoreSubject, connected};

fn entry(milliseconds: u64, sealed: &[u8]) -> Entry {
    Entry { asked_at: StoreTime { milliseconds }, sealed: sealed.to_vec() }
}

async fn found(store: &dyn FleetStore, name: &Name) -> Option<Entry> {
    store.look(name).await.expect("a look succeeds").entry
}

pub async fn nothing_is_found_if_nothing_is_kept(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    assert_eq!(found(&*store, &name()).await, None);
}

pub async fn an_entry_comes_back_byte_for_byte(subject: &impl StoreSubject) {
    let (one, other) = (connected(subject).await, connected(subject).await);
    let all_bytes: Vec<u8> = (0..=255).collect();
    for (milliseconds, sealed) in [(1_700_000_000_123, &all_bytes[..]), (0, b""), (u64::MAX, b"\r\n\0")] {
        let (name, kept) = (name(), entry(milliseconds, sealed));
        one.keep(&name, &kept, HOUR).await.unwrap();
        assert_eq!(found(&*other, &name).await, Some(kept));
    }
}

pub async fn an_entry_of_64_kib_is_kept_and_a_larger_one_refused(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let name = name();
    let largest = entry(1, &vec![7; 64 * 1024]);
    store.keep(&name, &largest, HOUR).await.unwrap();
    for size in [64 * 1024 + 1, 1024 * 1024] {
        assert!(store.keep(&name, &entry(2, &vec![8; size]), HOUR).await.is_err());
    }
    assert_eq!(found(&*store, &name).await, Some(largest));
}

pub async fn a_later_entry_stays(subject: &impl StoreSubject) {
    let (one, other) = (connected(subject).await, connected(subject).await);
    let name = name();
    for (moment, expected) in [(50, 50), (9, 50), (49, 50), (100, 100), (99, 100), (1_000, 1_000)] {
        let sealed = moment.to_string();
        one.keep(&name, &entry(moment, sealed.as_bytes()), HOUR).await.unwrap();
        assert_eq!(found(&*other, &name).await, Some(entry(expected, expected.to_string().as_bytes())));
    }
}

pub async fn an_entry_ends_after_its_time(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (short, long) = (name(), name());
    store.keep(&long, &entry(1, b"long"), HOUR).await.unwrap();
    store.keep(&short, &entry(1, b"short"), Duration::from_millis(100)).await.unwrap();
    eventually("the entry stays", || async { found(&*store, &short).await.is_none().then_some(()) }).await;
    assert!(found(&*store, &long).await.is_some());
    // An earlier moment may follow one that has ended.
    store.keep(&short, &entry(0, b"again"), HOUR).await.unwrap();
    assert_eq!(found(&*store, &short).await, Some(entry(0, b"again")));
}

pub async fn entries_have_names_of_their_own(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (one, mut near) = (name(), Name([0; 16]));
    near.0 = one.0;
    near.0[15] ^= 1;
    store.keep(&one, &entry(1, b"one"), HOUR).await.unwrap();
    assert_eq!(found(&*store, &near).await, None);
    // A window or a log of the same name is something else.
    store.take(&near, 1, HOUR).await.unwrap();
    assert_eq!(found(&*store, &near).await, None);
    assert_eq!(found(&*store, &one).await, Some(entry(1, b"one")));
}

pub async fn the_clock_goes_on(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let name = name();
    let first = store.look(&name).await.unwrap().now;
    sleep(Duration::from_millis(50)).await;
    let second = store.look(&name).await.unwrap().now;
    assert!(second.milliseconds >= first.milliseconds + 40, "{first:?} {second:?}");
    let third = store.pull(&name, None).await.unwrap().now;
    assert!(third >= second, "{second:?} {third:?}");
}
