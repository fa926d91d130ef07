//! Knows which request deserves which answer, and finds those that got another.
//!
//! It is told of everything that happens to a key at Kinde, of every purge, and of the times when Kinde can't answer. An
//! answer is right if it was allowed at some instant between the beginning and the end of its request:
//!
//! - **An identity** (200, or the 403 that its scopes and owner deserve) must have been Kinde's answer about this secret at
//!   some moment within the time to live, and at a moment after every purge, refusal or rotation of this key that was over
//!   when the request began. An answer that is older, by `stale_if_error` at most, is right only while Kinde can't answer
//!   or is slow, or while it fails or has too much to do for this very key. It is wrong if all that happened is a crowd, a
//!   client over its limit, or an answer about this key that can't be read.
//! - **A refusal** (401) must have been Kinde's answer within the negative time to live, or the budget of a verification.
//! - **429** only if the client began so many requests within the window.
//! - **503** only while Kinde can't answer, while the machine stalls, beside a purge of this very key, for a key whose own
//!   answer is odd, or for a client that sends more at once than the whole queue holds. Other clients' odd keys, other
//!   clients' crowds, connections that die and a Kinde that is slow are no reasons.
//! - **500** only while the service's own set-up is refused, or for a key whose own answer is odd.

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

/// What the authenticator was configured with.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// `cache_time_to_live`
    pub time_to_live: Duration,
    /// `stale_if_error`
    pub stale_if_error: Duration,
    /// `negative_time_to_live`
    pub negative_time_to_live: Duration,
    /// `verification_timeout`, with what a busy machine adds to it.
    pub budget: Duration,
    /// Of `attempt_limit`.
    pub attempts: u32,
    /// Of `attempt_limit`.
    pub window: Duration,
}

/// What a request presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// No key.
    Nothing,
    /// Something that is refused by its form, with this status and code.
    Malformed(u16, &'static str),
    /// This secret.
    Secret(String),
    /// A secret that nobody has presented before and no key has.
    FreshJunk(String),
    /// A made-up secret that Kinde has never judged.
    Odd(String),
}

/// One request, and its answer.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The route.
    pub route: Route,
    /// What was presented.
    pub presented: Presented,
    /// The client's address, as the limiter tells clients apart.
    pub client: String,
    /// Whether this client has more requests under way at once than the whole queue holds.
    pub crowds: bool,
    /// Before the first byte was sent.
    pub began: Instant,
    /// After the last byte was received.
    pub ended: Instant,
    /// The status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub body: Value,
}

/// What a purge forgets.
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

/// How often something happened that is allowed, or not, and that the report tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Good keys that were let in while there was no reason for a 503.
    pub let_in_while_well: u64,
    /// Requests that were answered 503 for no reason. Each is a wrong decision, too.
    pub unanswered_while_well: u64,
    /// Good keys that were let in while one of Kinde's machines hung.
    pub patchy: u64,
    /// Requests that were answered 503 then.
    pub unlucky: u64,
}

/// Judges answers. Clones of its `Arc` are shared by all who make requests and all who change the world.
#[derive(Debug)]
pub struct Oracle(Mutex<Ledger>);

impl Oracle {
    /// Knows no key yet: every secret is junk.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self(Mutex::new(Ledger::new(bounds)))
    }

    /// Makes a new secret known, perhaps as the one that takes the place of another.
    pub fn learn(&self, secret: &str, replaces: Option<String>) {
        self.ledger().learn(secret, replaces);
    }

    /// Runs what changes Kinde's verdict about some secrets.
    pub fn change<T>(&self, verdicts: &[(&str, Verdict)], act: impl FnOnce() -> T) -> T {
        self.ledger().change(verdicts);
        let outcome = act();
        self.ledger().changed(verdicts, Instant::now());
        outcome
    }

    /// Runs a purge of the authenticator's.
    pub fn purge(&self, scope: &Scope, act: impl FnOnce()) {
        let began = Instant::now();
        act();
        self.ledger().purged(scope, began, Instant::now());
    }

    /// From now on this is the case for everybody.
    pub fn trouble_begins(&self, trouble: Trouble) {
        self.ledger().troubles().begin(trouble, Instant::now());
    }

    /// From now on Kinde does not judge this key.
    pub fn key_becomes_odd(&self, secret: &str, oddity: Oddity) {
        self.ledger().troubles().begin_for(secret, oddity, Instant::now());
    }

    /// From now on all is well, for everybody and for each key.
    pub fn trouble_ends(&self) {
        self.ledger().troubles().end(Instant::now());
    }

    /// What happened how often.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.ledger().tally()
    }

    /// For this time, the machine itself stood still.
    pub fn stalled(&self, from: Instant, until: Instant) {
        self.ledger().troubles().stalled(from, until);
    }

    /// A request is about to be sent.
    pub fn begin(&self, client: &str) -> Instant {
        let now = Instant::now();
        self.ledger().begin(client, now);
        now
    }

    /// Judges an answer.
    ///
    /// # Errors
    /// What was expected instead, and the timeline of the key.
    pub fn judge(&self, observation: &Observation) -> Result<(), String> {
        self.ledger().judge(observation)
    }

    /// Whether Kinde would let this secret in right now.
    #[must_use]
    pub fn is_active(&self, secret: &str) -> bool {
        self.ledger().is_active(secret)
    }

    /// Drops what no answer can depend on any more, so that this memory is bounded.
    pub fn prune(&self) {
        self.ledger().prune(Instant::now());
    }

    /// How long what has happened may matter to an answer.
    pub fn longest_memory(&self) -> Duration {
        self.ledger().longest_memory()
    }

    /// Drops all that has happened until now, and the room that it took, but for the latest verdicts. Only after a pause of
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
        _ => "INVALID_KEY",
    }
}

#[cfg(test)]
mod tests;
