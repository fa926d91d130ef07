//! The events of a history, sorted by what they are about.

use std::collections::HashMap;

use crate::clock::{Moment, seconds};
use crate::history::{Accepted, Decision, Event, Instance, Told, Version};

/// A process of an instance: which instance, and the how many-th process it is.
pub(super) type Run = (Instance, usize);

/// A decision that let a request pass.
pub(super) struct Served {
    pub(super) run: Run,
    pub(super) decided: Moment,
    pub(super) noted: Moment,
    pub(super) presented: String,
    pub(super) accepted: Accepted,
    /// It says so, and has said so at the decision before. Then it did not become linked just after this decision.
    pub(super) linked: bool,
    /// When it was last linked, at the latest. It means nothing if it is linked.
    pub(super) unlinked_since: Moment,
}

/// A decision that failed.
pub(super) struct Unavailable {
    pub(super) run: Run,
    pub(super) noted: Moment,
    pub(super) presented: String,
    pub(super) code: String,
}

pub(super) struct Removal {
    pub(super) run: Run,
    pub(super) called: Moment,
    pub(super) returned: Moment,
    pub(super) taken: Option<Moment>,
    pub(super) version: Version,
}

#[derive(Default)]
pub(super) struct Timeline {
    start: Moment,
    pub(super) decisions: usize,
    /// In the order of their moments.
    pub(super) served: Vec<Served>,
    pub(super) unavailable: Vec<Unavailable>,
    pub(super) removals: HashMap<String, Vec<Removal>>,
    /// When each of Kinde's answers had come, by key id and number.
    pub(super) answered: HashMap<(String, u64), Moment>,
    changes: HashMap<String, Vec<(Version, Moment)>>,
    /// From when to when Kinde did not answer.
    silences: Vec<(Moment, Moment)>,
}

/// What is known of one process while its events are read.
#[derive(Clone, Copy)]
struct Process {
    run: Run,
    was_linked: bool,
    unlinked_since: Moment,
}

impl Timeline {
    pub(super) fn new(events: &[Event]) -> Self {
        let mut timeline = Self::default();
        let mut processes: HashMap<Instance, Process> = HashMap::new();
        for event in events {
            match event {
                Event::Changed { at, key, version } => {
                    timeline.changes.entry(key.clone()).or_default().push((*version, *at));
                }
                Event::KindeAnswers { at, answers: false } => timeline.silences.push((*at, Moment::MAX)),
                Event::KindeAnswers { at, answers: true } => {
                    if let Some((_, end)) = timeline.silences.last_mut() {
                        *end = *at;
                    }
                }
                Event::Started { at, instance } => {
                    if timeline.start == 0 {
                        timeline.start = *at;
                    }
                    let number = processes.get(instance).map_or(0, |process| process.run.1 + 1);
                    let run = (*instance, number);
                    let process = Process { run, was_linked: false, unlinked_since: *at };
                    processes.insert(*instance, process);
                }
                Event::Told { instance, what } => {
                    if let Some(process) = processes.get_mut(instance) {
                        timeline.told(process, what);
                    }
                }
            }
        }
        timeline.find_moments();
        timeline
    }

    fn told(&mut self, process: &mut Process, what: &Told) {
        match what {
            Told::Ready { .. } => {}
            Told::Decided(decision) => self.decided(process, decision),
            Told::Verified { at, key, answer } => {
                self.answered.insert((key.clone(), *answer), *at);
            }
            Told::Removed { called, returned, key, version } => {
                let (called, returned, version) = (*called, *returned, *version);
                let removal = Removal { run: process.run, called, returned, taken: None, version };
                self.removals.entry(key.clone()).or_default().push(removal);
            }
            Told::Taken { at, key, version } => {
                let removals = self.removals.entry(key.clone()).or_default();
                let removal = removals
                    .iter_mut()
                    .find(|removal| removal.run == process.run && removal.version == *version);
                if let Some(removal) = removal {
                    removal.taken = Some(*at);
                }
            }
        }
    }

    fn decided(&mut self, process: &mut Process, decision: &Decision) {
        let Decision { noted, presented, accepted, code, linked } = decision;
        self.decisions += 1;
        if process.was_linked && !linked {
            process.unlinked_since = *noted;
        }
        if let Some(accepted) = accepted {
            self.served.push(Served {
                run: process.run,
                decided: *noted,
                noted: *noted,
                presented: presented.clone(),
                accepted: accepted.clone(),
                linked: *linked && process.was_linked,
                unlinked_since: if *linked { *noted } else { process.unlinked_since },
            });
        }
        if let Some(code @ ("VERIFICATION_UNAVAILABLE" | "INTERNAL_ERROR")) = code.as_deref() {
            let (presented, code) = (presented.clone(), code.to_owned());
            self.unavailable.push(Unavailable { run: process.run, noted: *noted, presented, code });
        }
        process.was_linked = *linked;
    }

    /// A note may be late, because its thread had to wait. In one process, the moment of a decision less the age of its answer is
    /// the same for all decisions with that answer. So the earliest such difference is the best.
    fn find_moments(&mut self) {
        let mut origins: HashMap<(Run, &str, u64), Moment> = HashMap::new();
        for Served { run, decided, accepted, .. } in &self.served {
            let origin = decided.saturating_sub(accepted.age);
            let earliest = origins.entry((*run, &accepted.key, accepted.answer)).or_insert(origin);
            *earliest = origin.min(*earliest);
        }
        let moments: Vec<Moment> = self
            .served
            .iter()
            .map(|Served { run, accepted, .. }| {
                let Accepted { key, answer, age, .. } = accepted;
                let origin = origins.get(&(*run, key.as_str(), *answer));
                origin.copied().unwrap_or_default() + age
            })
            .collect();
        for (served, moment) in self.served.iter_mut().zip(moments) {
            served.decided = moment;
        }
        self.served.sort_by_key(|served| served.decided);
    }

    /// Whether Kinde answered calls all the time.
    pub(super) fn kinde_answers(&self, from: Moment, to: Moment) -> bool {
        self.silences.iter().all(|(begins, ends)| to < *begins || from > *ends)
    }

    /// Whether a key that had this version has changed by then.
    pub(super) fn changed(&self, key: &str, since: Version, by: Moment) -> bool {
        let changes = self.changes.get(key).map_or(&[][..], Vec::as_slice);
        changes.iter().any(|(version, at)| *version > since && *at <= by)
    }

    pub(super) fn since_start(&self, moment: Moment) -> f64 {
        seconds(moment.saturating_sub(self.start))
    }
}
