//! What goes wrong.

use super::store::Store;
use super::*;

impl Simulation {
    pub(super) fn mishap(&mut self) {
        if self.now >= CALM {
            return;
        }
        let index = self.random.below(INSTANCES);
        let usual = [300, 1_200, 3_000, 8_000, 14_000][self.random.below(5)] * MILLISECOND;
        let lasts = usual / 2 + self.random_below(usual);
        if self.calmness > 1 && self.random.one_in(2) {
            self.plot(index);
            return self.schedule_mishap();
        }
        match self.random.below(17) {
            0 => self.fault(index, lasts, |instance, is_on| instance.is_partitioned = is_on),
            // Longer than the log is kept.
            1 => self.fault(index, lasts + 12 * SECOND, |instance, is_on| instance.is_partitioned = is_on),
            2 => self.fault(index, lasts, |instance, is_on| instance.is_slow = is_on),
            3 => self.fault(index, lasts, |instance, is_on| instance.is_misdirected = is_on),
            4 | 5 => self.stop(index, lasts, false),
            6 => self.stop(index, lasts + 8 * SECOND, true),
            7 => self.crash(index, lasts),
            8 | 9 => self.stall(lasts),
            10 => self.lose_log(),
            11 => self.set_clock(),
            12 => self.take_over(true),
            13 | 14 => self.plot(index),
            _ => self.take_over(false),
        }
        self.schedule_mishap();
    }

    fn schedule_mishap(&mut self) {
        let pause = self.random_span(SECOND * 5 / 2 * self.calmness);
        self.schedule(self.now + pause, Self::mishap);
    }

    /// Turns a fault of one instance on, and off later.
    pub(super) fn fault(&mut self, index: usize, lasts: At, turn: fn(&mut Instance, bool)) {
        if self.now >= CALM {
            return;
        }
        turn(&mut self.instances[index], true);
        self.note_health(index);
        self.schedule(self.now + lasts, move |simulation| {
            turn(&mut simulation.instances[index], false);
            simulation.note_health(index);
        });
    }

    pub(super) fn note_health(&mut self, index: usize) {
        let now = self.now;
        let instance = &mut self.instances[index];
        let is_ill = !instance.is_alive
            || instance.is_stopped
            || instance.is_partitioned
            || instance.is_slow
            || instance.is_misdirected;
        instance.healthy_since = if is_ill { None } else { Some(instance.healthy_since.unwrap_or(now)) };
    }

    /// The process is stopped, or its machine sleeps.
    fn stop(&mut self, index: usize, lasts: At, sleeps: bool) {
        let now = self.now;
        if !self.is_running(index) {
            return;
        }
        let instance = &mut self.instances[index];
        instance.is_stopped = true;
        if sleeps {
            instance.sleeps.push((now, None));
            self.counts.sleeps += 1;
        }
        self.note_health(index);
        self.schedule(now + lasts, move |simulation| simulation.resume(index));
    }

    fn resume(&mut self, index: usize) {
        let now = self.now;
        let instance = &mut self.instances[index];
        if !instance.is_stopped {
            return;
        }
        instance.is_stopped = false;
        if let Some((_, end @ None)) = instance.sleeps.last_mut() {
            *end = Some(now);
        }
        self.note_health(index);
        if !self.instances[index].is_alive {
            return;
        }
        // Requests may come before what has arrived meanwhile is read.
        for _ in 0..3 {
            let key = self.random.below(KEYS);
            self.request(index, key);
        }
        for event in std::mem::take(&mut self.instances[index].deferred) {
            event(self);
        }
        self.drive(index);
    }

    fn crash(&mut self, index: usize, lasts: At) {
        let instance = &mut self.instances[index];
        if !instance.is_alive || instance.is_stopped {
            return;
        }
        instance.is_alive = false;
        instance.life += 1;
        self.note_health(index);
        self.schedule(self.now + lasts, move |simulation| {
            if !simulation.instances[index].is_alive {
                simulation.start(index);
            }
        });
    }

    /// The primary does nothing for a while. Then it does what came meanwhile.
    pub(super) fn stall(&mut self, lasts: At) {
        if self.primary.is_stalled || !self.primary.is_up || self.now >= CALM {
            return;
        }
        self.primary.is_stalled = true;
        self.stalls.push(self.now);
        self.schedule(self.now + lasts, Self::end_stall);
    }

    fn end_stall(&mut self) {
        self.primary.is_stalled = false;
        self.stalls.push(self.now);
        for event in std::mem::take(&mut self.primary.stalled) {
            event(self);
        }
    }

    /// The log is evicted, and nothing else is.
    pub(super) fn lose_log(&mut self) {
        if self.primary.is_up {
            let before = self.logged();
            self.primary.store.lose_log(self.now);
            self.note_loss(&before);
        }
    }

    fn skew(&mut self) -> i64 {
        [0, 0, 50, -50, 2_000, -2_000, 5_000, -5_000][self.random.below(8)]
    }

    fn note_jump(&mut self, by: i64) {
        if by != 0 {
            self.jumps.push(Jump { at: self.now, by });
        }
    }

    fn set_clock(&mut self) {
        let by = self.skew();
        self.set_clock_by(by);
    }

    pub(super) fn set_clock_by(&mut self, by: i64) {
        if self.primary.is_up && self.now < CALM {
            self.primary.store.offset += by;
            self.note_jump(by);
            self.request_everything();
        }
    }

    /// The primary dies. It comes back empty, or a replica takes over that lacks the latest.
    fn take_over(&mut self, is_empty: bool) {
        let lag = [0, 2, 50, 500, 2_000][self.random.below(5)] * MILLISECOND;
        let away = [150, 500, 1_500, 4_000][self.random.below(4)] * MILLISECOND;
        let skew = self.skew();
        self.take_over_with(is_empty, lag, away, skew);
    }

    pub(super) fn take_over_with(&mut self, is_empty: bool, lag: At, away: At, skew: i64) {
        if !self.primary.is_up || self.now >= CALM {
            return;
        }
        self.primary.is_up = false;
        self.primary.is_stalled = false;
        self.primary.stalled.clear();
        self.counts.take_overs += 1;
        self.break_connections();
        let until = self.now.saturating_sub(lag);
        let at = (self.now + away).min(CALM.max(self.now + 1));
        self.schedule(at, move |simulation| {
            let before = simulation.logged();
            let old = &simulation.primary.store;
            let offset = old.offset + skew;
            let store = if is_empty {
                Store::new(offset, old.page_size, simulation.broken)
            } else {
                old.prefix(until, offset)
            };
            simulation.primary.store = store;
            simulation.primary.is_up = true;
            simulation.primary.reign += 1;
            simulation.note_jump(skew);
            simulation.note_loss(&before);
            simulation.request_everything();
        });
    }

    /// All faults end.
    pub(super) fn calm(&mut self) {
        self.end_stall();
        for index in 0..INSTANCES {
            let instance = &mut self.instances[index];
            (instance.is_partitioned, instance.is_slow) = (false, false);
            (instance.is_misdirected, instance.is_quiet) = (false, false);
            if instance.is_alive {
                self.resume(index);
            } else {
                self.start(index);
            }
            self.note_health(index);
        }
    }
}
