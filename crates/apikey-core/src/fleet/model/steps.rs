//! What may happen next.

use super::Bounds;
use super::state::{
    Answer, BEHIND_AFTER, CUT_OFF, Flight, Instance, KEPT_FOR, NOTHING, Pull, Sample, Set, State,
    TELLS_WITHIN,
};
use super::store::Entry;
use crate::fleet::broken::{Broken, Neglect};
use crate::fleet::link::Rule;

/// What happens. The first number is the instance's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Tick,
    SendPull(usize),
    ExecutePull(usize),
    HearPull(usize),
    Remove(usize, u8),
    Append(usize, u8),
    Ask(usize),
    Land(usize),
    Look(usize),
    Crash(usize),
    Start(usize),
    /// This many records stay.
    TakeOver(usize),
    /// This many records stay, and the clock is set back.
    TakeOverByAnEarlierClock(usize),
    LoseLog,
    Trim,
    Stall,
    EndStall,
}

/// Tells every step that is possible, and the state after it.
pub(super) fn all(state: &State, bounds: &Bounds, tell: &mut dyn FnMut(Step, State)) {
    let mut add = |step| {
        if let Some(next) = after(state, step, bounds) {
            tell(step, next);
        }
    };
    add(Step::Tick);
    for index in 0..2 {
        for step in [Step::SendPull, Step::ExecutePull, Step::HearPull] {
            add(step(index));
        }
        for step in [Step::Ask, Step::Land, Step::Look, Step::Crash, Step::Start] {
            add(step(index));
        }
        add(Step::Append(index, NOTHING));
        for removal in 1..=bounds.removals {
            add(Step::Remove(index, removal));
            add(Step::Append(index, removal));
        }
    }
    if state.faults.take_overs < bounds.take_overs {
        for kept in 0..=state.store.log.len() {
            add(Step::TakeOver(kept));
            add(Step::TakeOverByAnEarlierClock(kept));
        }
    }
    for step in [Step::LoseLog, Step::Trim, Step::Stall, Step::EndStall] {
        add(step);
    }
}

/// The state after the step. `None` if the step is not possible.
fn after(state: &State, step: Step, bounds: &Bounds) -> Option<State> {
    let mut next = *state;
    let is_possible = match step {
        Step::Tick => next.tick(bounds),
        Step::SendPull(index) => next.send_pull(index, bounds),
        Step::ExecutePull(index) => next.execute_pull(index, bounds),
        Step::HearPull(index) => next.hear_pull(index, bounds),
        Step::Remove(index, removal) => next.remove(index, removal, bounds),
        Step::Append(index, removal) => next.append(index, removal, bounds),
        Step::Ask(index) => next.ask(index, bounds),
        Step::Land(index) => next.land(index, bounds),
        Step::Look(index) => next.look(index, bounds),
        Step::Crash(index) => next.crash(index, bounds),
        Step::Start(index) => next.start(index),
        Step::TakeOver(kept) => next.take_over(kept, false, bounds),
        Step::TakeOverByAnEarlierClock(kept) => next.take_over(kept, true, bounds),
        Step::LoseLog => next.lose_log(bounds),
        Step::Trim => next.trim(bounds),
        Step::Stall => next.stall(bounds),
        Step::EndStall => std::mem::take(&mut next.store.is_stalled),
    };
    if is_possible {
        next.merge(bounds);
    }
    is_possible.then_some(next)
}

fn take_one(count: &mut u8, most: u8) -> bool {
    *count += 1;
    *count <= most
}

impl Bounds {
    pub(super) fn is_on(&self, rule: Rule) -> bool {
        self.broken != Some(Broken::Link(rule))
    }

    /// Which instance calls the removal.
    fn caller(&self, removal: u8) -> usize {
        if self.second_is_of_another_key { 0 } else { removal as usize - 1 }
    }

    /// Whether the removal concerns the key.
    pub(super) fn concerns(&self, removal: u8) -> bool {
        removal == 1 || (removal == 2 && !self.second_is_of_another_key)
    }

    /// Else the time to live never ends.
    pub(super) fn is_about_ages(&self) -> bool {
        self.time_to_live < u8::MAX
    }

    pub(super) fn heeds_flights(&self) -> bool {
        self.broken != Some(Broken::Engine(Neglect::Flights))
    }
}

impl State {
    fn tick(&mut self, bounds: &Bounds) -> bool {
        let is_late = self.store.changed_for.is_some_and(|ticks| ticks >= TELLS_WITHIN);
        if self.now >= super::state::BEGINNING + bounds.ticks
            || (is_late && !self.store.is_stalled && self.owes_a_removal())
        {
            return false;
        }
        self.now += 1;
        let now = self.now;
        if !self.store.is_stalled {
            self.store.changed_for = self.store.changed_for.map(|ticks| (ticks + 1).min(TELLS_WITHIN));
        }
        for instance in &mut self.instances {
            if instance.pull.as_ref().is_some_and(|pull| now - pull.sent > 1) {
                instance.pull = None;
                instance.interrupt_quarantine(now, bounds);
            }
        }
        true
    }

    /// Makes states the same that differ in nothing that counts, so that there are fewer.
    fn merge(&mut self, bounds: &Bounds) {
        let now = self.now;
        let not_before = |moment: &mut u8, ticks: u8| *moment = (*moment).max(now - ticks);
        for removal in &mut self.removals {
            removal.executed.iter_mut().for_each(|executed| not_before(executed, CUT_OFF + 1));
        }
        for record in self.store.log.iter_mut() {
            not_before(&mut record.at, if bounds.trims == 0 { 0 } else { KEPT_FOR });
        }
        for instance in &mut self.instances {
            instance.confirmed = instance.confirmed.filter(|confirmed| now - confirmed < CUT_OFF);
            not_before(&mut instance.pulled, if instance.doubted.is_some() { 2 } else { 0 });
            not_before(&mut instance.read, if bounds.trims == 0 { 0 } else { BEHIND_AFTER + 1 });
            instance.doubted.iter_mut().for_each(|doubted| not_before(doubted, bounds.quarantine + 1));
            if !bounds.is_about_ages() {
                // The store's clock is never set back, and the time to live never ends.
                instance.clock =
                    instance.clock.take().map(|_| Sample { store: now, sent: now, received: now });
                instance.answer.iter_mut().for_each(|answer| not_before(&mut answer.truly_asked, CUT_OFF));
                instance.answer.iter_mut().for_each(|answer| answer.asked = now);
                instance.flight.iter_mut().for_each(|flight| not_before(&mut flight.asked, CUT_OFF));
            }
        }
        if !bounds.is_about_ages() {
            let entry = self.store.entry.iter_mut();
            entry.for_each(|entry| (entry.asked_at, entry.truly_asked) = (now, now - CUT_OFF));
        }
    }

    fn send_pull(&mut self, index: usize, bounds: &Bounds) -> bool {
        let now = self.now;
        let instance = &mut self.instances[index];
        if !instance.is_up || instance.pull.is_some() {
            return false;
        }
        if now - instance.pulled > 1 {
            instance.interrupt_quarantine(now, bounds);
        }
        instance.pulled = now;
        let mut acknowledged = Set::default();
        for removal in 1..=bounds.removals {
            if instance.outbox.has(removal) && instance.acknowledged.has(removal) {
                acknowledged.add(removal);
            }
        }
        instance.pull = Some(Pull { sent: now, acknowledged, page: None });
        true
    }

    fn execute_pull(&mut self, index: usize, bounds: &Bounds) -> bool {
        let instance = &mut self.instances[index];
        let tip = instance.memory.last().map(|record| (instance.memory.len() - 1, record.id));
        let Some(pull) = instance.pull.as_mut().filter(|pull| pull.page.is_none() && !self.store.is_stalled)
        else {
            return false;
        };
        pull.page = Some(self.store.pull(tip, self.now, bounds));
        if !bounds.delays {
            self.hear_pull(index, bounds);
        }
        true
    }

    fn hear_pull(&mut self, index: usize, bounds: &Bounds) -> bool {
        let now = self.now;
        let instance = &mut self.instances[index];
        let Some(Pull { sent, acknowledged, page: Some(page) }) = instance.pull else { return false };
        instance.pull = None;
        instance.pulled(sent, acknowledged, page, now, bounds);
        true
    }

    fn remove(&mut self, index: usize, removal: u8, bounds: &Bounds) -> bool {
        let facts = &mut self.removals[removal as usize - 1];
        let instance = &mut self.instances[index];
        if !instance.is_up || facts.is_called || index != bounds.caller(removal) {
            return false;
        }
        facts.is_called = true;
        instance.applied.add(removal);
        instance.outbox.add(removal);
        instance.appends.add(removal);
        instance.forget(removal, bounds);
        true
    }

    /// The store executes an append. It may do so at any time, also after the instance has ended.
    fn append(&mut self, index: usize, removal: u8, bounds: &Bounds) -> bool {
        let instance = &mut self.instances[index];
        if !instance.appends.has(removal) || self.store.is_stalled {
            return false;
        }
        instance.appends.remove(removal);
        if instance.is_up && instance.outbox.has(removal) {
            instance.acknowledged.add(removal);
        }
        self.store.append(removal, self.now, bounds);
        if removal == NOTHING {
            return true;
        }
        let facts = &mut self.removals[removal as usize - 1];
        facts.is_told = true;
        if self.store.has(removal) && (facts.executed.is_none() || facts.is_lost) {
            facts.executed = Some(self.now);
            facts.is_lost = false;
        }
        true
    }

    fn ask(&mut self, index: usize, bounds: &Bounds) -> bool {
        let (covers, asked) = (self.called(), self.now);
        let instance = &mut self.instances[index];
        let may_ask = index == 0 || !bounds.is_about_ages();
        if !may_ask || !instance.is_up || instance.flight.is_some() || !take_one(&mut self.asked, bounds.asks)
        {
            return false;
        }
        let head = instance.memory.last().filter(|_| instance.unshown.is_none()).map(|record| record.id);
        instance.flight = Some(Flight { covers, asked, head, must_ask_again: false });
        true
    }

    fn land(&mut self, index: usize, bounds: &Bounds) -> bool {
        let now = self.now;
        let instance = &mut self.instances[index];
        let Some(flight) = instance.flight.take() else { return false };
        let Flight { covers, asked, head, must_ask_again } = flight;
        let may_land = instance.is_linked(now) || now - asked < CUT_OFF;
        if must_ask_again || !may_land {
            self.asked -= 1;
            return true;
        }
        instance.answer = Some(Answer {
            covers,
            truly_asked: asked,
            asked: if bounds.time_to_live > 10 { now } else { asked },
        });
        if let (true, Some(head), Some(sample)) = (instance.is_linked(now), head, &instance.clock) {
            let asked_at = (sample.store + asked).saturating_sub(sample.received);
            self.store.entry = Some(Entry { covers, head, asked_at, truly_asked: asked });
        }
        true
    }

    fn look(&mut self, index: usize, bounds: &Bounds) -> bool {
        let now = self.now;
        let instance = &mut self.instances[index];
        let Some(entry) = self.store.entry.filter(|_| instance.answer.is_none() && !self.store.is_stalled)
        else {
            return false;
        };
        let Some(asked) = instance.judge(&entry, self.store.time(now), now, bounds) else { return false };
        instance.answer = Some(Answer { covers: entry.covers, truly_asked: entry.truly_asked, asked });
        true
    }

    fn crash(&mut self, index: usize, bounds: &Bounds) -> bool {
        let instance = &mut self.instances[index];
        if !instance.is_up || !take_one(&mut self.faults.crashes, bounds.crashes) {
            return false;
        }
        let appends = instance.appends;
        let (pulled, read) = (self.now, self.now);
        *instance = Instance { appends, pulled, read, ..Instance::default() };
        true
    }

    fn start(&mut self, index: usize) -> bool {
        !std::mem::replace(&mut self.instances[index].is_up, true)
    }

    fn take_over(&mut self, kept: usize, sets_back: bool, bounds: &Bounds) -> bool {
        let is_allowed = !sets_back || bounds.sets_clock_back;
        if !is_allowed || !take_one(&mut self.faults.take_overs, bounds.take_overs) {
            return false;
        }
        self.store.take_over(kept, sets_back, &mut self.removals, bounds);
        true
    }

    fn lose_log(&mut self, bounds: &Bounds) -> bool {
        if !take_one(&mut self.faults.log_losses, bounds.log_losses) {
            return false;
        }
        self.store.lose_log(&mut self.removals);
        true
    }

    fn trim(&mut self, bounds: &Bounds) -> bool {
        take_one(&mut self.faults.trims, bounds.trims) && self.store.trim(self.now)
    }

    fn stall(&mut self, bounds: &Bounds) -> bool {
        !std::mem::replace(&mut self.store.is_stalled, true)
            && take_one(&mut self.faults.stalls, bounds.stalls)
    }
}
