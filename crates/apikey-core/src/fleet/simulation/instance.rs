//! One instance: its clock, its link, and what drives it.

use std::collections::{BTreeMap, BTreeSet};

use super::line::Line;
use super::requests::{Answer, Flight};
use super::*;
use crate::engine::Purge;
use crate::fleet::link::{Link, Origin, Page};

/// What there had been when the last pull was executed that counted.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) at: At,
    /// Of the store's clock.
    jumps: usize,
    /// How often the machine fell asleep or woke up.
    sleeps: usize,
}

pub(super) struct Instance {
    pub(super) index: usize,
    /// It grows with each start.
    pub(super) life: u32,
    pub(super) is_alive: bool,
    /// The process does not run, or the machine sleeps.
    pub(super) is_stopped: bool,
    pub(super) deferred: Vec<Event>,
    pub(super) is_partitioned: bool,
    pub(super) is_slow: bool,
    pub(super) is_misdirected: bool,
    /// No requests come.
    pub(super) is_quiet: bool,
    /// Since when it runs and reaches the store as it should.
    pub(super) healthy_since: Option<At>,
    /// When the machine slept, so that its clock stood still. The last one may have no end yet.
    pub(super) sleeps: Vec<(At, Option<At>)>,
    pub(super) time_to_live: Duration,
    pub(super) settings: LinkSettings,
    zero: Instant,

    pub(super) link: Link,
    pub(super) confirmed: Option<Instant>,
    /// The number of the pull that is under way, and when it was sent.
    pull: Option<(u64, Instant)>,
    append: Option<u64>,
    woken_at: Option<At>,
    pub(super) line: Line,
    pub(super) cache: BTreeMap<usize, Answer>,
    pub(super) flights: BTreeMap<usize, Flight>,
    /// Which removals are done here.
    pub(super) applied: BTreeSet<usize>,
    pub(super) seen: Option<Seen>,
    /// Which jumps it can't have noticed.
    pub(super) missed_jumps: BTreeSet<usize>,
}

impl Instance {
    pub(super) fn new(index: usize, settings: &LinkSettings, zero: Instant, random: &mut Random) -> Self {
        let time_to_live = milliseconds([4_000, 8_000, 40_000][random.below(3)]);
        // All times of a minute are 6 s here.
        let behind_after = milliseconds(6_000);
        let keep_for = time_to_live + behind_after * 2;
        let settings = LinkSettings { behind_after, keep_for, ..settings.clone() };
        Self {
            index,
            life: 0,
            is_alive: false,
            is_stopped: false,
            deferred: Vec::new(),
            is_partitioned: false,
            is_slow: false,
            is_misdirected: false,
            is_quiet: false,
            healthy_since: None,
            sleeps: Vec::new(),
            time_to_live,
            link: Link::new(settings.clone(), &[0; 16], zero),
            settings,
            zero,
            confirmed: None,
            pull: None,
            append: None,
            woken_at: None,
            line: Line::default(),
            cache: BTreeMap::new(),
            flights: BTreeMap::new(),
            applied: BTreeSet::new(),
            seen: None,
            missed_jumps: BTreeSet::new(),
        }
    }

    /// What its clock shows at this moment.
    pub(super) fn clock(&self, at: At) -> Instant {
        let slept: At =
            self.sleeps.iter().map(|(from, to)| to.unwrap_or(at).min(at).saturating_sub(*from)).sum();
        self.zero + Duration::from_micros(at - slept)
    }

    fn sleep_changes(&self) -> usize {
        self.sleeps.iter().map(|(_, to)| if to.is_some() { 2 } else { 1 }).sum()
    }

    pub(super) fn is_linked(&self, at: At) -> bool {
        let limits = &self.settings;
        self.confirmed
            .is_some_and(|confirmed| self.clock(at).saturating_duration_since(confirmed) < limits.lease)
    }

    /// Whether the link may have changed its mind about when it wants to be woken.
    fn due(&self, now: Instant) -> Option<Instant> {
        self.link.pull_due_at().into_iter().chain(self.link.append_due_at(now)).min()
    }
}

impl Simulation {
    pub(super) fn local(&self, index: usize) -> Instant {
        self.instances[index].clock(self.now)
    }

    pub(super) fn is_running(&self, index: usize) -> bool {
        let instance = &self.instances[index];
        instance.is_alive && !instance.is_stopped
    }

    pub(super) fn start(&mut self, index: usize) {
        let now = self.now;
        let (seed, local) = (self.random.next(), self.local(index));
        let broken = self.broken;
        let instance = &mut self.instances[index];
        let mut link_seed = [index as u8; 16];
        link_seed[..8].copy_from_slice(&seed.to_le_bytes());
        instance.life += 1;
        instance.is_alive = true;
        instance.is_stopped = false;
        instance.deferred.clear();
        instance.link = Link::new(instance.settings.clone(), &link_seed, local);
        if let Some(Broken::Link(rule)) = broken {
            instance.link.broken = Some(rule);
        }
        instance.confirmed = None;
        (instance.pull, instance.append, instance.woken_at, instance.line) = Default::default();
        (instance.cache, instance.flights, instance.applied) = Default::default();
        instance.seen = None;
        instance.missed_jumps.clear();
        instance.healthy_since = Some(now);
        self.note_health(index);
        self.drive(index);
    }

    /// Does what is due, and arranges to be woken when something is due next.
    pub(super) fn drive(&mut self, index: usize) {
        if !self.is_running(index) {
            return;
        }
        let now = self.local(index);
        let instance = &self.instances[index];
        if instance.link.pull_due_at().is_some_and(|due| due <= now) {
            self.pull(index);
        }
        if self.instances[index].link.append_due_at(now).is_some_and(|due| due <= now) {
            self.append(index);
        }
        let instance = &mut self.instances[index];
        let Some(due) = instance.due(now) else { return };
        let wait = due.saturating_duration_since(now).as_micros() as At + 1;
        let at = self.now + wait;
        // An earlier waking does no harm, and arranges the next one.
        if instance.woken_at.is_some_and(|woken| woken > self.now && woken <= at) {
            return;
        }
        instance.woken_at = Some(at);
        let life = instance.life;
        self.schedule(at, move |simulation| {
            simulation.if_alive(index, life, move |simulation| simulation.drive(index));
        });
    }

    fn pull(&mut self, index: usize) {
        let now = self.local(index);
        let instance = &mut self.instances[index];
        let request = instance.link.begin_pull(now);
        let (number, life) = (request.number, instance.life);
        instance.pull = Some((number, now));
        let command = move |simulation: &mut Self| {
            let (at, run) = (simulation.now, simulation.run_id());
            let sleeps = simulation.instances[index].sleep_changes();
            let seen = Seen { at, jumps: simulation.jumps.len(), sleeps };
            (simulation.state_for_pull().pull(at, run, request.tip.as_ref()), seen)
        };
        self.call(index, command, move |simulation, result| {
            match result {
                Some((page, seen)) => simulation.pulled(index, number, page, seen),
                None => simulation.pull_failed(index, number),
            }
            simulation.drive(index);
        });
        let budget = self.instances[index].settings.budget.as_micros() as At;
        self.schedule(self.now + budget, move |simulation| {
            simulation.if_alive(index, life, move |simulation| {
                simulation.pull_failed(index, number);
                simulation.drive(index);
            });
        });
    }

    fn pull_failed(&mut self, index: usize, number: u64) {
        let now = self.local(index);
        let instance = &mut self.instances[index];
        instance.pull = instance.pull.filter(|(under_way, _)| *under_way != number);
        instance.link.pull_failed(number, now);
    }

    fn pulled(&mut self, index: usize, number: u64, page: Page, seen: Seen) {
        let now = self.local(index);
        let instance = &mut self.instances[index];
        let budget = instance.settings.budget;
        let counts = instance.pull.take_if(|(under_way, _)| *under_way == number);
        let counts = counts.filter(|(_, sent)| now.saturating_duration_since(*sent) <= budget).is_some();
        let origins: Vec<Origin> = page.records.iter().map(|logged| logged.origin).collect();
        let known = instance.link.outbox_origins();
        let pulled = instance.link.pulled(number, page, now);
        if !counts {
            assert!(pulled.apply.is_empty() && pulled.confirmed.is_none() && !pulled.forget_everything);
            return;
        }
        // It notices one jump, unless a sleep hides it.
        match instance.seen.replace(seen) {
            Some(before) if seen.jumps <= before.jumps + 1 && seen.sleeps == before.sleeps => {}
            before => instance.missed_jumps.extend(before.map_or(0, |before| before.jumps)..seen.jumps),
        }
        if pulled.forget_everything {
            self.counts.forgotten += 1;
            self.purge_locally(index, &Purge::Everything);
        }
        for purge in &pulled.apply {
            self.purge_locally(index, purge);
        }
        for (removal, facts) in self.removals.iter().enumerate() {
            if origins.iter().any(|origin| facts.origins.contains(origin)) {
                self.instances[index].applied.insert(removal);
            }
        }
        self.note_collapse(index, &known);
        let was_linked = self.instances[index].is_linked(self.now);
        self.instances[index].confirmed = pulled.confirmed.or(self.instances[index].confirmed);
        if !was_linked && self.instances[index].is_linked(self.now) {
            // The most dangerous moment: old answers that were not used while it was cut off are used again.
            (0..KEYS).for_each(|key| self.request(index, key));
        }
        self.check_bounds(index);
    }

    fn append(&mut self, index: usize) {
        let instance = &mut self.instances[index];
        let append = instance.link.begin_append();
        let (number, life, keep_for) = (append.number, instance.life, instance.settings.keep_for);
        instance.append = Some(number);
        let command = move |simulation: &mut Self| simulation.execute_append(append.records, keep_for);
        self.call(index, command, move |simulation, result| {
            simulation.appended(index, number, result.is_some())
        });
        let budget = self.instances[index].settings.budget.as_micros() as At;
        self.schedule(self.now + budget, move |simulation| {
            simulation.if_alive(index, life, move |simulation| simulation.appended(index, number, false));
        });
    }

    fn appended(&mut self, index: usize, number: u64, is_done: bool) {
        let now = self.local(index);
        let instance = &mut self.instances[index];
        if instance.append.take_if(|under_way| *under_way == number).is_none() {
            return;
        }
        if is_done {
            instance.link.appended(number);
        } else {
            instance.link.append_failed(number, now);
        }
        self.check_tickets(index);
        self.drive(index);
    }
}
