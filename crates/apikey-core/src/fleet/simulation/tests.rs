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

/// Each rule, turned off, and a seed that misses it.
const RULES: [(Broken, u64); 21] = [
    (Broken::Link(Rule::LeaseFromSending), 0),
    (Broken::Link(Rule::QuarantineOfRuns), 0),
    (Broken::Link(Rule::QuarantineOfLogs), 0),
    (Broken::Link(Rule::QuarantineWithoutGaps), 0),
    (Broken::Link(Rule::LastPageConfirms), 0),
    (Broken::Link(Rule::ForgetWhenBehind), 0),
    (Broken::Link(Rule::ForgetAfterSleep), 0),
    (Broken::Link(Rule::Retell), 0),
    (Broken::Link(Rule::AppendAgain), 0),
    (Broken::Link(Rule::HeadOfEntry), 0),
    (Broken::Link(Rule::OutboxOfEntry), 0),
    (Broken::Link(Rule::ClockOfLook), 0),
    (Broken::Link(Rule::FloorOfEntries), 0),
    (Broken::Link(Rule::StampInAgreement), 0),
    (Broken::Store(Mistake::PlacesWithoutIds), 0),
    (Broken::Store(Mistake::OriginsSeenForEver), 0),
    (Broken::Store(Mistake::ReplicasAnswerPulls), 0),
    (Broken::Store(Mistake::RunIsCopied), 0),
    (Broken::Store(Mistake::RunOfTheProcess), 0),
    (Broken::Engine(Neglect::Flights), 0),
    (Broken::Engine(Neglect::CutOff), 0),
];

#[test]
#[ignore = "it takes minutes"]
fn find_the_seeds_that_miss_each_rule() {
    let only = number_from("APIKEY_FLEET_RULE");
    for (number, (broken, _)) in RULES.into_iter().enumerate() {
        if only.is_some_and(|only| only & (1 << number) == 0) {
            continue;
        }
        let seeds = number_from("APIKEY_FLEET_SEEDS").unwrap_or(SEEDS);
        let caught = (0..seeds).find_map(|seed| {
            let panic = catch_unwind(|| Simulation::run(seed, Some(broken))).err()?;
            Some((seed, panic.downcast_ref::<String>().cloned()))
        });
        println!("FOUND {broken:?}: {caught:?}");
    }
}
