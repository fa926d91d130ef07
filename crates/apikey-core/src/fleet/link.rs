//! The link between an instance and the fleet's log of removals: what it has heard, what it still has to tell, and since
//! when it is known to be up to date.
//!
//! It is pure. Callers hand in the time and what the store said, and do what it returns. The rules, with the reason for
//! each:
//!
//! 1. **A pull confirms from when it was sent.** It shows every removal that the store took before it was executed. So an
//!    instance whose last confirmation is younger than the lease misses no removal that is older than the lease.
//! 2. **A place counts only with its id.** After a fail-over another record may have the same place. Then `goes_on` is
//!    false, and the instance reads the log anew.
//! 3. **Known removals that the new log lacks are told again.** Nothing else is forgotten, so a store that comes back empty
//!    costs no calls to Kinde.
//! 4. **Quarantine.** An instance that did not know a lost removal can't miss it. So no pull confirms for 2 s after another
//!    server or another log was seen. That gives the instances that know it the time to tell it again.
//! 5. **Only the last page confirms.** Until then the instance knows a part of the log. Meanwhile it believes no entry.
//! 6. **An instance that fell behind forgets.** The store drops old records. An instance that has not read the log for a minute and
//!    finds that its newest record is gone may have missed some, so it forgets every answer.
//! 7. **A removal stays in the outbox until a pull shows it.** A server may acknowledge a removal and die.
//! 8. **An entry names the newest record that its writer knew when it asked Kinde.** It is believed if that record is
//!    known here, and no later record and nothing in the outbox concerns it.
//! 9. **Times of the store are compared only with each other.** A look whose time is not what the last pull lets expect is a
//!    miss. After the store's clock was set back, entries from before are misses. A clock that loses more than 0.2 % counts as
//!    set back, so slowing it stretches no life by more. This does not cover a store that shows instances different clocks, or
//!    that sets its clock back while an instance starts: an instance knows only what it was shown.

mod clock;
mod judging;
mod memory;
mod outbox;
mod random;
mod rule;
mod settings;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{StoreTime, Tip};
use crate::engine::Purge;
use clock::StoreClock;
use memory::{Memory, is_old};
use outbox::{Backoff, Outbox};
use random::Random;

pub(crate) use judging::Travelled;
pub(crate) use memory::Logged;
pub(crate) use outbox::Append;
#[cfg(test)]
pub(crate) use outbox::Unlogged;
pub(crate) use rule::Rule;
pub(crate) use settings::LinkSettings;

/// Of a removal, whichever try appended it.
pub(crate) type Origin = [u8; 16];
/// Of one record in the log.
pub(crate) type RecordId = [u8; 16];

/// If the store's clock gains this much on the own one, the own one stood still.
const SLEPT: Duration = Duration::from_secs(10);
/// A hint brings the next pull forward, but not closer to the last one than this.
const HINTED_PAUSE: Duration = Duration::from_millis(100);
/// So many pages are read one right after another. Then the usual time between two pulls passes.
const PAGES_WITHOUT_PAUSE: u64 = 64;

/// What to pull.
#[derive(Debug)]
pub(crate) struct PullRequest {
    /// To be told when it ended.
    pub(crate) number: u64,
    pub(crate) tip: Option<Tip>,
}

/// What a pull brought, opened.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) now: StoreTime,
    pub(crate) run: String,
    pub(crate) goes_on: bool,
    pub(crate) records: Vec<Logged>,
    pub(crate) more: bool,
}

/// What follows from a pull.
#[derive(Debug, Default)]
pub(crate) struct Pulled {
    /// Purge everything first: removals may have been missed.
    pub(crate) forget_everything: bool,
    /// Then purge these.
    pub(crate) apply: Vec<Purge>,
    /// Then publish this, if it is there: since when the instance is known to be up to date.
    pub(crate) confirmed: Option<Instant>,
}

/// The link of one instance. See the module's page for the rules.
pub(crate) struct Link {
    settings: LinkSettings,
    random: Random,
    memory: Memory,
    /// Removals that were in the log, and that the log which is being read has not shown yet. `None` if it has been read.
    unshown: Option<BTreeMap<Origin, (StoreTime, Purge)>>,
    outbox: Outbox,
    clock: StoreClock,
    run: Option<String>,
    /// No pull that was sent earlier than a quarantine after this confirms.
    doubted: Instant,
    /// When the log was last read to its end. First: when the link began.
    read: Instant,
    confirmed: Option<Instant>,
    /// How many pulls were sent.
    pulls: u64,
    /// How many pages in a row had a next one.
    pages: u64,
    /// When the latest pull was sent, and whether it is under way.
    pull_sent: Option<Instant>,
    is_pulling: bool,
    next_pull: Instant,
    pull_backoff: Backoff,
    append_backoff: Backoff,
    #[cfg(test)]
    pub(crate) broken: Option<Rule>,
}

impl Link {
    /// The seed must be random, and no two links may have the same.
    pub(crate) fn new(settings: LinkSettings, seed: &[u8; 16], now: Instant) -> Self {
        Self {
            random: Random::new(seed),
            memory: Memory::default(),
            unshown: None,
            outbox: Outbox::default(),
            clock: StoreClock::new(settings.clock_tolerance, settings.lease),
            run: None,
            doubted: now,
            read: now,
            confirmed: None,
            pulls: 0,
            pages: 0,
            pull_sent: None,
            is_pulling: false,
            next_pull: now,
            pull_backoff: Backoff::default(),
            append_backoff: Backoff::default(),
            settings,
            #[cfg(test)]
            broken: None,
        }
    }

    /// When to call [`begin_pull`](Self::begin_pull). `None` while a pull is under way.
    pub(crate) fn pull_due_at(&self) -> Option<Instant> {
        // Within the pages of a log, no pull tells whether others have appended.
        let wanted = self.outbox.pull_wanted().filter(|_| self.pages == 0).unwrap_or(self.next_pull);
        let due = self.next_pull.min(wanted);
        (!self.is_pulling).then(|| self.pull_backoff.until().map_or(due, |until| due.max(until)))
    }

    /// When to call [`begin_append`](Self::begin_append). `None` while an append is under way, or if there is nothing to
    /// append. A moment that is over means at once.
    pub(crate) fn append_due_at(&self, now: Instant) -> Option<Instant> {
        self.outbox.is_due().then(|| self.append_backoff.until().unwrap_or(now))
    }

    /// The store hints that the log has news.
    pub(crate) fn hinted(&mut self, now: Instant) {
        let earliest = self.pull_sent.map_or(now, |sent| now.max(sent + HINTED_PAUSE));
        self.next_pull = self.next_pull.min(earliest);
    }

    /// Begins a pull. Read `now` before the command is queued. If a pull is under way, its answer will not count.
    pub(crate) fn begin_pull(&mut self, now: Instant) -> PullRequest {
        let longest_gap = self.settings.pull_every * 2;
        if self.pull_sent.is_some_and(|sent| now.saturating_duration_since(sent) > longest_gap) {
            self.interrupt_quarantine(now);
        }
        self.pulls += 1;
        self.pull_sent = Some(now);
        self.is_pulling = true;
        let every = self.settings.pull_every;
        self.next_pull = now + every * 4 / 5 + self.random.part_of(every * 2 / 5);
        PullRequest { number: self.pulls, tip: self.memory.tip().cloned() }
    }

    /// The pull failed, or its budget is over.
    pub(crate) fn pull_failed(&mut self, number: u64, now: Instant) {
        if self.is_pulling && number == self.pulls {
            self.is_pulling = false;
            self.pull_backoff.fail(now);
            self.interrupt_quarantine(now);
        }
    }

    /// The other instances may be kept from telling as this one is from hearing, so only time counts in which all pulls
    /// are answered.
    fn interrupt_quarantine(&mut self, now: Instant) {
        if self.confirmed <= Some(self.doubted) {
            self.doubt(now, Rule::QuarantineWithoutGaps);
        }
    }

    /// The pull brought this page. The answer of any other pull than the one that is under way does not count.
    pub(crate) fn pulled(&mut self, number: u64, page: Page, now: Instant) -> Pulled {
        let mut pulled = Pulled::default();
        let Some(sent) = self.pull_sent.filter(|_| self.is_pulling && number == self.pulls) else {
            return pulled;
        };
        let is_late = now.saturating_duration_since(sent) > self.settings.budget;
        // A store that promises more and brings nothing would be asked again at once, and for ever.
        if is_late || (page.more && page.records.is_empty()) {
            self.pull_failed(number, now);
            return pulled;
        }
        self.is_pulling = false;
        self.pull_backoff.succeed();

        let ahead = self.clock.read(page.now, sent, now);
        pulled.forget_everything = ahead > SLEPT && self.is_on(Rule::ForgetAfterSleep);
        if self.run.as_ref() != Some(&page.run) {
            self.run = Some(page.run);
            self.doubt(now, Rule::QuarantineOfRuns);
        }
        if !page.goes_on {
            self.doubt(now, Rule::QuarantineOfLogs);
            pulled.forget_everything |= self.is_behind(now);
            self.forget_the_log(page.now);
        }

        for logged in page.records {
            let was_in_the_log =
                self.unshown.as_mut().is_some_and(|unshown| unshown.remove(&logged.origin).is_some());
            let was_in_the_outbox = self.outbox.shown(&logged.origin);
            if !was_in_the_log && !was_in_the_outbox {
                pulled.apply.extend(logged.purge.clone());
            }
            self.memory.push(logged);
        }
        self.memory.bound(self.settings.most_kept, || self.random.draw());
        if page.more {
            self.pages += 1;
            if self.pages % PAGES_WITHOUT_PAUSE != 0 {
                self.next_pull = now;
            }
        } else {
            self.pages = 0;
            self.read_to_the_end(sent, page.now, now);
        }
        if !page.more || !self.is_on(Rule::LastPageConfirms) {
            pulled.confirmed = self.confirm(sent, now);
        }
        pulled
    }

    /// Another log takes its place. What it held must be shown by the new one, or told again.
    fn forget_the_log(&mut self, store_now: StoreTime) {
        let unshown = self.unshown.get_or_insert_default();
        unshown.extend(self.memory.take());
        if unshown.len() > self.settings.most_kept {
            *unshown = BTreeMap::from([(self.random.draw(), (store_now, Purge::Everything))]);
        }
    }

    fn doubt(&mut self, now: Instant, rule: Rule) {
        if self.is_on(rule) {
            self.doubted = now;
        }
    }

    /// Whether records may have been dropped from the log that this instance has not read.
    fn is_behind(&self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.read);
        passed > self.settings.behind_after && self.is_on(Rule::ForgetWhenBehind)
    }

    fn read_to_the_end(&mut self, sent: Instant, store_now: StoreTime, now: Instant) {
        let LinkSettings { keep_for, most_kept, quarantine, .. } = self.settings;
        for (origin, (at, purge)) in self.unshown.take().into_iter().flatten() {
            if !is_old(at, store_now, keep_for) && self.is_on(Rule::Retell) {
                let until = now + self.random.part_of(quarantine / 10);
                self.outbox.retell(origin, purge, until);
            }
        }
        self.outbox.bound(most_kept, || self.random.draw());
        self.memory.trim(store_now, keep_for);
        if self.memory.len() == 0 {
            self.outbox.add_nothing();
        }
        let appends_again = self.is_on(Rule::AppendAgain);
        self.outbox.read_to_the_end(self.pulls, sent, appends_again);
        self.read = sent;
    }

    /// Returns the new confirmation. `None` in a quarantine.
    fn confirm(&mut self, sent: Instant, now: Instant) -> Option<Instant> {
        if sent < self.doubted + self.settings.quarantine {
            return None;
        }
        let since = if self.is_on(Rule::LeaseFromSending) { sent } else { now };
        self.confirmed = self.confirmed.max(Some(since));
        self.confirmed
    }

    /// Adds a removal of this instance to the outbox. Call it before the removal is done locally: an entry that is judged
    /// in between must find it here.
    ///
    /// Returns a ticket: the fleet has the removal if [`acknowledged`](Self::acknowledged) is not less.
    pub(crate) fn purge(&mut self, origin: Origin, purge: Purge) -> u64 {
        let ticket = self.outbox.purge(origin, purge);
        self.outbox.bound(self.settings.most_kept, || self.random.draw());
        ticket
    }

    /// [`purge`](Self::purge) under a new origin.
    pub(crate) fn purge_anew(&mut self, purge: Purge) -> u64 {
        let origin = self.random.draw();
        self.purge(origin, purge)
    }

    /// Every removal of this instance with a ticket up to this one has reached the fleet.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.outbox.acknowledged()
    }

    /// How many removals the log is not known to have. One that the store has acknowledged counts only if a later pull does not
    /// show it. Otherwise an instance that removes often would always have one.
    pub(crate) fn removals_waiting(&self) -> usize {
        self.outbox.waiting()
    }

    /// Begins an append. If an append is under way, do not call it.
    pub(crate) fn begin_append(&mut self) -> Append {
        self.outbox.begin_append(|| self.random.draw())
    }

    /// The store has acknowledged the append.
    pub(crate) fn appended(&mut self, number: u64) {
        if self.outbox.end_append(number, true, self.pulls) {
            self.append_backoff.succeed();
        }
    }

    /// The append failed, or its budget is over. The store may have executed it nevertheless.
    pub(crate) fn append_failed(&mut self, number: u64, now: Instant) {
        if self.outbox.end_append(number, false, self.pulls) {
            self.append_backoff.fail(now);
        }
    }

    pub(crate) fn is_linked(&self, now: Instant) -> bool {
        self.confirmed.is_some_and(|confirmed| now.saturating_duration_since(confirmed) < self.settings.lease)
    }

    fn is_on(&self, rule: Rule) -> bool {
        #[cfg(test)]
        return self.broken != Some(rule);
        #[cfg(not(test))]
        let _always = rule;
        #[cfg(not(test))]
        true
    }

    /// What the outbox holds.
    #[cfg(test)]
    pub(crate) fn outbox_origins(&self) -> std::collections::BTreeSet<Origin> {
        self.outbox.origins().copied().collect()
    }

    /// How many records the memory and the outbox hold.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> [usize; 2] {
        [self.memory.len(), self.outbox.len()]
    }
}

#[cfg(test)]
mod tests;
