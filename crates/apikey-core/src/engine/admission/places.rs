//! How many calls may be under way at once. The number starts at the configured bound. Overload halves it, at
//! most once in the usual time of a call, and never below the number of successes in that time. After as many
//! successes as there are places, it grows by one.
//!
//! If only one client draws overload while keys of others are judged, that says something about this client's
//! keys, and nothing about Kinde. It halves nothing. If the other clients come later, the number goes back to
//! what it was before.

use std::time::{Duration, Instant};

use super::recent::Recent;
use crate::client::Client;

/// One client never gets the last sixteenth of the places, which is at least one place. If at most 15 places
/// are configured, one client may have all of them.
const RESERVED: usize = 16;
/// How long it is remembered that a client drew overload, or had a key judged.
const LATELY: Duration = Duration::from_secs(1);
/// The usual time of a call, until a call has succeeded.
const USUAL_AT_FIRST: Duration = Duration::from_millis(100);
/// The usual time of a call is a moving average, in which the latest call has a weight of an eighth.
const WEIGHT: u32 = 8;

pub(super) struct Places {
    count: usize,
    most: usize,
    usual: Option<Duration>,
    halved_at: Option<Instant>,
    /// The successes within the usual time of a call.
    successes: Recent,
    round: usize,
    judged: Latest,
    overloaded: Latest,
    /// If only one client has drawn overload lately: that client, and the number of places before it did.
    before: Option<(Option<Client>, usize)>,
}

/// The latest two different clients, and when. Two are enough: at least one of them is not the client that
/// asks now.
#[derive(Default)]
struct Latest([Option<(Option<Client>, Instant)>; 2]);

impl Latest {
    fn note(&mut self, client: Option<Client>, now: Instant) {
        let [latest, other] = self.0;
        let earlier = if latest.is_some_and(|(known, _)| known == client) { other } else { latest };
        self.0 = [Some((client, now)), earlier];
    }

    fn has_another_than(&self, client: Option<Client>, now: Instant) -> bool {
        let is_another = |(known, at): &(Option<Client>, Instant)| {
            *known != client && now.saturating_duration_since(*at) <= LATELY
        };
        self.0.iter().flatten().any(is_another)
    }
}

/// How a call went whose place is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Used {
    /// The key was judged, after this time.
    Judged(Duration),
    Overloaded,
    Otherwise,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        let successes = Recent::default();
        let (judged, overloaded) = (Latest::default(), Latest::default());
        Self {
            count: most,
            most,
            usual: None,
            halved_at: None,
            successes,
            round: 0,
            judged,
            overloaded,
            before: None,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// How many calls may be under way when a call of this client begins. If this client's overload alone
    /// halved the number, it counts as halved for this client, and not for others.
    pub(super) fn count_for(&self, client: Option<Client>) -> usize {
        match self.before {
            Some((culprit, before)) if culprit != client => self.count.max(before),
            _ => self.count,
        }
    }

    /// How many places one client may have. If there are many places, it never has the last ones.
    pub(super) fn count_of_one(&self, client: Option<Client>) -> usize {
        let count = self.count_for(client);
        let reserved = if self.most >= RESERVED && count > 1 { (count / RESERVED).max(1) } else { 0 };
        count - reserved
    }

    /// How long a call usually takes.
    pub(super) fn usual(&self) -> Duration {
        self.usual.unwrap_or(USUAL_AT_FIRST)
    }

    /// Learns from how a call of this client went.
    pub(super) fn adapt(&mut self, used: Used, client: Option<Client>, now: Instant) {
        match used {
            Used::Judged(took) => {
                self.judged.note(client, now);
                if let Some((_, before)) = self.before.take_if(|(culprit, _)| *culprit != client) {
                    self.count = self.count.max(before);
                }
                self.succeeded(took, now);
            }
            Used::Overloaded => {
                self.overloaded.note(client, now);
                let is_alone = !self.overloaded.has_another_than(client, now);
                if is_alone && self.judged.has_another_than(client, now) {
                    return;
                }
                if is_alone {
                    let before = self.before.filter(|(culprit, _)| *culprit == client);
                    self.before = before.or(Some((client, self.count)));
                } else {
                    self.before = None;
                }
                self.overloaded(now);
            }
            Used::Otherwise => {}
        }
    }

    fn succeeded(&mut self, took: Duration, now: Instant) {
        let usual = self.usual.map_or(took, |usual| (usual * (WEIGHT - 1) + took) / WEIGHT);
        self.usual = Some(usual);
        self.successes.note(usual, now);
        self.round += 1;
        if self.round >= self.count {
            self.round = 0;
            self.count = (self.count + 1).min(self.most);
        }
    }

    fn overloaded(&mut self, now: Instant) {
        let usual = self.usual();
        if self.halved_at.is_some_and(|at| now.saturating_duration_since(at) < usual) {
            return;
        }
        self.halved_at = Some(now);
        self.round = 0;
        self.count = (self.count / 2).max(self.successes.count(usual, now)).clamp(1, self.count);
    }
}
