use super::*;
use crate::history::{Decision, Told, Version};

/// A history that is written by hand. Times are in milliseconds.
#[derive(Default)]
struct Script(Vec<Event>);

impl Script {
    /// Three instances and a key with version 1. Instance 1 has asked Kinde at 1,000.
    fn new() -> Self {
        let mut script = Self::default();
        (0..3).for_each(|instance| script.0.push(Event::Started { at: ms(500), instance }));
        script.change(900, 1).verified(1_000, 1)
    }

    fn change(mut self, at: u64, version: Version) -> Self {
        self.0.push(Event::Changed { at: ms(at), key: "key".to_owned(), version });
        self
    }

    fn kinde(mut self, at: u64, answers: bool) -> Self {
        self.0.push(Event::KindeAnswers { at: ms(at), answers });
        self
    }

    fn told(mut self, instance: usize, what: Told) -> Self {
        self.0.push(Event::Told { instance, what });
        self
    }

    fn verified(self, at: u64, answer: u64) -> Self {
        self.told(1, Told::Verified { at: ms(at), key: "key".to_owned(), answer })
    }

    /// Instance 0 removes the key, and the call takes 1 ms.
    fn removed(self, called: u64, version: Version) -> Self {
        let (called, returned) = (ms(called), ms(called + 1));
        self.told(0, Told::Removed { called, returned, key: "key".to_owned(), version })
    }

    fn taken(self, at: u64, version: Version) -> Self {
        self.told(0, Told::Taken { at: ms(at), key: "key".to_owned(), version })
    }

    /// A request passes with the first answer.
    fn served(self, instance: usize, noted: u64, linked: bool) -> Self {
        self.served_with(instance, noted, linked, 1, 1, noted - 1_000)
    }

    /// A request passes that waited for the second answer, of version 1.
    fn served_after_waiting(self, instance: usize, noted: u64, source: &str) -> Self {
        let (key, source) = ("key".to_owned(), source.to_owned());
        let accepted = Accepted { key: key.clone(), answer: 2, version: 1, age: ms(noted - 1_980), source };
        let accepted = Some(accepted);
        let decision =
            Decision { noted: ms(noted), presented: key, accepted, linked: true, ..Decision::default() };
        self.told(instance, Told::Decided(decision))
    }

    fn served_with(
        self,
        instance: usize,
        noted: u64,
        linked: bool,
        answer: u64,
        version: u64,
        age: u64,
    ) -> Self {
        let (key, source) = ("key".to_owned(), "hit".to_owned());
        let accepted = Accepted { key: key.clone(), answer, version, age: ms(age), source };
        let decision = Decision {
            noted: ms(noted),
            presented: key,
            accepted: Some(accepted),
            linked,
            ..Decision::default()
        };
        self.told(instance, Told::Decided(decision))
    }

    fn refused(self, instance: usize, noted: u64, code: &str) -> Self {
        let decision = Decision {
            noted: ms(noted),
            presented: "key".to_owned(),
            code: Some(code.to_owned()),
            ..Decision::default()
        };
        self.told(instance, Told::Decided(decision))
    }

    fn check(&self) -> Findings {
        check(&self.0, &Bounds::default())
    }

    #[track_caller]
    fn is_right(&self) {
        let findings = self.check();
        assert!(findings.wrong.is_empty() && findings.failures.is_empty(), "{findings:?}");
    }

    #[track_caller]
    fn is_wrong(&self, because: &str) {
        let findings = self.check();
        assert!(findings.wrong.len() == 1 && findings.wrong[0].contains(because), "{findings:?}");
    }
}

fn ms(milliseconds: u64) -> Moment {
    milliseconds * MILLISECOND
}

#[test]
fn a_key_that_was_never_issued_must_not_pass() {
    let accepted =
        Accepted { key: "key".to_owned(), answer: 1, version: 1, age: 0, source: "hit".to_owned() };
    let decision = |presented: &str| Decision {
        noted: ms(1_001),
        presented: presented.to_owned(),
        accepted: Some(accepted.clone()),
        ..Decision::default()
    };
    Script::new().told(1, Told::Decided(decision("key"))).is_right();
    Script::new().told(1, Told::Decided(decision(""))).is_wrong("never issued");
    Script::new().told(1, Told::Decided(decision("other"))).is_wrong("passed with the key of other");
}

#[test]
fn the_remover_obeys_when_the_call_returns() {
    let script = || Script::new().change(2_000, 2).removed(2_000, 2);
    script().served(0, 2_001, true).is_right();
    script().served(0, 2_002, true).is_wrong("its own removal");
    script().served(0, 2_002, false).is_wrong("its own removal");
    script().served_with(0, 2_002, true, 2, 2, 0).is_right();
}

#[test]
fn a_new_process_of_the_remover_is_another_instance() {
    let mut script = Script::new().change(2_000, 2).removed(2_000, 2);
    script.0.push(Event::Started { at: ms(2_100), instance: 0 });
    script.served(0, 2_200, false).is_right();
}

#[test]
fn a_linked_instance_obeys_within_its_bound() {
    let script = || Script::new().served(1, 1_900, true).change(2_000, 2).removed(2_000, 2);
    script().taken(2_100, 2).served(1, 3_000, true).is_right();
    script().taken(2_100, 2).served(1, 3_001, true).is_wrong("0.9 s after the store took the removal");
    // Nobody can know of it before.
    script().served(1, 90_000, true).is_right();
}

#[test]
fn a_late_note_is_no_late_decision() {
    let script = Script::new().served(1, 1_900, true).change(2_000, 2).removed(2_000, 2).taken(2_100, 2);
    // It was decided at 2,900, as the age tells.
    script.served_with(1, 3_500, true, 1, 1, 1_900).is_right();
}

/// It must look for removals again when it goes on.
#[test]
fn a_request_that_waited_is_decided_when_it_goes_on() {
    let script = || {
        let told = Told::Verified { at: ms(1_990), key: "key".to_owned(), answer: 2 };
        Script::new().told(0, told).change(2_000, 2).removed(2_000, 2)
    };
    for source in ["verified", "coalesced", "shared"] {
        script().served_after_waiting(0, 1_999, source).is_right();
        script().served_after_waiting(0, 2_020, source).is_wrong("its own removal");
    }
}

#[test]
fn an_instance_that_is_linked_just_after_a_decision_was_cut_off() {
    let script = Script::new().served(1, 1_900, false).change(2_000, 2).removed(2_000, 2).taken(2_100, 2);
    script.served(1, 3_100, true).is_right();
}

#[test]
fn a_cut_off_instance_asks_kinde_in_time() {
    let script = || {
        let linked = Script::new().served(1, 1_900, true).change(2_000, 2).removed(2_000, 2).taken(2_100, 2);
        linked.served(1, 5_000, false)
    };
    // 10 s after the answer, and 3 s for a verification.
    script().served(1, 14_000, false).is_right();
    script().served(1, 14_001, false).is_wrong("no new question");
    script().kinde(13_000, false).served(1, 14_001, false).is_right();
    script().kinde(3_000, false).kinde(4_000, true).served(1, 14_001, false).is_wrong("no new question");
}

#[test]
fn a_cut_off_instance_forgets_without_kinde() {
    let script = |taken: bool| {
        let script = Script::new().kinde(1_500, false).served(1, 1_900, true);
        let script = script.change(2_000, 2).removed(2_000, 2);
        if taken { script.taken(2_100, 2) } else { script }.served(1, 5_000, false)
    };
    script(true).served(1, 65_100, false).is_right();
    script(true).served(1, 65_101, false).is_wrong("need not confirm");
    // The store has not taken it: the instance could not know until it was cut off.
    script(false).served(1, 68_000, false).is_right();
    script(false).served(1, 68_001, false).is_wrong("need not confirm");
}

#[test]
fn no_answer_serves_beyond_its_time_to_live() {
    Script::new().served(2, 301_010, true).is_right();
    Script::new().served(2, 301_011, true).is_wrong("an age of 300.011 s");
}

#[test]
fn no_answer_is_younger_than_it_is() {
    Script::new().served_with(2, 5_000, true, 1, 1, 3_990).is_right();
    Script::new()
        .served_with(2, 5_000, true, 1, 1, 3_989)
        .is_wrong("says that it is 3.989 s old, and is 4.000 s");
}

#[test]
fn a_known_key_is_never_unavailable() {
    let script = || Script::new().served(1, 1_900, true);
    let unavailable = "VERIFICATION_UNAVAILABLE";
    let failed = script().refused(1, 20_000, unavailable).check();
    assert_eq!((failed.failures.len(), failed.unavailable), (1, 1), "{failed:?}");
    // Another instance need not know the key, and nobody knows it after a change or for ever.
    script().refused(2, 20_000, unavailable).is_right();
    script().change(2_000, 2).refused(1, 20_000, unavailable).is_right();
    script().refused(1, 61_000, unavailable).is_right();
    // A removal that an instance hears of late may concern what it has got meanwhile.
    script().removed(1_100, 1).refused(1, 2_000, unavailable).is_right();
    script().removed(1_100, 1).taken(1_200, 1).refused(1, 2_000, unavailable).is_right();
    let failed =
        script().served(1, 2_200, true).removed(1_100, 1).taken(1_200, 1).refused(1, 3_000, unavailable);
    assert_eq!(failed.check().failures.len(), 1);
    assert_eq!(script().refused(1, 20_000, "INVALID_KEY").check().unavailable, 0);
}

#[test]
fn the_last_older_answer_of_each_removal_is_measured() {
    let script = Script::new().served(1, 1_900, true).change(2_000, 2).removed(2_000, 2).taken(2_100, 2);
    let script = script
        .served(1, 2_030, true)
        .served(1, 2_050, true)
        .change(4_000, 3)
        .removed(4_000, 3)
        .taken(4_001, 3);
    let findings = script.check();
    assert_eq!(findings.spans, [0, ms(50)]);
    assert_eq!((findings.removals, findings.older, findings.decisions), (2, 2, 3));
}
