//! A store in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apikey_core::fleet::{
    Entry, FleetStore, Looked, Name, Pulled, Record, StoreError, StoreTime, Taken, Tip, WindowId,
};
use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::line::Line;

/// How many records a pull shows at most.
const PAGE: usize = 100;
/// How many of the latest records are searched for an origin.
const SEARCHED: usize = 64;
/// The most bytes of an entry and of a record, sealed.
const LARGEST_ENTRY: usize = 64 * 1024;
const LARGEST_RECORD: usize = 8 * 1024;
/// What the clock of a new store shows, in milliseconds.
const START: u64 = 1_700_000_000_000;

/// A store in memory. Its clock follows Tokio's, so it stands still when a test pauses that one.
///
/// Clones are the same client of the same server. [`other_client`](Self::other_client) is another client of that server,
/// with faults of its own.
#[derive(Clone)]
pub struct MemoryStore {
    pub(super) server: Arc<Mutex<Server>>,
    pub(super) line: Arc<Line>,
    hints: Arc<Notify>,
}

/// How often each method was called by all clients of a server, also without success.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct StoreCalls {
    pub looks: u64,
    pub keeps: u64,
    pub appends: u64,
    pub pulls: u64,
    pub takes: u64,
    pub ended_attempts: u64,
}

pub(super) struct Server {
    started: Instant,
    /// What is added to the time since then. A test may turn it back.
    pub(super) clock: i128,
    pub(super) run: u64,
    pub(super) is_full: bool,
    pub(super) entries: HashMap<Name, (Entry, StoreTime)>,
    pub(super) logs: HashMap<Name, Vec<(Tip, StoreTime, Record)>>,
    windows: HashMap<Name, Window>,
    /// The newest place in any log.
    latest: (u64, u64),
    latest_window: u128,
    calls: StoreCalls,
}

struct Window {
    id: WindowId,
    /// How many attempts have ended and stay counted.
    used: u32,
    /// How many are under way.
    open: u32,
    ends: StoreTime,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let server = Server {
            started: Instant::now(),
            clock: i128::from(START),
            run: 1,
            is_full: false,
            entries: HashMap::new(),
            logs: HashMap::new(),
            windows: HashMap::new(),
            latest: (0, 0),
            latest_window: 0,
            calls: StoreCalls::default(),
        };
        Self { server: Arc::new(Mutex::new(server)), line: Arc::default(), hints: Arc::default() }
    }

    /// Another client of the same server. Faults of this one do not touch it.
    #[must_use]
    pub fn other_client(&self) -> Self {
        Self { line: Arc::default(), ..self.clone() }
    }

    /// The time on the server's clock.
    #[must_use]
    pub fn now(&self) -> StoreTime {
        self.lock().now()
    }

    /// How often each method was called.
    #[must_use]
    pub fn calls(&self) -> StoreCalls {
        self.lock().calls
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does this on the server, after the time that the call takes there, and returns when its reply is back. What has been
    /// sent is done even if the caller goes away.
    async fn call<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Server) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (there, back) = self.line.delays();
        self.line.fault()?;
        let result = if there.is_zero() {
            act(&mut self.lock())
        } else {
            let store = self.clone();
            let sent = tokio::spawn(async move {
                sleep(there).await;
                act(&mut store.lock())
            });
            sent.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
        };
        if !back.is_zero() {
            sleep(back).await;
        }
        // The line may have broken meanwhile.
        self.line.fault()?;
        result
    }
}

impl Server {
    pub(super) fn now(&self) -> StoreTime {
        let since = i128::try_from(self.started.elapsed().as_millis()).unwrap_or(i128::MAX);
        let milliseconds = u64::try_from(self.clock.saturating_add(since)).unwrap_or_default();
        StoreTime { milliseconds }
    }

    fn after(&self, time: Duration) -> StoreTime {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        StoreTime { milliseconds: self.now().milliseconds.saturating_add(time.max(1)) }
    }

    fn append(&mut self, name: Name, records: Vec<Record>, keep_for: Duration) {
        let now = self.now();
        let log = self.logs.entry(name).or_default();
        for record in records {
            if log.iter().rev().take(SEARCHED).any(|(_, _, known)| known.origin == record.origin) {
                continue;
            }
            // A clock that was turned back does not turn places back.
            self.latest = match self.latest {
                (latest, number) if now.milliseconds <= latest => (latest, number + 1),
                _ => (now.milliseconds, 0),
            };
            let (milliseconds, number) = self.latest;
            let tip = Tip { place: format!("{milliseconds}-{number}"), id: record.id };
            log.push((tip, StoreTime { milliseconds }, record));
        }
        let keep_for = u64::try_from(keep_for.as_millis()).unwrap_or(u64::MAX);
        let floor = now.milliseconds.saturating_sub(keep_for);
        let old = log.iter().take_while(|(_, appended, _)| appended.milliseconds <= floor).count();
        // The newest of them stays: it is the tip of every instance that is up to date.
        log.drain(..old.saturating_sub(1));
    }

    fn pull(&self, name: Name, tip: Option<&Tip>) -> Pulled {
        let log = self.logs.get(&name).map_or(&[][..], Vec::as_slice);
        let at = tip.and_then(|tip| log.iter().position(|(known, _, _)| known == tip));
        let rest = log.iter().skip(at.map_or(0, |at| at + 1));
        let more = rest.clone().nth(PAGE).is_some();
        let records = rest.take(PAGE).cloned().collect();
        let run = format!("run {}", self.run);
        Pulled { now: self.now(), run, goes_on: at.is_some(), records, more }
    }

    fn take(&mut self, name: Name, limit: u32, window: Duration) -> Taken {
        let (now, ends) = (self.now(), self.after(window));
        if let Some(held) = self.windows.get_mut(&name).filter(|held| held.ends > now) {
            if held.used.saturating_add(held.open) >= limit {
                let left = Duration::from_millis(held.ends.milliseconds - now.milliseconds);
                return Taken::Full { resets_in: left.min(window), is_used_up: held.used >= limit };
            }
            held.open += 1;
            return Taken::Counted(held.id);
        }
        if limit == 0 {
            return Taken::Full { resets_in: window, is_used_up: true };
        }
        self.latest_window += 1;
        let id = WindowId(self.latest_window.to_be_bytes());
        self.windows.insert(name, Window { id, used: 0, open: 1, ends });
        Taken::Counted(id)
    }

    fn must_have_room(&self) -> Result<(), StoreError> {
        if self.is_full { Err(StoreError::Full("no memory is left".to_owned())) } else { Ok(()) }
    }
}

fn is_small_enough(bytes: &[u8], most: usize) -> Result<(), StoreError> {
    let too_large = || StoreError::Misconfigured(format!("{} bytes are too many", bytes.len()));
    if bytes.len() <= most { Ok(()) } else { Err(too_large()) }
}

#[async_trait]
impl FleetStore for MemoryStore {
    async fn look(&self, name: &Name) -> Result<Looked, StoreError> {
        let name = *name;
        self.lock().calls.looks += 1;
        self.call(move |server| {
            let now = server.now();
            let held = server.entries.get(&name).filter(|(_, ends)| *ends > now);
            Ok(Looked { entry: held.map(|(entry, _)| entry.clone()), now })
        })
        .await
    }

    async fn keep(&self, name: &Name, entry: &Entry, keep_for: Duration) -> Result<(), StoreError> {
        is_small_enough(&entry.sealed, LARGEST_ENTRY)?;
        let (name, entry) = (*name, entry.clone());
        self.lock().calls.keeps += 1;
        self.call(move |server| {
            server.must_have_room()?;
            let (now, ends) = (server.now(), server.after(keep_for));
            let held = server.entries.get(&name).filter(|(_, ends)| *ends > now);
            if held.is_none_or(|(held, _)| held.asked_at <= entry.asked_at) {
                server.entries.insert(name, (entry, ends));
            }
            Ok(())
        })
        .await
    }

    async fn append(&self, log: &Name, records: &[Record], keep_for: Duration) -> Result<(), StoreError> {
        records.iter().try_for_each(|record| is_small_enough(&record.sealed, LARGEST_RECORD))?;
        let (log, records, hints) = (*log, records.to_vec(), Arc::clone(&self.hints));
        self.lock().calls.appends += 1;
        self.line.lock().fault_of_appends.clone().map_or(Ok(()), Err)?;
        self.call(move |server| {
            server.append(log, records, keep_for);
            hints.notify_waiters();
            Ok(())
        })
        .await
    }

    async fn pull(&self, log: &Name, tip: Option<&Tip>) -> Result<Pulled, StoreError> {
        let (log, tip) = (*log, tip.cloned());
        self.lock().calls.pulls += 1;
        self.call(move |server| Ok(server.pull(log, tip.as_ref()))).await
    }

    async fn hint(&self, _: &Name) {
        self.hints.notified().await;
    }

    async fn take(&self, name: &Name, limit: u32, window: Duration) -> Result<Taken, StoreError> {
        let name = *name;
        self.lock().calls.takes += 1;
        self.call(move |server| {
            server.must_have_room()?;
            Ok(server.take(name, limit, window))
        })
        .await
    }

    async fn end_attempt(&self, name: &Name, window: WindowId, is_used: bool) -> Result<(), StoreError> {
        let name = *name;
        self.lock().calls.ended_attempts += 1;
        self.call(move |server| {
            let now = server.now();
            let held = server.windows.get_mut(&name);
            let held = held.filter(|held| held.id == window && held.ends > now && held.open > 0);
            if let Some(held) = held {
                held.open -= 1;
                held.used += u32::from(is_used);
            }
            Ok(())
        })
        .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.call(|server| server.must_have_room()).await
    }
}
