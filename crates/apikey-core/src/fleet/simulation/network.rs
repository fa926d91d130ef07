//! How commands reach the store, and how answers come back.

use super::store::Store;
use super::*;

impl Simulation {
    /// How long a message takes one way. So an answer comes within 160 ms.
    fn delay(&mut self, index: usize) -> At {
        let usual = [500, 1_000, 2_000, 2_000, 10_000, 40_000][self.random.below(6)];
        let slow = if self.instances[index].is_slow { self.random_below(300 * MILLISECOND) } else { 0 };
        usual + self.random_below(usual) + slow
    }

    /// Sends a command to the store, when there is a connection. `reply` gets what it returned, or `None` if the command was
    /// refused, or if there was no connection. If nothing comes back, `reply` is never called.
    pub(super) fn call<R: 'static>(
        &mut self,
        index: usize,
        command: impl FnOnce(&mut Self) -> R + 'static,
        reply: impl FnOnce(&mut Self, Option<R>) + 'static,
    ) {
        self.connected(index, move |simulation, server| match server {
            Some(server) => simulation.send(index, server, command, reply),
            None => reply(simulation, None),
        });
    }

    /// Sends a command on a connection to this primary.
    fn send<R: 'static>(
        &mut self,
        index: usize,
        server: u64,
        command: impl FnOnce(&mut Self) -> R + 'static,
        reply: impl FnOnce(&mut Self, Option<R>) + 'static,
    ) {
        let life = self.instances[index].life;
        let arrival = self.now + self.delay(index);
        let arrive = move |simulation: &mut Self| {
            if simulation.instances[index].is_partitioned || !simulation.primary.is_up {
                return;
            }
            // The connection to the server before is broken, or a replica answers.
            let is_broken = server != simulation.primary.reign;
            let is_refused = is_broken || simulation.instances[index].is_misdirected;
            let result = (!is_refused).then(|| command(simulation));
            let back = simulation.now + simulation.delay(index);
            simulation.schedule(back, move |simulation| {
                if simulation.instances[index].is_partitioned {
                    return;
                }
                simulation.if_alive(index, life, move |simulation| {
                    if is_broken {
                        simulation.instances[index].line.lose(server);
                    }
                    reply(simulation, result);
                });
            });
        };
        self.schedule(arrival, move |simulation| {
            if simulation.primary.is_stalled && simulation.primary.is_up {
                simulation.primary.stalled.push(Box::new(arrive));
            } else {
                arrive(simulation);
            }
        });
    }

    /// Does it in this life of the instance, if that is not over: at once, or when the process runs again.
    pub(super) fn if_alive(&mut self, index: usize, life: u32, event: impl FnOnce(&mut Self) + 'static) {
        let instance = &mut self.instances[index];
        if instance.life == life && instance.is_stopped {
            instance.deferred.push(Box::new(move |simulation| simulation.if_alive(index, life, event)));
        } else if instance.life == life {
            event(self);
        }
    }

    /// Now and then, what answers looks is an older state, with a clock that is a little off.
    pub(super) fn copy_to_replica(&mut self) {
        let lag = self.random_below(2 * SECOND);
        let offset = self.primary.store.offset + self.random.below(101) as i64 - 50;
        self.replica = self.primary.store.prefix(self.now.saturating_sub(lag), offset);
        self.schedule(self.now + 3 * SECOND, Self::copy_to_replica);
    }

    pub(super) fn run_id(&self) -> u64 {
        match self.broken {
            Some(Broken::Store(Mistake::RunIsCopied)) => 0,
            Some(Broken::Store(Mistake::RunOfTheProcess)) => self.primary.reign % 2,
            _ => self.primary.reign,
        }
    }

    /// What answers a pull.
    pub(super) fn state_for_pull(&mut self) -> &Store {
        let replica_answers = self.broken == Some(Broken::Store(Mistake::ReplicasAnswerPulls));
        if replica_answers && self.random.one_in(3) { &self.replica } else { &self.primary.store }
    }
}
