//! How an instance connects to the store. Finding the primary and connecting takes up to half a second, as in `apikey-redis`,
//! and after a failure there is a pause.

use super::*;

/// The longest time of a dial, with everything that finds the server.
const DIAL_LIMIT: At = 500 * MILLISECOND;
const LONGEST_PAUSE: At = 250 * MILLISECOND;

/// Gets the primary to which there is a connection now, or `None` if the dial failed.
type Waiting = Box<dyn FnOnce(&mut Simulation, Option<u64>)>;

/// The connection of an instance.
#[derive(Default)]
pub(super) struct Line {
    server: Option<u64>,
    /// The number of the dial that is under way.
    dial: Option<u64>,
    waiting: Vec<Waiting>,
    not_before: At,
    /// Dials take as long as they may.
    pub(super) is_slow: bool,
}

impl Line {
    /// The connection to this primary is broken.
    pub(super) fn lose(&mut self, server: u64) {
        self.server.take_if(|connected| *connected == server);
    }
}

impl Simulation {
    /// Does it when there is a connection, or when there is none after all.
    pub(super) fn connected(&mut self, index: usize, then: impl FnOnce(&mut Self, Option<u64>) + 'static) {
        if let Some(server) = self.instances[index].line.server {
            return then(self, Some(server));
        }
        self.instances[index].line.waiting.push(Box::new(then));
        if self.instances[index].line.dial.is_none() {
            self.dial(index);
        }
    }

    fn dial(&mut self, index: usize) {
        let number = self.random.next();
        let begins = self.now.max(self.instances[index].line.not_before);
        let instance = &mut self.instances[index];
        instance.line.dial = Some(number);
        let life = instance.life;
        // A server that is gone refuses at once, or nothing answers.
        let is_slow = self.instances[index].line.is_slow;
        let is_refused_at_once = self.random.one_in(3) && !is_slow;
        let takes = match self.random.below(4) {
            _ if is_slow => DIAL_LIMIT - 1,
            0 => self.random_below(DIAL_LIMIT),
            _ => self.random_below(10 * MILLISECOND),
        };
        self.schedule(begins, move |simulation| {
            let primary = &simulation.primary;
            let target =
                (primary.is_up && !simulation.instances[index].is_partitioned).then_some(primary.reign);
            if target.is_none() && is_refused_at_once {
                return simulation.end_dial(index, life, number, None);
            }
            let end = simulation.now + DIAL_LIMIT;
            simulation.schedule(end, move |simulation| simulation.end_dial(index, life, number, None));
            let Some(target) = target else { return };
            let at = simulation.now + takes;
            simulation.schedule(at, move |simulation| {
                let answers = move |simulation: &mut Self| {
                    let is_there = simulation.primary.is_up && simulation.primary.reign == target;
                    if is_there && !simulation.instances[index].is_partitioned {
                        simulation.end_dial(index, life, number, Some(target));
                    }
                };
                if simulation.primary.is_stalled {
                    simulation.primary.stalled.push(Box::new(answers));
                } else {
                    answers(simulation);
                }
            });
        });
    }

    fn end_dial(&mut self, index: usize, life: u32, number: u64, server: Option<u64>) {
        self.if_alive(index, life, move |simulation| {
            let pause = simulation.random_below(LONGEST_PAUSE);
            let now = simulation.now;
            let line = &mut simulation.instances[index].line;
            if line.dial.take_if(|under_way| *under_way == number).is_none() {
                return;
            }
            line.server = server;
            line.not_before = if server.is_none() { now + pause } else { now };
            for waiting in std::mem::take(&mut line.waiting) {
                waiting(simulation, server);
            }
        });
    }

    /// The primary is gone. Some see their connections break at once, and the others when they are refused.
    pub(super) fn break_connections(&mut self) {
        for index in 0..INSTANCES {
            if self.random.one_in(2) || self.instances[index].line.is_slow {
                self.instances[index].line.server = None;
            }
        }
    }
}
