//! A store that counts what a fleet asks of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apikey_core::fleet::{Entry, FleetStore, Looked, Name, Pulled, Record, StoreError, Taken, Tip, WindowId};
use async_trait::async_trait;

/// How often each method was called.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    looks: AtomicU64,
    keeps: AtomicU64,
    appends: AtomicU64,
    pulls: AtomicU64,
    takes: AtomicU64,
    gifts: AtomicU64,
}

impl Calls {
    /// Names and numbers.
    pub(crate) fn now(&self) -> [(&'static str, u64); 6] {
        let Self { looks, keeps, appends, pulls, takes, gifts } = self;
        let all = [
            ("looks", looks),
            ("entries kept", keeps),
            ("appends", appends),
            ("pulls", pulls),
            ("attempts taken", takes),
            ("attempts given back", gifts),
        ];
        all.map(|(name, calls)| (name, calls.load(Ordering::Relaxed)))
    }
}

/// Counts, and passes every call on.
pub(crate) struct Counted<S> {
    pub(crate) store: S,
    pub(crate) calls: Arc<Calls>,
}

fn count(calls: &AtomicU64) {
    calls.fetch_add(1, Ordering::Relaxed);
}

#[async_trait]
impl<S: FleetStore> FleetStore for Counted<S> {
    async fn look(&self, name: &Name) -> Result<Looked, StoreError> {
        count(&self.calls.looks);
        self.store.look(name).await
    }

    async fn keep(&self, name: &Name, entry: &Entry, keep_for: Duration) -> Result<(), StoreError> {
        count(&self.calls.keeps);
        self.store.keep(name, entry, keep_for).await
    }

    async fn append(&self, log: &Name, records: &[Record], keep_for: Duration) -> Result<(), StoreError> {
        count(&self.calls.appends);
        self.store.append(log, records, keep_for).await
    }

    async fn pull(&self, log: &Name, tip: Option<&Tip>) -> Result<Pulled, StoreError> {
        count(&self.calls.pulls);
        self.store.pull(log, tip).await
    }

    async fn hint(&self, log: &Name) {
        self.store.hint(log).await;
    }

    fn rediscover(&self) {
        self.store.rediscover();
    }

    async fn take(&self, name: &Name, limit: u32, window: Duration) -> Result<Taken, StoreError> {
        count(&self.calls.takes);
        self.store.take(name, limit, window).await
    }

    async fn end_attempt(&self, name: &Name, window: WindowId, is_used: bool) -> Result<(), StoreError> {
        count(&self.calls.gifts);
        self.store.end_attempt(name, window, is_used).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }
}
