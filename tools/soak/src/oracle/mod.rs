//! Knows the right answer to each request, and finds the wrong ones.
//!
//! It learns of everything that happens to a key at Kinde, of every purge, and of the times when Kinde cannot answer.
//! An answer is right if it was allowed at some instant between the begin and the end of its request:
//!
//! - **An identity** (200, or the 403 that its scopes and owner deserve) must have been Kinde's answer about this
//!   secret at some moment within the time to live, and after every purge, refusal or rotation of this key that was
//!   over when the request began. A stale answer, at most `stale_if_error` older, is right only while Kinde cannot
//!   answer or is slow, or while it fails or has too much to do for this very key. It is wrong if there is only a
//!   crowd, a client over its limit, or an unreadable answer about this key.
//! - **A refusal** (401) must have been Kinde's answer within the negative time to live, or the budget of a
//!   verification.
//! - **429** is right only if the client began that many requests within the window.
//! - **503** is right only while Kinde cannot answer, while the machine stalls, near a purge of this very key, for a
//!   key whose own answer is odd, or for a client that sends more at once than the whole queue holds. Other clients'
//!   odd keys or crowds, dead connections and a slow Kinde are no reasons.
//! - **500** is right only while Kinde refuses the service's own set-up, or for a key whose own answer is odd.

mod clients;
mod ledger;
mod route;
mod troubles;
mod truth;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use apikey_core::Refusal;
use serde_json::Value;

pub use route::Route;
pub use troubles::{Oddity, Trouble};
pub use truth::{Identity, Verdict};

use ledger::Ledger;

/// The settings of the authenticator.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// `cache_time_to_live`
    pub time_to_live: Duration,
    /// `stale_if_error`
    pub stale_if_error: Duration,
    /// `negative_time_to_live`
    pub negative_time_to_live: Duration,
    /// `verification_timeout`, with the tolerance for a busy machine.
    pub budget: Duration,
    /// The attempts of `attempt_limit`.
    pub attempts: u32,
    /// The window of `attempt_limit`.
    pub window: Duration,
}

/// The key in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// No key.
    Nothing,
    /// A malformed value, which is refused with this status and code.
    Malformed(u16, &'static str),
    /// This secret.
    Secret(String),
    /// A new secret that belongs to no key.
    FreshJunk(String),
    /// A made-up secret that Kinde never judges.
    Odd(String),
}

/// One request, and its answer.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The route.
    pub route: Route,
    /// The presented key.
    pub presented: Presented,
    /// The client's address, at the precision of the limiter.
    pub client: String,
    /// Whether this client has more open requests than the whole queue holds.
    pub crowds: bool,
    /// The instant before the first byte was sent.
    pub began: Instant,
    /// The instant after the last byte was received.
    pub ended: Instant,
    /// The status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub body: Value,
}

/// The scope of a purge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One secret.
    Secret(String),
    /// One key id, with all its secrets.
    KeyId(String),
    /// The keys of a user.
    User(String),
    /// The keys of an organization.
    Organization(String),
    /// Every key.
    Everything,
}

/// Counts of events, allowed or not, for the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Good keys that were accepted while there was no reason for a 503.
    pub let_in_while_well: u64,
    /// 503s without a reason. Each is a wrong decision, too.
    pub unanswered_while_well: u64,
    /// Good keys that were accepted while one of Kinde's backends hung.
    pub patchy: u64,
    /// 503s at that time.
    pub unlucky: u64,
}

/// Judges answers. Everybody who sends requests or changes the world shares it in an `Arc`.
#[derive(Debug)]
pub struct Oracle(Mutex<Ledger>);

impl Oracle {
    /// At the start it knows no key: every secret is junk.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self(Mutex::new(Ledger::new(bounds)))
    }

    /// Adds a new secret, which may replace another one.
    pub fn learn(&self, secret: &str, replaces: Option<String>) {
        self.ledger().learn(secret, replaces);
    }

    /// Runs a change of Kinde's verdict about some secrets.
    pub fn change<T>(&self, verdicts: &[(&str, Verdict)], act: impl FnOnce() -> T) -> T {
        self.ledger().change(verdicts);
        let outcome = act();
        self.ledger().changed(verdicts, Instant::now());
        outcome
    }

    /// Runs a purge of the authenticator.
    pub fn purge(&self, scope: &Scope, act: impl FnOnce() -> usize) {
        let began = Instant::now();
        let _removed = act();
        self.ledger().purged(scope, began, Instant::now());
    }

    /// Begins a trouble for all callers.
    pub fn trouble_begins(&self, trouble: Trouble) {
        self.ledger().troubles().begin(trouble, Instant::now());
    }

    /// From now on Kinde does not judge this key.
    pub fn key_becomes_odd(&self, secret: &str, oddity: Oddity) {
        self.ledger().troubles().begin_for(secret, oddity, Instant::now());
    }

    /// Ends all troubles, for all callers and for each key.
    pub fn trouble_ends(&self) {
        self.ledger().troubles().end(Instant::now());
    }

    /// The counts of events.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.ledger().tally()
    }

    /// Reports that the machine itself stood still for this time.
    pub fn stalled(&self, from: Instant, until: Instant) {
        self.ledger().troubles().stalled(from, until);
    }

    /// Reports a request that is about to be sent.
    pub fn begin(&self, client: &str) -> Instant {
        let now = Instant::now();
        self.ledger().begin(client, now);
        now
    }

    /// Judges an answer.
    ///
    /// # Errors
    ///
    /// What was expected instead, and the timeline of the key.
    pub fn judge(&self, observation: &Observation) -> Result<(), String> {
        self.ledger().judge(observation)
    }

    /// Whether Kinde would accept this secret now.
    #[must_use]
    pub fn is_active(&self, secret: &str) -> bool {
        self.ledger().is_active(secret)
    }

    /// Drops what no answer can depend on any more, so that this memory is bounded.
    pub fn prune(&self) {
        self.ledger().prune(Instant::now());
    }

    /// How long an event may matter to an answer.
    pub fn longest_memory(&self) -> Duration {
        self.ledger().longest_memory()
    }

    /// Drops all events except the latest verdicts, and their memory. Call it only after a pause of
    /// [`longest_memory`](Self::longest_memory).
    pub fn forget_the_past(&self) {
        self.ledger().forget_the_past(Instant::now());
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The code of the denial for a refusal.
fn code(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Revoked => "KEY_REVOKED",
        Refusal::Inactive => "KEY_INACTIVE",
        Refusal::OtherApi => "API_MISMATCH",
        _ => "INVALID_KEY",
    }
}

#[cfg(test)]
mod tests;
