//! Removals: how they are called, and what the oracle notes of them.

use std::collections::BTreeSet;

use super::*;
use crate::engine::Purge;
use crate::fleet::link::{Origin, Unlogged};

impl Simulation {
    pub(super) fn removal_by_somebody(&mut self) {
        let index = self.random.below(INSTANCES);
        if self.now >= CALM {
            return;
        }
        if self.is_running(index) {
            // Some come in bursts.
            let count = if self.random.one_in(15) { 30 } else { 1 };
            for _ in 0..count {
                self.remove(index);
            }
            self.drive(index);
            if self.random.one_in(3) {
                self.request(index, self.scheduled as usize % KEYS);
            }
        }
        let pause = self.random_span(SECOND * 5 / 6 * self.calmness);
        self.schedule(self.now + pause, Self::removal_by_somebody);
    }

    /// A removal is called.
    pub(super) fn remove(&mut self, index: usize) {
        let purge = self.facts.any_purge(&mut self.random);
        self.remove_this(index, purge);
    }

    pub(super) fn remove_this(&mut self, index: usize, purge: Purge) {
        let mut origin = [0; 16];
        origin[..8].copy_from_slice(&self.random.next().to_le_bytes());
        origin[8] = 1;
        self.counts.removals += 1;
        let number = self.removals.len();
        let instance = &mut self.instances[index];
        instance.applied.insert(number);
        let known = instance.link.outbox_origins();
        let ticket = instance.link.purge(origin, purge.clone());
        let by = (index, instance.life, ticket);
        let concerns = std::array::from_fn(|key| self.facts.concerns(&purge, key));
        self.purge_locally(index, &purge);
        let (origins, called) = (vec![origin], self.now);
        self.removals.push(Removal { purge, origins, called, executed: None, is_lost: false, concerns, by });
        self.note_collapse(index, &known);
        self.check_bounds(index);
    }

    /// If a removal of everything has taken the place of others in the outbox, it stands for all that this instance has
    /// done.
    pub(super) fn note_collapse(&mut self, index: usize, known: &BTreeSet<Origin>) {
        let instance = &self.instances[index];
        let is_new = |origin: &Origin| {
            !known.contains(origin)
                && *origin != [0; 16]
                && !self.removals.iter().any(|removal| removal.origins.contains(origin))
        };
        let new: Vec<Origin> = instance.link.outbox_origins().into_iter().filter(is_new).collect();
        for origin in new {
            self.counts.collapsed += 1;
            for removal in &instance.applied {
                self.removals[*removal].origins.push(origin);
            }
        }
    }

    /// The store takes records.
    pub(super) fn execute_append(&mut self, records: Vec<Unlogged>, keep_for: Duration) {
        let now = self.now;
        for origin in self.primary.store.append(now, records, keep_for) {
            for removal in self.removals.iter_mut().filter(|removal| removal.origins.contains(&origin)) {
                if removal.executed.is_none() || removal.is_lost {
                    removal.executed = Some(now);
                    removal.is_lost = false;
                }
            }
        }
        for index in 0..INSTANCES {
            let is_lucky = !self.random.one_in(3);
            let at = now + MILLISECOND + self.random_below(20 * MILLISECOND);
            let instance = &self.instances[index];
            let life = instance.life;
            if instance.is_alive && !instance.is_partitioned && is_lucky {
                self.schedule(at, move |simulation| {
                    simulation.if_alive(index, life, move |simulation| {
                        let now = simulation.local(index);
                        simulation.instances[index].link.hinted(now);
                        simulation.drive(index);
                    });
                });
            }
        }
    }
}
