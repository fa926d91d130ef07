//! Reads a history, and says what in it must not be. It is pure: it neither runs nor waits.
//!
//! An answer is *older* than a removal if Kinde gave it before the change for which the key was removed. Every answer tells its
//! version, so that nothing is inferred from times. The checker demands:
//!
//! 1. A request passes only with a key that Kinde has issued, and as that key.
//! 2. The instance that made a removal decides with no older answer from the moment at which the call returned.
//! 3. An instance that says that it is linked decides with none more than 0.9 s after the store took the removal.
//! 4. A cut-off instance decides with none more than 10 s after Kinde was asked for it, if Kinde answers.
//! 5. If Kinde does not, it decides with none more than 60 s after the removal was taken or, if that comes first, after
//!    the instance was last linked.
//! 6. No answer serves for longer than its time to live, and none says that it is younger than it is, in no instance.
//! 7. An instance that has an answer within these times does not answer that Kinde is unavailable.
//!
//! To 4 and 5 comes the time limit of a verification. The moment of a decision is that of its note, less how late the note
//! was: an answer's age at each decision shows how far these are apart. A request that waited for a verification is decided when that
//! ended.

mod timeline;

use std::collections::HashMap;

use crate::clock::{MILLISECOND, Moment, SECOND, Span, seconds};
use crate::history::{Accepted, Event};
use timeline::{Removal, Served, Timeline};

/// By how much the ages that an instance tells may be off, because its reading of the clock and the note are two.
const TOLERANCE: Span = 10 * MILLISECOND;
/// A history with more than this many violations is not told to its end.
const MOST_TOLD: usize = 20;

/// The bounds of one history.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// How long after the store took a removal a linked instance may decide with an older answer.
    pub linked: Span,
    /// How old an answer may be that a cut-off instance uses while Kinde answers.
    pub reuse: Span,
    /// How long it may use one while Kinde does not (`serve_unconfirmed_for`).
    pub unconfirmed: Span,
    /// The time limit of a verification.
    pub verification: Span,
    /// How long an answer serves.
    pub time_to_live: Span,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            linked: 900 * MILLISECOND,
            reuse: 10 * SECOND,
            unconfirmed: 60 * SECOND,
            verification: 3 * SECOND,
            time_to_live: 300 * SECOND,
        }
    }
}

/// What a history shows.
#[derive(Debug, Default)]
pub struct Findings {
    /// How many decisions were checked.
    pub decisions: usize,
    /// How many of them let the request pass.
    pub accepted: usize,
    /// How many of these used an answer that was older than a removal that had been called.
    pub older: usize,
    /// How many removals there were.
    pub removals: usize,
    /// How many decisions said that Kinde is unavailable, or that the service is broken.
    pub unavailable: usize,
    /// What was wrong: a key that was never valid, or an answer beyond its bounds.
    pub wrong: Vec<String>,
    /// Unavailable although the instance had an answer.
    pub failures: Vec<String>,
    /// For each removal that the store took: from its call to the last decision with an older answer in another
    /// instance that is linked. 0 if there was none.
    pub spans: Vec<Span>,
}

/// Checks a history. Its events stand in the order in which they became known.
#[must_use]
pub fn check(events: &[Event], bounds: &Bounds) -> Findings {
    let timeline = Timeline::new(events);
    let checker = Checker { bounds, timeline: &timeline };
    let mut findings = Findings {
        decisions: timeline.decisions,
        removals: timeline.removals.values().map(Vec::len).sum(),
        ..Findings::default()
    };
    let mut spans: HashMap<(&str, usize), Span> = HashMap::new();
    for served in &timeline.served {
        findings.accepted += 1;
        tell(&mut findings.wrong, checker.identity(served));
        tell(&mut findings.wrong, checker.age(served));
        let removals = timeline.removals.get(&served.accepted.key).map_or(&[][..], Vec::as_slice);
        for (number, removal) in removals.iter().enumerate() {
            if removal.version <= served.accepted.version || served.decided <= removal.called {
                continue;
            }
            findings.older += 1;
            tell(&mut findings.wrong, checker.removal(served, removal));
            if served.linked && served.run.0 != removal.run.0 {
                let span = spans.entry((&served.accepted.key, number)).or_default();
                *span = (*span).max(served.decided - removal.called);
            }
        }
    }
    for failed in &timeline.unavailable {
        findings.unavailable += 1;
        tell(&mut findings.failures, checker.failure(failed));
    }
    for (key, removals) in &timeline.removals {
        let taken = removals.iter().enumerate().filter(|(_, removal)| removal.taken.is_some());
        findings
            .spans
            .extend(taken.map(|(number, _)| spans.get(&(key.as_str(), number)).copied().unwrap_or_default()));
    }
    findings.spans.sort_unstable();
    findings
}

fn tell(told: &mut Vec<String>, found: Option<String>) {
    match found {
        Some(found) if told.len() < MOST_TOLD => told.push(found),
        Some(_) if told.len() == MOST_TOLD => told.push("and more".to_owned()),
        _ => {}
    }
}

struct Checker<'a> {
    bounds: &'a Bounds,
    timeline: &'a Timeline,
}

impl Checker<'_> {
    /// Rule 1.
    fn identity(&self, served: &Served) -> Option<String> {
        let Served { accepted, presented, .. } = served;
        if presented.is_empty() {
            return Some(self.words(served, "passed with a key that was never issued"));
        }
        (*presented != accepted.key)
            .then(|| self.words(served, &format!("passed with the key of {presented}")))
    }

    /// Rules 2 to 5.
    fn removal(&self, served: &Served, removal: &Removal) -> Option<String> {
        let Served { decided, accepted, run, .. } = served;
        let after = |limit: Moment, what: &str| {
            let late = seconds(decided.saturating_sub(limit));
            let version = removal.version;
            (*decided > limit).then(|| {
                let what = format!("served {late:.3} s beyond {what} of version {version}");
                self.words(served, &what)
            })
        };
        if *run == removal.run {
            return after(removal.returned, "its own removal");
        }
        let taken = removal.taken.unwrap_or(Moment::MAX);
        if served.linked {
            let limit = taken.saturating_add(self.bounds.linked);
            return after(
                limit,
                &format!("{:.1} s after the store took the removal", seconds(self.bounds.linked)),
            );
        }
        let Bounds { reuse, unconfirmed, verification, .. } = *self.bounds;
        let asked = self.answered(accepted).unwrap_or(*decided);
        let since = taken.min(asked.max(served.unlinked_since));
        let late = after(since + unconfirmed + verification, "what Kinde need not confirm after the removal");
        if late.is_some() || !self.timeline.kinde_answers(asked + reuse, *decided) {
            return late;
        }
        after(asked + reuse + verification, "what needs no new question, after the removal")
    }

    /// Rule 6.
    fn age(&self, served: &Served) -> Option<String> {
        let answered = self.answered(&served.accepted)?;
        let age = served.decided.saturating_sub(answered);
        if age > self.bounds.time_to_live + TOLERANCE {
            return Some(self.words(served, &format!("served at an age of {:.3} s", seconds(age))));
        }
        let told = served.accepted.age;
        (told + TOLERANCE < age).then(|| {
            let what = format!("says that it is {:.3} s old, and is {:.3} s", seconds(told), seconds(age));
            self.words(served, &what)
        })
    }

    /// Rule 7.
    fn failure(&self, failed: &timeline::Unavailable) -> Option<String> {
        // An answer may live a tenth shorter than is set.
        let lives = (self.bounds.time_to_live / 10 * 9).min(self.bounds.unconfirmed);
        let known = self.timeline.served.iter().rev().find(|served| {
            served.run == failed.run && served.accepted.key == failed.presented && served.noted < failed.noted
        })?;
        let answered = self.answered(&known.accepted)?;
        let has_changed = self.timeline.changed(&failed.presented, known.accepted.version, failed.noted);
        // An earlier removal may reach the instance late, and then it forgets newer answers, too.
        let is_removed = self.timeline.removals.get(&failed.presented).is_some_and(|removals| {
            removals.iter().any(|removal| {
                let heard = removal.taken.map_or(Moment::MAX, |taken| taken + self.bounds.linked);
                removal.called <= failed.noted && heard >= known.decided
            })
        });
        if has_changed || is_removed || failed.noted + TOLERANCE >= answered + lives {
            return None;
        }
        let instance = failed.run.0;
        Some(format!(
            "at {:.3} s instance {instance} answered {} for {}, and had an answer of {:.3} s of age",
            self.timeline.since_start(failed.noted),
            failed.code,
            failed.presented,
            seconds(failed.noted.saturating_sub(answered)),
        ))
    }

    /// When Kinde's answer had come.
    fn answered(&self, accepted: &Accepted) -> Option<Moment> {
        self.timeline.answered.get(&(accepted.key.clone(), accepted.answer)).copied()
    }

    fn words(&self, served: &Served, what: &str) -> String {
        let Accepted { key, answer, version, source, .. } = &served.accepted;
        let at = self.timeline.since_start(served.decided);
        let linked = if served.linked { "linked" } else { "cut off" };
        let instance = served.run.0;
        format!(
            "at {at:.3} s instance {instance} ({linked}), {key}, answer {answer} of version {version} ({source}): {what}"
        )
    }
}

#[cfg(test)]
mod tests;
