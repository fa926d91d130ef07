//! How an instance reads the log and judges an entry: the rules of the link, on ticks.

use super::Bounds;
use super::state::{BEHIND_AFTER, Instance, LEASE, NOTHING, Page, Sample, Set};
use super::store::Entry;
use crate::fleet::link::Rule;

impl Instance {
    pub(super) fn interrupt_quarantine(&mut self, now: u8, bounds: &Bounds) {
        if self.doubted.is_some() && bounds.is_on(Rule::QuarantineWithoutGaps) {
            self.doubted = Some(now);
        }
    }

    pub(super) fn pulled(&mut self, sent: u8, acknowledged: Set, page: Page, now: u8, bounds: &Bounds) {
        self.read_clock(page.now, sent, now);
        if self.run.replace(page.run) != Some(page.run) && bounds.is_on(Rule::QuarantineOfRuns) {
            self.doubted = Some(now);
        }
        if !page.goes_on {
            if bounds.is_on(Rule::QuarantineOfLogs) {
                self.doubted = Some(now);
            }
            if now - self.read > BEHIND_AFTER && bounds.is_on(Rule::ForgetWhenBehind) {
                self.forget_everything(true);
            }
            let unshown = self.unshown.get_or_insert_default();
            std::mem::take(&mut self.memory)
                .iter()
                .filter(|record| record.removal != NOTHING)
                .for_each(|record| unshown.add(record.removal));
        }
        for record in page.records.iter().copied() {
            let removal = record.removal;
            self.memory.push(record);
            if removal == NOTHING {
                continue;
            }
            self.unshown.iter_mut().for_each(|unshown| unshown.remove(removal));
            self.outbox.remove(removal);
            self.acknowledged.remove(removal);
            if !self.applied.has(removal) {
                self.applied.add(removal);
                self.forget(removal, bounds);
            }
        }
        if !page.more {
            self.read_to_the_end(acknowledged, page.changes, bounds);
            self.read = sent;
        }
        let may_confirm = !page.more || !bounds.is_on(Rule::LastPageConfirms);
        if may_confirm && self.doubted.is_none_or(|doubted| sent >= doubted + bounds.quarantine) {
            self.doubted = None;
            let since = if bounds.is_on(Rule::LeaseFromSending) { sent } else { now };
            if self.confirmed <= Some(since) {
                self.confirmed = Some(since);
                self.confirmed_by = page.changes;
            }
        }
    }

    fn read_to_the_end(&mut self, acknowledged: Set, changes: u8, bounds: &Bounds) {
        if self.memory.is_empty() {
            self.appends.add(NOTHING);
        }
        if self.acknowledged == acknowledged {
            self.read_changes = changes;
        }
        let unshown = self.unshown.take().unwrap_or_default();
        for removal in 1..=bounds.removals {
            if unshown.has(removal) && bounds.is_on(Rule::Retell) {
                self.outbox.add(removal);
                self.acknowledged.remove(removal);
                self.appends.add(removal);
            }
            // A pull that was sent after the acknowledgement does not show it.
            if acknowledged.has(removal) && self.outbox.has(removal) && bounds.is_on(Rule::AppendAgain) {
                self.acknowledged.remove(removal);
                self.appends.add(removal);
            }
        }
    }

    fn read_clock(&mut self, store: u8, sent: u8, now: u8) {
        if let Some(sample) = &self.clock {
            let earliest = (sample.store + sent).saturating_sub(sample.received);
            let latest = sample.store + now - sample.sent;
            if store < earliest {
                self.floor = self.floor.max(latest + LEASE);
            }
        }
        self.clock = Some(Sample { store, sent, received: now });
    }

    /// When the entry was asked for, if it is believed. The look takes no time.
    pub(super) fn judge(&self, entry: &Entry, store_now: u8, now: u8, bounds: &Bounds) -> Option<u8> {
        let sample = self.clock.as_ref()?;
        let earliest = sample.store + now - sample.received;
        let latest = sample.store + now - sample.sent;
        let place = self.memory.iter().rposition(|record| record.id == entry.head);
        let is_untouched =
            place.is_some_and(|place| self.memory[place + 1..].iter().all(|record| record.removal == 0));
        let is_believed = self.is_linked(now)
            && self.unshown.is_none()
            && entry.asked_at <= store_now
            && ((earliest..=latest).contains(&store_now) || !bounds.is_on(Rule::ClockOfLook))
            && (entry.asked_at >= self.floor || !bounds.is_on(Rule::FloorOfEntries))
            && (is_untouched || !bounds.is_on(Rule::HeadOfEntry))
            && (!(1..=2).any(|removal| self.outbox.has(removal) && bounds.concerns(removal))
                || !bounds.is_on(Rule::OutboxOfEntry));
        let asked = now - (store_now - entry.asked_at.min(store_now));
        is_believed.then_some(asked)
    }
}
