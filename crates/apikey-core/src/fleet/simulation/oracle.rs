//! What must hold of everything that is served.

use std::collections::BTreeSet;

use super::requests::{Answer, How};
use super::*;
use crate::fleet::link::Origin;

impl Simulation {
    /// Which removals are in the log.
    pub(super) fn logged(&self) -> BTreeSet<usize> {
        let log: BTreeSet<&Origin> = self.primary.store.log.iter().map(|record| &record.origin).collect();
        let is_logged = |removal: &Removal| removal.origins.iter().any(|origin| log.contains(origin));
        self.removals
            .iter()
            .enumerate()
            .filter(|(_, removal)| is_logged(removal))
            .map(|(number, _)| number)
            .collect()
    }

    /// The log is another one now, and had these before.
    pub(super) fn note_loss(&mut self, before: &BTreeSet<usize>) {
        let after = self.logged();
        for number in before.difference(&after) {
            self.removals[*number].is_lost = true;
            self.counts.lost += 1;
        }
        self.primary.began = self.now;
    }

    /// A decision is made by this answer.
    pub(super) fn served(&mut self, index: usize, key: usize, answer: &Answer, how: How) {
        let (now, instance) = (self.now, &self.instances[index]);
        let is_linked = instance.is_linked(now);
        self.counts.served += 1;
        self.counts.linked += u64::from(is_linked);
        self.counts.from_the_store += u64::from(how == How::FromTheStore);
        self.counts.from_before += u64::from(how == How::BecauseKindeFailed);
        self.check_age(index, answer, how);
        self.check_sleep(index, answer);
        // By the instance's own clock, which stands still while the machine sleeps.
        let passed = |since| instance.clock(now).saturating_duration_since(instance.clock(since));
        for (number, removal) in self.removals.iter().enumerate() {
            if !removal.concerns[key] || removal.called <= answer.truly_asked {
                continue;
            }
            let fail = |why: &str| {
                let (Removal { purge, called, executed, is_lost, .. }, at) = (removal, answer.truly_asked);
                let (confirmed, origin) =
                    (instance.confirmed.map(|at| at - self.zero), removal.origins[0][0]);
                panic!(
                    "{why}: at {now} us, instance {index} (life {}) served key {key}, {how:?}, asked at {at}, linked: {is_linked}, \
                     confirmed: {confirmed:?}. The removal {number} (origin {origin}, {purge:?}): called {called}, executed {executed:?}, lost: \
                     {is_lost}, by {:?}. The primary {} began at {}.",
                    instance.life, removal.by, self.primary.reign, self.primary.began,
                )
            };
            // I3
            if instance.applied.contains(&number) {
                fail("an answer from before a removal that was done here");
            }
            let Some(executed) = removal.executed else { continue };
            if removal.is_lost {
                // I4
                let is_known = self.instances.iter().any(|other| {
                    let is_healthy = other.healthy_since.is_some_and(|since| since <= self.primary.began);
                    is_healthy && other.is_alive && other.applied.contains(&number)
                });
                if is_known && is_linked && passed(executed) > self.limits.lease {
                    fail("linked, although a healthy instance knows a removal that the log lacks");
                }
                continue;
            }
            // I1
            if is_linked && passed(executed) > self.limits.lease {
                fail("linked, and served past the lease");
            }
            // I2
            if passed(executed) > self.limits.lease.max(self.limits.cut_off) {
                fail("served past the cut-off time");
            }
        }
    }

    /// I5
    fn check_age(&self, index: usize, answer: &Answer, how: How) {
        let instance = &self.instances[index];
        let own = |since| instance.clock(self.now).saturating_duration_since(instance.clock(since));
        let Some((age, looked)) = answer.travelled else {
            let age = own(answer.truly_asked);
            assert!(age < instance.time_to_live || how == How::Asked, "served {age:?} old");
            return;
        };
        let age = Duration::from_micros(age) + own(looked);
        // Small jumps, and those that it can't have noticed, may make an entry look younger.
        let slack: u64 = self
            .jumps
            .iter()
            .enumerate()
            .filter(|(number, jump)| {
                let is_within = jump.at + 2 * SECOND >= answer.truly_asked && jump.at <= looked;
                is_within && (instance.missed_jumps.contains(number) || jump.by.abs() < 100)
            })
            .map(|(_, jump)| jump.by.unsigned_abs())
            .sum();
        let bound = instance.time_to_live + milliseconds(slack);
        assert!(
            age < bound,
            "at {}: instance {index} served {age:?} old, past {bound:?}, {how:?}, asked at {}. Jumps: {:?}, missed: {:?}, sleeps: {:?}",
            self.now,
            answer.truly_asked,
            self.jumps,
            instance.missed_jumps,
            self.instances.iter().map(|instance| &instance.sleeps).collect::<Vec<_>>(),
        );
    }

    /// Answers from before a sleep of more than 10 s are gone when the store's clock has shown the sleep.
    fn check_sleep(&self, index: usize, answer: &Answer) {
        let instance = &self.instances[index];
        let Some(seen) = instance.seen else { return };
        // If the store stalls, a pull that is under way may show the sleep in two parts.
        let is_disturbed = |from: At, to: At| {
            let mut disturbances = self.jumps.iter().map(|jump| jump.at).chain(self.stalls.iter().copied());
            disturbances.any(|at| from < at + SECOND && at < to + SECOND)
        };
        let asked = answer.travelled.map_or(answer.truly_asked, |(_, looked)| looked);
        for (from, to) in &instance.sleeps {
            let Some(to) = to.filter(|to| *to < seen.at) else { continue };
            let is_noticed = to - from > 11 * SECOND && !is_disturbed(*from, seen.at);
            assert!(!is_noticed || asked >= *from, "an answer from before a sleep of {} us", to - from);
        }
    }

    /// Removals that are acknowledged have reached the store.
    pub(super) fn check_tickets(&self, index: usize) {
        let instance = &self.instances[index];
        let acknowledged = instance.link.acknowledged();
        for removal in &self.removals {
            let (by, life, ticket) = removal.by;
            if (by, life) == (index, instance.life) && ticket <= acknowledged {
                assert!(removal.executed.is_some(), "acknowledged, and the store never had it");
            }
        }
    }

    /// I11
    pub(super) fn check_bounds(&self, index: usize) {
        let instance = &self.instances[index];
        let [memory, outbox] = instance.link.sizes();
        let most = instance.settings.most_kept;
        assert!(memory <= most + 1 && outbox <= most + 1, "kept {memory} and {outbox}, more than {most}");
    }

    /// I9
    pub(super) fn watch_links(&mut self) {
        let unlinked = self.instances.iter().find(|instance| !instance.is_linked(self.now));
        if let Some(instance) = unlinked {
            let waited = self.now - CALM;
            assert!(
                waited < LINKED_WITHIN,
                "instance {} is not linked {waited} us after the faults",
                instance.index
            );
            self.counts.longest_until_linked = waited;
        }
        self.schedule(self.now + 50 * MILLISECOND, Self::watch_links);
    }

    pub(super) fn check_that_all_is_told(&mut self) {
        for instance in &self.instances {
            assert!(
                instance.is_linked(self.now),
                "instance {} lost its link without a fault",
                instance.index
            );
            assert_eq!(instance.link.sizes()[1], 0, "the outbox of instance {}", instance.index);
        }
    }
}
