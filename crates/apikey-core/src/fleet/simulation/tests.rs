//! The schedules.

use std::panic::catch_unwind;

use super::*;
use crate::fleet::link::Rule;

/// In debug mode, one takes about 30 ms.
const SEEDS: u64 = 200;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn no_schedule_of_a_fleet_breaks_an_invariant() {
    if let Some(seed) = number_from("APIKEY_FLEET_SEED") {
        eprintln!("{:?}", Simulation::run(seed, None));
        return;
    }
    let mut counts = Counts::default();
    for seed in 0..number_from("APIKEY_FLEET_SEEDS").unwrap_or(SEEDS) {
        match catch_unwind(|| Simulation::run(seed, None)) {
            Ok(more) => counts.add(&more),
            Err(panic) => {
                eprintln!("the failing seed: APIKEY_FLEET_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    eprintln!("{counts:?}");
}

/// Each rule, turned off, and the first seed that misses it. `find_the_seeds_that_miss_each_rule` finds them again after a
/// change of the schedules.
const RULES: [(Broken, u64); 21] = [
    (Broken::Link(Rule::LeaseFromSending), 354),
    (Broken::Link(Rule::QuarantineOfRuns), 7),
    (Broken::Link(Rule::QuarantineOfLogs), 25),
    (Broken::Link(Rule::QuarantineWithoutGaps), 38),
    (Broken::Link(Rule::LastPageConfirms), 52),
    (Broken::Link(Rule::ForgetWhenBehind), 180),
    (Broken::Link(Rule::ForgetAfterSleep), 762),
    (Broken::Link(Rule::Retell), 10),
    (Broken::Link(Rule::AppendAgain), 2),
    (Broken::Link(Rule::HeadOfEntry), 0),
    (Broken::Link(Rule::OutboxOfEntry), 1),
    (Broken::Link(Rule::ClockOfLook), 24),
    (Broken::Link(Rule::FloorOfEntries), 15),
    (Broken::Link(Rule::StampInAgreement), 111),
    (Broken::Store(Mistake::PlacesWithoutIds), 2),
    (Broken::Store(Mistake::OriginsSeenForEver), 0),
    (Broken::Store(Mistake::ReplicasAnswerPulls), 0),
    (Broken::Store(Mistake::RunIsCopied), 7),
    (Broken::Store(Mistake::RunOfTheProcess), 57),
    (Broken::Engine(Neglect::Flights), 0),
    (Broken::Engine(Neglect::CutOff), 0),
];

#[test]
fn each_rule_that_is_turned_off_is_missed() {
    for (broken, seed) in RULES {
        assert!(catch_unwind(|| Simulation::run(seed, Some(broken))).is_err(), "{broken:?}");
        Simulation::run(seed, None);
    }
}

#[test]
#[ignore = "it takes minutes"]
fn find_the_seeds_that_miss_each_rule() {
    for (broken, _) in RULES {
        let seeds = number_from("APIKEY_FLEET_SEEDS").unwrap_or(20 * SEEDS);
        let caught = (0..seeds).find_map(|seed| {
            let panic = catch_unwind(|| Simulation::run(seed, Some(broken))).err()?;
            Some((seed, panic.downcast_ref::<String>().cloned()))
        });
        println!("{broken:?}: {caught:?}");
    }
}
