//! The store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use apikey_core::fleet::{Entry, FleetStore, Looked, Name, Pulled, Record, StoreError, Taken, Tip, WindowId};
use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::check;
use crate::client::{Command, Reply, Script};
use crate::fault::Fault;
use crate::hints::Hints;
use crate::names::Prefix;
use crate::replies::{self, MOMENT_DIGITS};
use crate::scripts::Scripts;
use crate::server::Patience;
use crate::servers::{Call, Shared};

/// How long a call may take. The core's own limits are shorter.
const CALL_LIMIT: Duration = Duration::from_secs(1);
/// How many records a pull shows at most.
const PAGE: usize = 200;
/// The most bytes of an entry and of a record, sealed.
const LARGEST_ENTRY: usize = 64 * 1024;
const LARGEST_RECORD: usize = 8 * 1024;
/// The server counts in milliseconds, and no further than this.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A fleet's store on Redis or Valkey. The [first page](crate) says how to set it up.
///
/// It connects when it is first used, and again whenever a connection breaks. Until it is connected, calls fail at once.
/// Call it in a Tokio runtime that has I/O and time turned on.
pub struct RedisStore {
    shared: Arc<Shared>,
    prefix: Prefix,
    scripts: Scripts,
    hints: Hints,
    /// The servers, without the login.
    description: String,
}

impl RedisStore {
    pub(crate) fn new(shared: Shared, prefix: Prefix, description: String) -> Self {
        let (shared, scripts, hints) = (Arc::new(shared), Scripts::new(), Hints::default());
        Self { shared, prefix, scripts, hints, description }
    }

    async fn run(
        &self,
        script: &Script,
        key: &[u8],
        arguments: &[&[u8]],
        patience: Patience,
    ) -> Result<(Reply, u64), StoreError> {
        within_limit(self.shared.servers.run(Call { script, key, arguments }, patience)).await
    }
}

#[async_trait]
impl FleetStore for RedisStore {
    async fn look(&self, name: &Name) -> Result<Looked, StoreError> {
        let key = self.prefix.entry(name);
        let last = (MOMENT_DIGITS + LARGEST_ENTRY - 1).to_string();
        // The time is read after the entry, so that the entry never seems younger than it is.
        let commands = vec![Command::new("GETRANGE").arg(&key).arg("0").arg(last), Command::new("TIME")];
        let sent = self.shared.servers.send(&key, commands, Patience::AtOnce);
        let answered = within_limit(sent).await?;
        let mut replies = answered.replies.into_iter().map(Reply::accepted);
        let mut next = || replies.next().unwrap_or(Ok(Reply::Nothing));
        let (bytes, now) = (next()?, next()?);
        let now = now.into_array().and_then(|[seconds, microseconds]| replies::time(seconds, microseconds));
        let now = now.ok_or_else(|| Fault::unexpected("the time"))?;
        Ok(Looked { entry: bytes.into_bytes().and_then(|bytes| replies::entry(&bytes)), now })
    }

    async fn keep(&self, name: &Name, entry: &Entry, keep_for: Duration) -> Result<(), StoreError> {
        is_small_enough("an entry", &entry.sealed, LARGEST_ENTRY)?;
        let moment = replies::moment(entry.asked_at);
        let arguments: [&[u8]; 3] = [moment.as_bytes(), &entry.sealed, &milliseconds(keep_for)];
        self.run(&self.scripts.keep, &self.prefix.entry(name), &arguments, Patience::AtOnce).await?;
        Ok(())
    }

    async fn append(&self, log: &Name, records: &[Record], keep_for: Duration) -> Result<(), StoreError> {
        let (keep_for, channel) = (milliseconds(keep_for), self.prefix.hints(log));
        let mut arguments: Vec<&[u8]> = vec![&keep_for, channel.as_bytes()];
        for record in records {
            is_small_enough("a record", &record.sealed, LARGEST_RECORD)?;
            arguments.extend([&record.id[..], &record.origin[..], &record.sealed[..]]);
        }
        self.run(&self.scripts.append, &self.prefix.log(log), &arguments, Patience::Waits).await?;
        Ok(())
    }

    async fn pull(&self, log: &Name, tip: Option<&Tip>) -> Result<Pulled, StoreError> {
        let (place, id): (&[u8], &[u8]) = match tip {
            Some(tip) if is_place(&tip.place) => (tip.place.as_bytes(), &tip.id),
            _ => (b"", b""),
        };
        // A longer record is cut, so that it does not open.
        let [page, longest] = [PAGE, LARGEST_RECORD + 1].map(|number| number.to_string());
        let arguments = [place, id, page.as_bytes(), longest.as_bytes()];
        let key = self.prefix.log(log);
        let (reply, connection) = self.run(&self.scripts.pull, &key, &arguments, Patience::Waits).await?;
        replies::pulled(reply, connection).ok_or_else(|| {
            let key = String::from_utf8_lossy(&key).into_owned();
            StoreError::Misconfigured(format!("the key {key} holds what no store wrote: delete it"))
        })
    }

    async fn hint(&self, log: &Name) {
        if Handle::try_current().is_err() {
            return std::future::pending().await;
        }
        self.hints.next(&self.shared, self.prefix.hints(log), self.prefix.log(log)).await;
    }

    fn rediscover(&self) {
        self.shared.servers.forget();
        self.hints.forget();
    }

    async fn take(&self, name: &Name, limit: u32, window: Duration) -> Result<Taken, StoreError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let limit = limit.to_string();
        let arguments: [&[u8]; 3] = [limit.as_bytes(), &milliseconds(window), &id];
        let key = self.prefix.window(name);
        let (reply, _) = self.run(&self.scripts.take, &key, &arguments, Patience::AtOnce).await?;
        Ok(replies::taken(reply, window).ok_or_else(|| Fault::unexpected("a window"))?)
    }

    async fn end_attempt(&self, name: &Name, window: WindowId, is_used: bool) -> Result<(), StoreError> {
        let key = self.prefix.window(name);
        let is_used: &[u8] = if is_used { b"1" } else { b"0" };
        self.run(&self.scripts.end_attempt, &key, &[&window.0, is_used], Patience::AtOnce).await?;
        Ok(())
    }

    async fn check(&self) -> Result<(), StoreError> {
        is_in_a_runtime()?;
        check::check(&self.shared, &self.scripts, &self.prefix).await.map_err(StoreError::from)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisStore")
            .field("servers", &self.description)
            .field("key_prefix", &self.prefix.0)
            .finish_non_exhaustive()
    }
}

async fn within_limit<T>(call: impl Future<Output = Result<T, Fault>>) -> Result<T, StoreError> {
    is_in_a_runtime()?;
    let done = timeout(CALL_LIMIT, call).await;
    Ok(done.unwrap_or_else(|_| Err(Fault::late(CALL_LIMIT)))?)
}

/// Tokio panics if its timers are used elsewhere.
fn is_in_a_runtime() -> Result<(), StoreError> {
    let outside = |_| StoreError::Misconfigured("it is called outside of a Tokio runtime".to_owned());
    Handle::try_current().map(drop).map_err(outside)
}

fn is_small_enough(what: &str, bytes: &[u8], most: usize) -> Result<(), StoreError> {
    if bytes.len() <= most {
        return Ok(());
    }
    let size = bytes.len();
    Err(StoreError::Misconfigured(format!("{what} of {size} bytes is too large: the most are {most}")))
}

/// A time in the form of the scripts. It is at least 1 ms, because a server keeps nothing for 0 ms.
fn milliseconds(time: Duration) -> Vec<u8> {
    time.min(LONGEST).as_millis().max(1).to_string().into_bytes()
}

/// Whether this is a place in a log of a server, and not of another kind of store.
fn is_place(text: &str) -> bool {
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    text.split_once('-').is_some_and(|(milliseconds, number)| is_number(milliseconds) && is_number(number))
}
