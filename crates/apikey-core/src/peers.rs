//! What a verification asks of the other instances of a fleet, and tells them.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::client::Client;
use crate::engine::{Purge, WindowOfClient};
use crate::key::PresentedKey;
use crate::removal::Everywhere;
use crate::telemetry::Sample;
use crate::verification::{Judgement, Verification};

/// The other instances. Nothing here waits for longer than a fraction of a second, and each call says what to do if
/// they can't be reached.
#[async_trait]
pub(crate) trait Peers: Send + Sync {
    /// The newest removal that this instance has heard of. Read it before Kinde is asked. `None`: this instance is cut
    /// off, so its answers must not be shared.
    fn head(&self) -> Option<Head>;

    /// An answer about this key that another instance got, and that no removal concerns.
    async fn look(&self, key: &PresentedKey) -> Option<Judgement>;

    /// Shares an answer.
    async fn keep(&self, key: &PresentedKey, answer: &SharedAnswer);

    /// Counts an attempt of a client in the whole fleet.
    async fn count(&self, client: Client, window: WindowOfClient) -> Counted;

    /// Says how an attempt ended that was counted. `is_used`: it stays counted.
    async fn end(&self, client: Client, window: WindowOfClient, name: WindowName, is_used: bool);

    /// What an operator watches.
    fn samples(&self, samples: &mut Vec<Sample>);

    /// Tells the others to forget what these purges name. Call it before this instance forgets.
    fn remove(&self, purges: &[Purge]) -> Everywhere;
}

/// The id of a record in the fleet's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head(pub(crate) [u8; 16]);

/// Which window of a client an attempt was counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowName(pub(crate) [u8; 16]);

/// An answer about an accepted key that is worth sharing.
#[derive(Debug, Clone)]
pub(crate) struct SharedAnswer {
    pub(crate) verification: Verification,
    pub(crate) asked_at: Instant,
    pub(crate) expires_at: Option<Instant>,
    /// From before the question was asked.
    pub(crate) head: Head,
}

/// Whether the fleet lets a client make an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// It does.
    Yes(WindowName),
    /// As many as the limit are counted. If they are not used up, some are under way, and may be given back.
    Full { resets_in: Duration, is_used_up: bool },
    /// The store can't be asked, so this instance counts by itself.
    Unknown,
}
