//! What Kinde would have said about each secret at every moment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use apikey_core::Refusal;

/// The owner and the rights of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The key id. It survives rotations.
    pub key_id: String,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The organization that owns the key.
    pub organization: Option<String>,
    /// The user that owns the key.
    pub user: Option<String>,
}

/// Kinde's verdict about a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Kinde accepts this key.
    Accepted(Arc<Identity>),
    /// Kinde refuses the key.
    Refused(Refusal),
}

/// A verdict that came into force at some moment between these two. Until it is done, nobody knows whether it has.
#[derive(Debug, Clone)]
struct Change {
    began: Instant,
    done: Option<Instant>,
    verdict: Verdict,
}

/// What the service learned before `at`, it must not use for a request that begins after `done`.
#[derive(Debug, Clone)]
pub(super) struct Forgotten {
    pub(super) at: Instant,
    pub(super) done: Instant,
    pub(super) why: &'static str,
}

/// The history of one secret.
#[derive(Debug)]
pub(super) struct Timeline {
    changes: VecDeque<Change>,
    pub(super) forgotten: Vec<Forgotten>,
    /// The secret that this one replaced.
    pub(super) replaces: Option<String>,
}

impl Timeline {
    pub(super) fn new(replaces: Option<String>) -> Self {
        Self { changes: VecDeque::new(), forgotten: Vec::new(), replaces }
    }

    pub(super) fn begin(&mut self, verdict: Verdict, now: Instant) {
        self.changes.push_back(Change { began: now, done: None, verdict });
    }

    pub(super) fn done(&mut self, now: Instant) {
        if let Some(change) = self.changes.back_mut() {
            change.done = Some(now);
        }
    }

    /// The recent identities of the secret.
    pub(super) fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.changes.iter().filter_map(|change| match &change.verdict {
            Verdict::Accepted(identity) => Some(&**identity),
            Verdict::Refused(_) => None,
        })
    }

    pub(super) fn latest(&self) -> Option<&Verdict> {
        self.changes.back().map(|change| &change.verdict)
    }

    /// The earliest moment at which the latest verdict may have come into force.
    pub(super) fn latest_since(&self) -> Option<Instant> {
        self.changes.back().map(|change| change.began)
    }

    /// The verdicts that were in force at some moment between these two, each with its earliest moment.
    pub(super) fn between(&self, from: Instant, to: Instant) -> impl Iterator<Item = (Instant, &Verdict)> {
        self.changes.iter().enumerate().filter_map(move |(index, change)| {
            // A verdict ends when the next one is done, at the latest.
            let over =
                self.changes.get(index + 1).is_some_and(|next| next.done.is_some_and(|done| done < from));
            (!over && change.began <= to).then_some((change.began.max(from), &change.verdict))
        })
    }

    /// The earliest moment of which an answer may still serve a request that begins then.
    pub(super) fn floor(&self, began: Instant) -> Option<&Forgotten> {
        self.forgotten.iter().filter(|event| event.done <= began).max_by_key(|event| event.at)
    }

    /// Drops what no request can depend on any more.
    pub(super) fn prune(&mut self, before: Instant) {
        while self.changes.get(1).is_some_and(|next| next.done.is_some_and(|done| done < before)) {
            self.changes.pop_front();
        }
        self.forgotten.retain(|event| event.done >= before);
    }

    /// Returns unused memory.
    pub(super) fn shrink(&mut self) {
        self.changes.shrink_to_fit();
        self.forgotten.shrink_to_fit();
    }

    /// In words: the events, with how long before `now` they were.
    pub(super) fn tell(&self, now: Instant) -> String {
        let ago = |then: Instant| match now.checked_duration_since(then) {
            Some(ago) => format!("-{:.3} s", ago.as_secs_f64()),
            None => format!("+{:.3} s", then.saturating_duration_since(now).as_secs_f64()),
        };
        let mut events: Vec<(Instant, String)> = Vec::new();
        for change in &self.changes {
            let until = change.done.map_or_else(|| "?".to_owned(), ago);
            events.push((
                change.began,
                format!("{}..{until}: Kinde's verdict becomes {:?}", ago(change.began), change.verdict),
            ));
        }
        for event in &self.forgotten {
            events.push((event.done, format!("{}..{}: {}", ago(event.at), ago(event.done), event.why)));
        }
        events.sort_by_key(|(at, _)| *at);
        events.into_iter().map(|(_, line)| format!("    {line}\n")).collect()
    }
}
