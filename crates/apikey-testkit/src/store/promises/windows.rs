//! Windows: [`take`](apikey_core::fleet::FleetStore::take) and [`end_attempt`](apikey_core::fleet::FleetStore::end_attempt).
#![allow(missing_docs, clippy::missing_panics_doc)]

use std::time::Duration;

use apikey_core::fleet::{FleetStore, Name, Taken, WindowId};

use super::{HOUR, eventually, name};
use crate::store::subject::{StoreSubject, connected};

async fn take(store: &dyn FleetStore, name: &Name, limit: u32) -> Option<WindowId> {
    match store.take(name, limit, HOUR).await.expect("a take succeeds") {
        Taken::Counted(window) => Some(window),
        Taken::Full { resets_in, .. } => {
            assert!(resets_in <= HOUR && resets_in > HOUR / 2, "{resets_in:?}");
            None
        }
    }
}

pub async fn a_window_fills(subject: &impl StoreSubject) {
    let (one, other) = (connected(subject).await, connected(subject).await);
    let name = name();
    let first = take(&*one, &name, 3).await;
    assert!(first.is_some());
    assert_eq!(take(&*other, &name, 3).await, first);
    assert_eq!(take(&*one, &name, 3).await, first);
    for _ in 0..3 {
        assert_eq!(take(&*one, &name, 3).await, None);
        assert_eq!(take(&*other, &name, 3).await, None);
    }
}

pub async fn a_window_ends_after_its_time(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let name = name();
    let short = Duration::from_millis(200);
    let Ok(Taken::Counted(first)) = store.take(&name, 1, short).await else { panic!("the first one fits") };
    let second = eventually("the window stays", || async {
        match store.take(&name, 1, short).await.unwrap() {
            Taken::Counted(second) => Some(second),
            Taken::Full { resets_in, .. } => {
                assert!(resets_in <= short, "{resets_in:?}");
                None
            }
        }
    });
    assert_ne!(second.await, first);
}

pub async fn what_is_given_back_can_be_taken_again(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let name = name();
    let window = take(&*store, &name, 2).await.expect("the first one fits");
    assert!(take(&*store, &name, 2).await.is_some());
    store.end_attempt(&name, window, false).await.unwrap();
    assert_eq!(take(&*store, &name, 2).await, Some(window));
    assert_eq!(take(&*store, &name, 2).await, None);
    // More than was taken is not given back.
    for _ in 0..5 {
        store.end_attempt(&name, window, false).await.unwrap();
    }
    assert_eq!(take(&*store, &name, 2).await, Some(window));
    assert_eq!(take(&*store, &name, 2).await, Some(window));
    assert_eq!(take(&*store, &name, 2).await, None);
}

pub async fn attempts_under_way_do_not_use_a_window_up(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let name = name();
    let is_used_up = async || match store.take(&name, 2, HOUR).await.unwrap() {
        Taken::Full { is_used_up, .. } => is_used_up,
        Taken::Counted(_) => panic!("two are counted"),
    };
    let window = take(&*store, &name, 2).await.expect("the first one fits");
    assert!(take(&*store, &name, 2).await.is_some());
    assert!(!is_used_up().await);
    store.end_attempt(&name, window, true).await.unwrap();
    assert!(!is_used_up().await);
    store.end_attempt(&name, window, true).await.unwrap();
    assert!(is_used_up().await);
    // Both have ended.
    store.end_attempt(&name, window, false).await.unwrap();
    assert!(is_used_up().await);
}

pub async fn nothing_is_given_back_to_another_window(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (name, elsewhere) = (self::name(), self::name());
    let window = take(&*store, &elsewhere, 1).await.expect("the first one fits");
    store.end_attempt(&name, window, false).await.unwrap();
    assert!(take(&*store, &name, 1).await.is_some());
    store.end_attempt(&name, window, false).await.unwrap();
    store.end_attempt(&name, WindowId([0; 16]), false).await.unwrap();
    assert_eq!(take(&*store, &name, 1).await, None);
}

pub async fn no_crowd_takes_more_than_the_limit(subject: &impl StoreSubject) {
    let (one, other) = (connected(subject).await, connected(subject).await);
    let name = name();
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..60 {
        let store = if number % 2 == 0 { one.clone() } else { other.clone() };
        crowd.spawn(async move { take(&*store, &name, 10).await });
    }
    let mut windows = Vec::new();
    while let Some(taken) = crowd.join_next().await {
        windows.extend(taken.unwrap_or_else(|error| panic!("{error}")));
    }
    assert_eq!(windows.len(), 10);
    assert!(windows.iter().all(|window| *window == windows[0]));
}

pub async fn nothing_fits_into_a_limit_of_zero(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let name = name();
    assert_eq!(take(&*store, &name, 0).await, None);
    assert!(take(&*store, &name, 1).await.is_some());
    assert_eq!(take(&*store, &name, 0).await, None);
}

pub async fn windows_have_names_of_their_own(subject: &impl StoreSubject) {
    let store = connected(subject).await;
    let (one, other) = (name(), name());
    let first = take(&*store, &one, 1).await.expect("the first one fits");
    let second = take(&*store, &other, 1).await.expect("the first one fits");
    assert_ne!(first, second);
}
