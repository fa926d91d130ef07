//! What this instance has read of the log.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Origin, RecordId};
use crate::engine::Purge;
use crate::fleet::{StoreTime, Tip};

/// A record of the log, opened.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) tip: Tip,
    pub(crate) origin: Origin,
    /// When it was appended.
    pub(crate) at: StoreTime,
    /// `None` if it removes nothing. A record that does not open removes everything.
    pub(crate) purge: Option<Purge>,
}

struct Known {
    id: RecordId,
    origin: Origin,
    at: StoreTime,
    purge: Option<Purge>,
}

/// The newest records of the log, without a gap.
#[derive(Default)]
pub(super) struct Memory {
    records: VecDeque<Known>,
    tip: Option<Tip>,
}

impl Memory {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The newest record.
    pub(super) fn tip(&self) -> Option<&Tip> {
        self.tip.as_ref()
    }

    pub(super) fn push(&mut self, logged: Logged) {
        let Logged { tip, origin, at, purge } = logged;
        self.records.push_back(Known { id: tip.id, origin, at, purge });
        self.tip = Some(tip);
    }

    /// The removals after the record with this id. `None` if it is not there.
    pub(super) fn after(&self, head: &RecordId) -> Option<impl Iterator<Item = &Purge>> {
        let place = self.records.iter().rposition(|known| known.id == *head)?;
        Some(self.records.iter().skip(place + 1).filter_map(|known| known.purge.as_ref()))
    }

    /// Empties it, because the store has another log now. Returns the removals.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Origin, (StoreTime, Purge))> {
        let Self { records, .. } = std::mem::take(self);
        records.into_iter().filter_map(|known| Some((known.origin, (known.at, known.purge?))))
    }

    /// Drops what is too old to matter, as the store does, but never the newest record.
    pub(super) fn trim(&mut self, now: StoreTime, keep_for: Duration) {
        while self.records.len() > 1
            && self.records.front().is_some_and(|known| is_old(known.at, now, keep_for))
        {
            self.records.pop_front();
        }
    }

    /// If there are more than `most` records, only half as many stay, and one that removes everything takes the place of
    /// the older ones.
    pub(super) fn bound(&mut self, most: usize, draw: impl FnMut() -> [u8; 16]) {
        if self.records.len() <= most {
            return;
        }
        let mut draw = draw;
        let older = self.records.len() - most / 2;
        let at = self.records.drain(..older).next_back().map(|known| known.at);
        // No entry names this id. It is there so that it is told again if the store loses the log.
        let all = at.map(|at| Known { id: draw(), origin: draw(), at, purge: Some(Purge::Everything) });
        self.records.extend(all);
        self.records.rotate_right(1);
    }
}

/// Whether a record of this time concerns no answer any more.
pub(super) fn is_old(at: StoreTime, now: StoreTime, keep_for: Duration) -> bool {
    u128::from(now.milliseconds.saturating_sub(at.milliseconds)) > keep_for.as_millis()
}
