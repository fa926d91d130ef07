//! Tests on real servers. `cargo xtask test` downloads them.

mod cluster;
mod outages;
mod replication;
mod rights;
mod sentinel;
mod suite;
mod tls;

use std::time::Duration;

use apikey_core::fleet::{Entry, FleetStore, Looked, Name, Pulled, Record, StoreError, StoreTime, Taken};
use apikey_redis::RedisStore;
use tokio::time::{Instant, sleep, timeout};

const LOG: Name = Name([7; 16]);
const NAME: Name = Name([8; 16]);
const HOUR: Duration = Duration::from_secs(3600);
/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn store(url: &str) -> RedisStore {
    RedisStore::builder(url).build().unwrap()
}

async fn connected(url: &str) -> RedisStore {
    let store = store(url);
    store.check().await.unwrap();
    store
}

fn record(number: u8) -> Record {
    Record { id: [number; 16], origin: [number; 16], sealed: vec![number] }
}

fn entry(text: &str) -> Entry {
    Entry { asked_at: StoreTime { milliseconds: 1 }, sealed: text.as_bytes().to_vec() }
}

/// The numbers of the records that a pull shows.
fn numbers(pulled: &Pulled) -> Vec<u8> {
    pulled.records.iter().map(|(_, _, record)| record.sealed[0]).collect()
}

async fn append(store: &RedisStore, numbers: &[u8]) -> Result<(), StoreError> {
    let records: Vec<Record> = numbers.iter().copied().map(record).collect();
    store.append(&LOG, &records, HOUR).await
}

async fn pull(store: &RedisStore) -> Result<Pulled, StoreError> {
    // No call may hang.
    timeout(PATIENCE, store.pull(&LOG, None)).await.expect("a pull ends")
}

/// Whether all kinds of calls work.
async fn works(store: &RedisStore) -> Result<(), StoreError> {
    pull(store).await?;
    store.keep(&NAME, &entry("works"), HOUR).await?;
    let Looked { entry: found, .. } = store.look(&NAME).await?;
    assert_eq!(found, Some(entry("works")));
    if let Taken::Counted(window) = store.take(&NAME, 100, HOUR).await? {
        store.end_attempt(&NAME, window, false).await?;
    }
    Ok(())
}

/// Tries until this succeeds.
async fn eventually<T>(attempt: impl AsyncFn() -> Result<T, StoreError>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Tries until it fails with an error of which this is true.
async fn eventually_fails<T>(
    attempt: impl AsyncFn() -> Result<T, StoreError>,
    with: impl Fn(&StoreError) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Err(error) if with(&error) => return,
            Err(error) => assert!(Instant::now() < deadline, "it fails otherwise: {error}"),
            Ok(_) => assert!(Instant::now() < deadline, "it succeeds"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn is_unavailable(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_))
}

fn is_misconfigured(error: &StoreError) -> bool {
    matches!(error, StoreError::Misconfigured(_))
}
