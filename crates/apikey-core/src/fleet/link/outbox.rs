//! Removals that are not known to be in the log yet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Origin, RecordId};
use crate::engine::Purge;

/// How many records are appended at once. It is less than the 64 records among which the store looks for an origin. So if
/// an append is tried again that was executed, the store finds all its records, unless others have appended many meanwhile.
const MOST_AT_ONCE: usize = 50;
/// The origin of the record that removes nothing. All instances use the same, so the store keeps only one.
pub(super) const NOTHING: Origin = [0; 16];

/// What to append.
#[derive(Debug)]
pub(crate) struct Append {
    /// To be told when it ended.
    pub(crate) number: u64,
    /// The oldest first.
    pub(crate) records: Vec<Unlogged>,
}

/// A record that is not in the log yet.
#[derive(Debug)]
pub(crate) struct Unlogged {
    /// It is new with every try.
    pub(crate) id: RecordId,
    pub(crate) origin: Origin,
    /// `None` removes nothing.
    pub(crate) purge: Option<Purge>,
}

struct Pending {
    purge: Option<Purge>,
    /// The older is appended first.
    order: u64,
    /// The number by which the caller of a removal waits for it.
    ticket: Option<u64>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// It is to be appended.
    Due,
    /// Another instance may append it. If a pull that is sent at this moment or later does not show it, it is due.
    LeftToOthers(Instant),
    /// It is being appended.
    Sent,
    /// The store has acknowledged it after the pull with this number was sent. If a later pull does not show it, the
    /// store has lost it.
    Acknowledged(u64),
}

#[derive(Default)]
pub(super) struct Outbox {
    pending: BTreeMap<Origin, Pending>,
    /// The number of the latest order.
    order: u64,
    /// The number of the latest ticket.
    ticket: u64,
    /// Every ticket up to this one has been acknowledged.
    acknowledged: u64,
    /// The number of the latest append, and whether it is under way.
    append: u64,
    is_under_way: bool,
}

impl Outbox {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn purges(&self) -> impl Iterator<Item = &Purge> {
        self.pending.values().filter_map(|pending| pending.purge.as_ref())
    }

    /// How many removals the store has not acknowledged, or has lost since.
    pub(super) fn waiting(&self) -> usize {
        let waits =
            |pending: &&Pending| pending.purge.is_some() && !matches!(pending.state, State::Acknowledged(_));
        self.pending.values().filter(waits).count()
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Adds a removal of this instance. Returns its ticket.
    pub(super) fn purge(&mut self, origin: Origin, purge: Purge) -> u64 {
        self.ticket += 1;
        self.add(origin, Some(purge), Some(self.ticket), State::Due);
        self.ticket
    }

    /// Adds a removal that the log lacks, although it had it.
    pub(super) fn retell(&mut self, origin: Origin, purge: Purge, not_before: Instant) {
        self.add(origin, Some(purge), None, State::LeftToOthers(not_before));
    }

    /// Adds a record that removes nothing, so that the log is not empty.
    pub(super) fn add_nothing(&mut self) {
        if !self.pending.contains_key(&NOTHING) {
            self.add(NOTHING, None, None, State::Due);
        }
    }

    fn add(&mut self, origin: Origin, purge: Option<Purge>, ticket: Option<u64>, state: State) {
        self.order += 1;
        self.pending.insert(origin, Pending { purge, order: self.order, ticket, state });
    }

    /// If it holds more than `most` removals, one of everything takes their place.
    pub(super) fn bound(&mut self, most: usize, draw: impl FnOnce() -> [u8; 16]) {
        if self.pending.len() <= most {
            return;
        }
        let ticket = self.pending.values().filter_map(|pending| pending.ticket).min();
        self.pending.clear();
        self.add(draw(), Some(Purge::Everything), ticket, State::Due);
    }

    /// Whether something is to be appended, and nothing is being appended.
    pub(super) fn is_due(&self) -> bool {
        !self.is_under_way && self.pending.values().any(|pending| matches!(pending.state, State::Due))
    }

    /// When a pull should tell whether other instances have appended what was left to them.
    pub(super) fn pull_wanted(&self) -> Option<Instant> {
        let left = self.pending.values().filter_map(|pending| match pending.state {
            State::LeftToOthers(until) => Some(until),
            _ => None,
        });
        left.min()
    }

    pub(super) fn begin_append(&mut self, mut draw: impl FnMut() -> [u8; 16]) -> Append {
        let mut due: Vec<_> =
            self.pending.iter_mut().filter(|(_, pending)| matches!(pending.state, State::Due)).collect();
        due.sort_unstable_by_key(|(_, pending)| pending.order);
        due.truncate(MOST_AT_ONCE);
        let records = due.into_iter().map(|(origin, pending)| {
            pending.state = State::Sent;
            Unlogged { id: draw(), origin: *origin, purge: pending.purge.clone() }
        });
        let records = records.collect();
        self.append += 1;
        self.is_under_way = true;
        Append { number: self.append, records }
    }

    /// The append ended. `latest_pull` is the number of the latest pull that was sent. Returns whether this was the
    /// append that is under way.
    pub(super) fn end_append(&mut self, number: u64, acknowledged: bool, latest_pull: u64) -> bool {
        if number != self.append || !self.is_under_way {
            return false;
        }
        self.is_under_way = false;
        for pending in self.pending.values_mut().filter(|pending| matches!(pending.state, State::Sent)) {
            pending.state = if acknowledged { State::Acknowledged(latest_pull) } else { State::Due };
            if acknowledged {
                pending.ticket = None;
            }
        }
        self.count_acknowledged();
        true
    }

    /// The log has this record. Returns whether this instance knew it.
    pub(super) fn shown(&mut self, origin: &Origin) -> bool {
        self.pending.remove(origin).is_some()
    }

    /// A pull has shown the log up to its end. What it should have shown and did not is due.
    pub(super) fn read_to_the_end(&mut self, pull: u64, sent: Instant, appends_again: bool) {
        for pending in self.pending.values_mut() {
            let is_due = match pending.state {
                State::Acknowledged(before) => pull > before && appends_again,
                State::LeftToOthers(until) => sent >= until,
                State::Due | State::Sent => false,
            };
            if is_due {
                pending.state = State::Due;
            }
        }
        self.count_acknowledged();
    }

    fn count_acknowledged(&mut self) {
        let open = self.pending.values().filter_map(|pending| pending.ticket).min();
        self.acknowledged = self.acknowledged.max(open.map_or(self.ticket, |open| open - 1));
    }

    #[cfg(test)]
    pub(super) fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.pending.keys()
    }
}

/// How long to wait after failures in a row.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    const WAITS: [u64; 4] = [100, 150, 200, 250];

    pub(super) fn succeed(&mut self) {
        *self = Self::default();
    }

    pub(super) fn fail(&mut self, now: Instant) {
        let longest = Self::WAITS.len() - 1;
        let wait = Self::WAITS.get(self.failures as usize).or(Self::WAITS.get(longest));
        self.failures = self.failures.saturating_add(1);
        self.until = wait.map(|wait| now + Duration::from_millis(*wait));
    }

    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}
