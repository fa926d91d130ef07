//! Calls of all kinds.
#![allow(missing_docs, clippy::missing_panics_doc)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use apikey_core::fleet::{Entry, Record, StoreTime};

use super::{HOUR, eventually, fresh, name};
use crate::store::subject::{StoreSubject, connected};

pub async fn a_store_that_works_passes_its_check(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    // It leaves nothing that stands in its own way.
    store.check().await.unwrap();
}

/// Callers have time limits of their own.
pub async fn a_call_that_was_given_up_leaves_the_connection_usable(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (kept, log) = (name(), name());
    let entry = Entry { asked_at: StoreTime { milliseconds: 1 }, sealed: b"kept".to_vec() };
    store.keep(&kept, &entry, HOUR).await.unwrap();
    for round in 0..200_u64 {
        let record = Record { id: fresh(), origin: fresh(), sealed: b"given up".to_vec() };
        let records = [record];
        let look = store.look(&kept);
        let append = store.append(&log, &records, HOUR);
        let pull = store.pull(&log, None);
        // Some were not sent yet, of some the reply is on its way.
        let limit = Duration::from_micros(round * 5);
        let _ = tokio::time::timeout(limit, async { tokio::join!(look, append, pull) }).await;
        if round % 3 == 0 {
            let unsent = pin!(store.look(&kept));
            let _ = unsent.poll(&mut Context::from_waker(Waker::noop()));
        }
        assert_eq!(store.look(&kept).await.unwrap().entry.as_ref(), Some(&entry), "round {round}");
    }
    assert!(!store.pull(&log, None).await.unwrap().goes_on);
}

pub async fn each_reply_goes_to_its_own_caller(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..500_u64 {
        let store = store.clone();
        callers.spawn(async move {
            let name = name();
            let sealed = number.to_string().repeat((number % 50 + 1) as usize).into_bytes();
            let entry = Entry { asked_at: StoreTime { milliseconds: number }, sealed };
            store.keep(&name, &entry, HOUR).await.unwrap();
            assert_eq!(store.look(&name).await.unwrap().entry, Some(entry));
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap_or_else(|error| panic!("{error}"));
    }
}

pub async fn a_rediscovered_store_works_again(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let log = name();
    store
        .append(&log, &[Record { id: fresh(), origin: fresh(), sealed: b"a".to_vec() }], HOUR)
        .await
        .unwrap();
    for _ in 0..3 {
        store.rediscover();
        let shown =
            eventually("it does not work again", || async { store.pull(&log, None).await.ok() }).await;
        assert_eq!(shown.records.len(), 1);
    }
}
