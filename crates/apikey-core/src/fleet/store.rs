//! What a fleet needs of a store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// Where a fleet keeps what its instances share: sealed bytes under opaque names. It decides nothing. The core proves
/// what it says, or takes it for a miss.
///
/// There are three parts:
///
/// - *entries*: sealed answers about keys ([`look`](Self::look), [`keep`](Self::keep)),
/// - one *log* of removals in a single order ([`append`](Self::append), [`pull`](Self::pull)),
/// - *windows*, which count attempts ([`take`](Self::take), [`end_attempt`](Self::end_attempt)).
///
/// The core calls a method with a time limit of its own, and drops the future when the limit is over. The connection
/// must stay usable then.
///
/// The log is what the fleet's safety rests on. So a store must be able to keep the promise of [`pull`](Self::pull). One
/// that can't, such as gossip between instances, can't implement this trait.
#[async_trait]
pub trait FleetStore: Send + Sync + 'static {
    /// The entry under this name, and the store's time. An older state may be read: the core judges what it gets.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn look(&self, name: &Name) -> Result<Looked, StoreError>;

    /// Keeps an entry for this long, unless one is there whose `asked_at` is later.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn keep(&self, name: &Name, entry: &Entry, keep_for: Duration) -> Result<(), StoreError>;

    /// Adds records at the end of the log, in this order, each in one step with a place and the given `id`. It adds none
    /// whose `origin` one of the last 64 records has. When it has returned `Ok`, every later [`pull`](Self::pull) shows
    /// them.
    ///
    /// It also drops records that have been in the log for longer than `keep_for`, but never the newest one. Then it
    /// lets [`hint`](Self::hint) of all instances resolve, if it can.
    ///
    /// # Errors
    /// [`StoreError`]. The records may be in the log nevertheless.
    async fn append(&self, log: &Name, records: &[Record], keep_for: Duration) -> Result<(), StoreError>;

    /// The records after `tip`, oldest first. If no record with the place and the id of `tip` is in the log, or `tip`
    /// is `None`: all records, and `goes_on` is false.
    ///
    /// The result must reflect every [`append`](Self::append) that had returned `Ok` before this was called. If the store
    /// can't be sure, for example because a replica answers, or a primary that lost its replicas, it must fail.
    ///
    /// # Errors
    /// [`StoreError`]
    async fn pull(&self, log: &Name, tip: Option<&Tip>) -> Result<Pulled, StoreError>;

    /// Resolves when a pull may show something new. This is only a hint: it may resolve too often, late, or never.
    async fn hint(&self, log: &Name);

    /// The core has lost touch. Drop the connections, and find the primary again.
    fn rediscover(&self) {}

    /// Counts one attempt in the window under this name, if fewer than `limit` are counted, and notes that it is under way. A
    /// window begins with its first attempt, and ends after `window`.
    ///
    /// # Errors
    /// [`StoreError`]. The attempt may be counted nevertheless.
    async fn take(&self, name: &Name, limit: u32, window: Duration) -> Result<Taken, StoreError>;

    /// Ends one attempt that [`take`](Self::take) has counted, if the window is still the current one. If `is_used`, it stays
    /// counted, else one less is counted.
    ///
    /// # Errors
    /// [`StoreError`]. The attempt may have ended nevertheless.
    async fn end_attempt(&self, name: &Name, window: WindowId, is_used: bool) -> Result<(), StoreError>;

    /// Whether the store can be reached and lets this program do all of the above. Call it at start-up.
    ///
    /// # Errors
    /// [`StoreError`], which says what to change.
    async fn check(&self) -> Result<(), StoreError>;
}

/// The name of an entry, of a window or of a log. Nobody without the fleet's secret can tell what an entry or a window
/// stands for. The name of a log is a hash of the realm.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name(pub [u8; 16]);

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Name(..)")
    }
}

/// A moment on the store's own clock, in milliseconds. No other clock is compared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreTime {
    /// Milliseconds since any fixed moment.
    pub milliseconds: u64,
}

/// A sealed answer about a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// When Kinde was asked for it.
    pub asked_at: StoreTime,
    /// At most 64 KiB.
    pub sealed: Vec<u8>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Entry").field("asked_at", &self.asked_at).finish_non_exhaustive()
    }
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// `None` if nothing is kept under the name.
    pub entry: Option<Entry>,
    /// The store's time when it looked.
    pub now: StoreTime,
}

/// A removal in the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Of this try to append it. No two tries have the same.
    pub id: [u8; 16],
    /// Of the removal, whichever try appended it.
    pub origin: [u8; 16],
    /// At most 8 KiB.
    pub sealed: Vec<u8>,
}

impl fmt::Debug for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Record(..)")
    }
}

/// A record's place in the log. After a fail-over another record may have the same place, so the id belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// In the store's own notation.
    pub place: String,
    /// Of the record.
    pub id: [u8; 16],
}

/// What a pull shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The store's time.
    pub now: StoreTime,
    /// Which run of which server answered. It changes when another server takes over, and when a server restarts. If
    /// the store can't know this, it must change with every new connection.
    pub run: String,
    /// The record at the caller's tip is in the log, and `records` follow it.
    pub goes_on: bool,
    /// Oldest first, each with its place and when it was appended.
    pub records: Vec<(Tip, StoreTime, Record)>,
    /// The log has more records. Pull again after the last one.
    pub more: bool,
}

/// Which window an attempt was counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowId(pub [u8; 16]);

/// Whether an attempt was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was, in this window.
    Counted(WindowId),
    /// As many as the limit are counted already.
    Full {
        /// When the window ends.
        resets_in: Duration,
        /// As many have ended and stay counted. Otherwise some are under way, and may be given back.
        is_used_up: bool,
    },
}

/// Why a store did not do what it was asked. The texts are for the operator's log, so they hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It can't be reached, does not answer in time, or is not the primary.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It has no memory left.
    #[error("full: {0}")]
    Full(String),
    /// It refuses this program: a password, a permission or a setting is wrong.
    #[error("set up wrong: {0}")]
    Misconfigured(String),
}
