//! Faults in an order that random ones seldom have, each for a rule that is missed only then.

use super::*;
use crate::engine::Purge;

impl Simulation {
    /// Lets one of these sequences happen to this instance.
    pub(super) fn plot(&mut self, index: usize) {
        match self.random.below(7) {
            0 => self.lose_and_stall(index),
            1 => self.lose_log_alone(index),
            2 => self.lose_twice(index),
            3 => self.miss_pages(index),
            4 => self.wait_and_set_clock_back(),
            5 => self.lose_while_dialling(index),
            _ => self.miss_what_is_dropped(),
        }
    }

    /// Removals that only one instance has heard of are lost, and soon the new primary stalls.
    fn lose_and_stall(&mut self, index: usize) {
        let knower = (index + 1) % INSTANCES;
        for other in (0..INSTANCES).filter(|other| *other != knower) {
            self.partition(other, 300 * MILLISECOND);
        }
        self.remove_elsewhere(index, 10 * MILLISECOND);
        self.take_over_at(100 * MILLISECOND);
        let (wait, lasts) = (self.random_below(500 * MILLISECOND), self.random_below(SECOND));
        self.after(300 * MILLISECOND + wait, move |simulation| simulation.stall(2 * SECOND + lasts));
    }

    /// Removals that only one instance has heard of are lost, and that one takes as long to connect as it may.
    fn lose_while_dialling(&mut self, index: usize) {
        let knower = (index + 1) % INSTANCES;
        self.request_everything();
        for other in (0..INSTANCES).filter(|other| *other != knower) {
            self.partition(other, 300 * MILLISECOND);
        }
        self.fault(knower, 4 * SECOND, |instance, is_on| instance.line.is_slow = is_on);
        self.remove_elsewhere(index, 10 * MILLISECOND);
        self.after(100 * MILLISECOND, |simulation| {
            let away = 150 * MILLISECOND + simulation.random_below(500 * MILLISECOND);
            simulation.take_over_with(false, 200 * MILLISECOND, away, 0);
        });
    }

    /// Removals that this instance has not heard of are lost with the log, and nothing else is.
    fn lose_log_alone(&mut self, index: usize) {
        self.partition(index, 800 * MILLISECOND);
        self.remove_elsewhere(index, 10 * MILLISECOND);
        self.after(700 * MILLISECOND, Self::lose_log);
    }

    /// While this instance is away, another primary takes a removal, and then the first one is back without it.
    fn lose_twice(&mut self, index: usize) {
        self.partition(index, 1_050 * MILLISECOND);
        self.take_over_at(10 * MILLISECOND);
        self.remove_elsewhere(index, 300 * MILLISECOND);
        self.after(600 * MILLISECOND, |simulation| {
            simulation.take_over_with(false, 400 * MILLISECOND, 400 * MILLISECOND, 0);
        });
    }

    /// This instance misses so many removals that they come in pages. The last one concerns something.
    fn miss_pages(&mut self, index: usize) {
        self.partition(index, 1_500 * MILLISECOND);
        self.after(200 * MILLISECOND, move |simulation| {
            let other = (index + 1) % INSTANCES;
            if simulation.is_running(other) && simulation.now < CALM {
                (0..30).for_each(|_| simulation.remove_this(other, Purge::KeyId("elsewhere".into())));
                simulation.drive(other);
            }
        });
        self.remove_elsewhere(index, 300 * MILLISECOND);
    }

    /// An instance does not reach the store for longer than others keep the log. Nobody asks it meanwhile, so that its answers
    /// stay.
    fn miss_what_is_dropped(&mut self) {
        let lasting = |index: &usize| self.instances[*index].time_to_live;
        let Some(index) = (0..INSTANCES).max_by_key(lasting) else { return };
        for key in 0..KEYS {
            self.request(index, key);
        }
        self.after(1_600 * MILLISECOND, move |simulation| {
            simulation.partition(index, 18 * SECOND);
            simulation.fault(index, 20_500 * MILLISECOND, |instance, is_on| instance.is_quiet = is_on);
        });
        self.remove_elsewhere(index, 1_700 * MILLISECOND);
        (0..INSTANCES).for_each(|other| self.remove_elsewhere(other, 19 * SECOND));
    }

    /// The store's clock is set back when nobody has asked for anything for a while, so that entries are old.
    fn wait_and_set_clock_back(&mut self) {
        self.request_everything();
        for index in 0..INSTANCES {
            self.fault(index, 6 * SECOND, |instance, is_on| instance.is_quiet = is_on);
        }
        self.after(5 * SECOND, |simulation| simulation.set_clock_by(-5_000));
    }

    fn partition(&mut self, index: usize, lasts: At) {
        self.fault(index, lasts, |instance, is_on| instance.is_partitioned = is_on);
    }

    fn take_over_at(&mut self, wait: At) {
        self.after(wait, |simulation| {
            simulation.take_over_with(false, 200 * MILLISECOND, 150 * MILLISECOND, 0)
        });
    }

    /// Somebody else removes something.
    fn remove_elsewhere(&mut self, not: usize, wait: At) {
        self.after(wait, move |simulation| {
            let index = (not + 1) % INSTANCES;
            if simulation.is_running(index) && simulation.now < CALM {
                simulation.remove(index);
                simulation.remove(index);
                simulation.drive(index);
            }
        });
    }

    /// All instances are asked for all keys.
    pub(super) fn request_everything(&mut self) {
        for index in 0..INSTANCES {
            (0..KEYS).for_each(|key| self.request(index, key));
        }
    }

    fn after(&mut self, wait: At, event: impl FnOnce(&mut Self) + 'static) {
        self.schedule(self.now + wait, event);
    }
}
