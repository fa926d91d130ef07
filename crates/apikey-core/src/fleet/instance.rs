//! This instance's part in its fleet: the tasks that read and write the log, and what verifications ask of the store.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::health::Health;
use super::link::{Link, LinkSettings, Logged, Page, Travelled};
use super::seal::Sealer;
use super::store::{FleetStore, Looked, Name, Pulled, Record, StoreError, Taken, WindowId};
use crate::client::Client;
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::engine::{Engine, Purge, WindowOfClient};
use crate::key::PresentedKey;
use crate::peers::{Counted, Head, Peers, SharedAnswer, WindowName};
use crate::removal::Everywhere;
use crate::telemetry::{Sample, fleet_samples};
use crate::verification::Judgement;

/// How long a request waits for the store at most, each time that it needs it.
const BUDGET_OF_A_REQUEST: Duration = Duration::from_millis(50);
/// How long a write may take that no request waits for.
const BUDGET_OF_A_WRITE: Duration = Duration::from_secs(1);
/// How far apart two hints are at least.
const AFTER_A_HINT: Duration = Duration::from_millis(10);

pub(crate) struct Instance {
    store: Arc<dyn FleetStore>,
    sealer: Sealer,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    log: Name,
    settings: LinkSettings,
    time_to_live: Duration,
    /// What this instance's verifier checks about a key beyond its validity. An entry must say that all of it was checked.
    checks: Vec<String>,
    outbox: Arc<Outbox>,
    must_pull: Notify,
    health: Mutex<Health>,
    has_told_of_a_record: AtomicBool,
    looks: Looks,
}

/// How many looks ended in which way.
#[derive(Default)]
struct Looks {
    found: AtomicU64,
    missed: AtomicU64,
    failed: AtomicU64,
}

/// What handles of removals share with the tasks.
struct Outbox {
    link: Mutex<Link>,
    must_append: Notify,
    appended: Notify,
}

impl Outbox {
    fn link(&self) -> MutexGuard<'_, Link> {
        // No code under the lock can panic half-way through a change.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when the store has every removal up to this ticket.
    async fn has_reached_the_fleet(&self, ticket: u64) {
        loop {
            let mut appended = std::pin::pin!(self.appended.notified());
            // From here on no append is missed, so it looks only now.
            appended.as_mut().enable();
            if self.link().acknowledged() >= ticket {
                return;
            }
            appended.await;
        }
    }
}

impl Instance {
    /// The times are those of the cache: its time to live, and how long an answer may serve as stale after it. `checks` are
    /// the verifier's [`further_checks`](crate::Verifier::further_checks).
    ///
    /// # Errors
    /// [`ConfigError`] if the operating system gives no random numbers.
    pub(crate) fn new(
        store: Arc<dyn FleetStore>,
        sealer: Sealer,
        engine: Arc<Engine>,
        clock: Arc<dyn Clock>,
        (time_to_live, stale_if_error): (Duration, Duration),
        checks: Vec<String>,
    ) -> Result<Arc<Self>, ConfigError> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|error| {
            ConfigError::new("random numbers", format!("the operating system returned none: {error}"))
        })?;
        let now = clock.now();
        let settings = LinkSettings::new(time_to_live.saturating_add(stale_if_error));
        let link = Mutex::new(Link::new(settings.clone(), &seed, now));
        Ok(Arc::new(Self {
            log: sealer.log_name(),
            store,
            sealer,
            engine,
            clock,
            settings,
            time_to_live,
            checks,
            outbox: Arc::new(Outbox { link, must_append: Notify::new(), appended: Notify::new() }),
            must_pull: Notify::new(),
            health: Mutex::new(Health::new(now)),
            has_told_of_a_record: AtomicBool::new(false),
            looks: Looks::default(),
        }))
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.outbox.link()
    }

    /// Reads and writes the log for ever.
    pub(crate) async fn keep_in_touch(self: Arc<Self>) {
        tokio::join!(self.pull_for_ever(), self.append_for_ever(), self.heed_hints());
    }

    async fn pull_for_ever(&self) {
        loop {
            let due = self.link().pull_due_at();
            let now = self.clock.now();
            match due.map(|due| due.saturating_duration_since(now)) {
                Some(wait) if !wait.is_zero() => {
                    let _earlier = timeout(wait, self.must_pull.notified()).await;
                }
                _ => self.pull().await,
            }
        }
    }

    async fn pull(&self) {
        let request = self.link().begin_pull(self.clock.now());
        let pulled = timeout(self.settings.budget, self.store.pull(&self.log, request.tip.as_ref())).await;
        let now = self.clock.now();
        match pulled.unwrap_or_else(|_| Err(late())) {
            Ok(page) => {
                let page = self.opened(page);
                let done = self.link().pulled(request.number, page, now);
                if done.forget_everything {
                    self.engine.purge_all(&[Purge::Everything]);
                }
                self.engine.purge_all(&done.apply);
                if let Some(confirmed) = done.confirmed {
                    self.engine.confirm(confirmed);
                }
                let is_linked = self.link().is_linked(now);
                self.health().pulled(is_linked);
                // The page may show that a removal got lost.
                self.outbox.must_append.notify_one();
                self.outbox.appended.notify_waiters();
            }
            Err(error) => {
                let mut link = self.link();
                link.pull_failed(request.number, now);
                let is_linked = link.is_linked(now);
                drop(link);
                if self.health().pull_failed(is_linked, &error, now) {
                    self.store.rediscover();
                }
            }
        }
    }

    fn opened(&self, page: Pulled) -> Page {
        let Pulled { now, run, goes_on, records, more } = page;
        let records = records.into_iter().map(|(tip, at, Record { origin, sealed, .. })| {
            let opened = self.sealer.open_record(origin, &sealed);
            if let Some(problem) = opened.problem {
                if !self.has_told_of_a_record.swap(true, Ordering::Relaxed) {
                    tracing::warn!("{problem}; this is not logged again");
                }
            }
            Logged { tip, at, origin, purge: opened.purge }
        });
        Page { now, run, goes_on, records: records.collect(), more }
    }

    async fn append_for_ever(&self) {
        loop {
            let now = self.clock.now();
            let due = self.link().append_due_at(now);
            match due.map(|due| due.saturating_duration_since(now)) {
                None => self.outbox.must_append.notified().await,
                Some(wait) if !wait.is_zero() => sleep(wait).await,
                Some(_) => self.append().await,
            }
        }
    }

    async fn append(&self) {
        let append = self.link().begin_append();
        let sealed = append.records.iter().map(|record| {
            let sealed = self.sealer.seal_record(record.origin, record.purge.as_ref())?;
            Some(Record { id: record.id, origin: record.origin, sealed })
        });
        let appended = match sealed.collect::<Option<Vec<Record>>>() {
            Some(records) => {
                let appending = self.store.append(&self.log, &records, self.settings.keep_for);
                timeout(self.settings.budget, appending).await.unwrap_or_else(|_| Err(late()))
            }
            None => Err(StoreError::Unavailable("the operating system returns no random numbers".to_owned())),
        };
        let now = self.clock.now();
        match appended {
            Ok(()) => {
                let mut link = self.link();
                link.appended(append.number);
                link.hinted(now);
                drop(link);
                self.health().appended();
                self.outbox.appended.notify_waiters();
                self.must_pull.notify_one();
            }
            Err(error) => {
                self.link().append_failed(append.number, now);
                self.health().append_failed(&error, now);
            }
        }
    }

    async fn heed_hints(&self) {
        loop {
            self.store.hint(&self.log).await;
            self.link().hinted(self.clock.now());
            self.must_pull.notify_one();
            sleep(AFTER_A_HINT).await;
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store has under this name, if it can be believed.
    async fn look_under(&self, name: &Name, key: &PresentedKey) -> Result<Option<Judgement>, StoreError> {
        let sent = self.clock.now();
        let Looked { entry, now: store_now } = self.store.look(name).await?;
        let received = self.clock.now();
        let Some(entry) = entry else { return Ok(None) };
        let Some(opened) = self.sealer.open_entry(name, &entry, &self.checks()) else { return Ok(None) };
        let travelled =
            Travelled { head: opened.head.0, asked_at: entry.asked_at, store_now, sent, received };
        let fingerprint = self.engine.fingerprint(key.expose());
        let concerns = |purge: &Purge| purge.matches(fingerprint, Some(opened.verification()));
        let asked_at = self.link().judge(&travelled, received, concerns);
        Ok(asked_at.map(|asked_at| opened.into_judgement(asked_at)))
    }

    fn checks(&self) -> Vec<&str> {
        self.checks.iter().map(String::as_str).collect()
    }

    async fn look_everywhere(&self, key: &PresentedKey) -> Result<Option<Judgement>, StoreError> {
        let names = self.sealer.entry_names(key);
        for name in [names.first].iter().chain(&names.others) {
            let found = self.look_under(name, key).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Peers for Instance {
    fn head(&self) -> Option<Head> {
        self.link().head().map(Head)
    }

    async fn look(&self, key: &PresentedKey) -> Option<Judgement> {
        let looked = timeout(BUDGET_OF_A_REQUEST, self.look_everywhere(key)).await;
        let (count, found) = match looked {
            Ok(Ok(Some(found))) => (&self.looks.found, Some(found)),
            Ok(Ok(None)) => (&self.looks.missed, None),
            Ok(Err(_)) | Err(_) => (&self.looks.failed, None),
        };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    async fn keep(&self, key: &PresentedKey, answer: &SharedAnswer) {
        let now = self.clock.now();
        let age = now.saturating_duration_since(answer.asked_at);
        let (Some(asked_at), Some(keep_for)) =
            (self.link().stamp(answer.asked_at, now), self.time_to_live.checked_sub(age))
        else {
            return;
        };
        let name = self.sealer.entry_names(key).first;
        if let Some(entry) = self.sealer.seal_entry(&name, asked_at, answer, &self.checks()) {
            let _best_effort = timeout(BUDGET_OF_A_WRITE, self.store.keep(&name, &entry, keep_for)).await;
        }
    }

    async fn count(&self, client: Client, window: WindowOfClient) -> Counted {
        if !self.engine.is_linked(self.clock.now()) {
            return Counted::Unknown;
        }
        let name = self.window_name(client, &window);
        let limit = window.limit;
        let taking = self.store.take(&name, limit.attempts(), limit.window());
        match timeout(BUDGET_OF_A_REQUEST, taking).await {
            Ok(Ok(Taken::Counted(WindowId(id)))) => Counted::Yes(WindowName(id)),
            Ok(Ok(Taken::Full { resets_in, is_used_up })) => Counted::Full { resets_in, is_used_up },
            Ok(Err(_)) | Err(_) => Counted::Unknown,
        }
    }

    async fn end(&self, client: Client, window: WindowOfClient, id: WindowName, is_used: bool) {
        // If every attempt counts, nobody asks how many have ended.
        if !is_used || window.limit.counts_only_refused {
            let name = self.window_name(client, &window);
            let ending = self.store.end_attempt(&name, WindowId(id.0), is_used);
            let _best_effort = timeout(BUDGET_OF_A_WRITE, ending).await;
        }
    }

    fn samples(&self, samples: &mut Vec<Sample>) {
        let link = self.link();
        let (is_linked, waiting) = (link.is_linked(self.clock.now()), link.removals_waiting());
        drop(link);
        let Looks { found, missed, failed } = &self.looks;
        let looks = [found, missed, failed].map(|looks| looks.load(Ordering::Relaxed));
        fleet_samples(samples, is_linked, waiting as u64, looks);
    }

    fn remove(&self, purges: &[Purge]) -> Everywhere {
        let mut link = self.link();
        let tickets = purges.iter().map(|purge| link.purge_anew(purge.clone()));
        let ticket = tickets.max().unwrap_or(0);
        drop(link);
        self.outbox.must_append.notify_one();
        let outbox = Arc::clone(&self.outbox);
        Box::pin(async move { outbox.has_reached_the_fleet(ticket).await })
    }
}

fn late() -> StoreError {
    StoreError::Unavailable("it did not answer in time".to_owned())
}

impl Instance {
    fn window_name(&self, client: Client, window: &WindowOfClient) -> Name {
        self.sealer.window_name(client, &window.limit, &window.counter.to_string())
    }
}
